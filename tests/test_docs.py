"""README and docs name nothing that is not there, and the page of settings is the settings'."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streams.settings_page import page as settings_page
from support.checks.docs import PAGES, ROOT, Page, alerts, missing, page, visible_commands

STALE = {
    "a link": ("See [this](nowhere.md).", "link to nowhere.md"),
    "a heading": ("See [this](delivery.md#nothing).", "link to delivery.md#nothing"),
    "a path": ("Look at `streams/nowhere.py`.", "path streams/nowhere.py"),
    "a path in code": ("    python benchmarks/nowhere.py LOG", "path benchmarks/nowhere.py"),
    "a file": ("Look at `nowhere.py`.", "file nowhere.py"),
    "a module": ("    from streams.nowhere import Thing", "module streams.nowhere"),
    "a name in a module": ("See `streams.transport.Thing`.", "module streams.transport.Thing"),
    "a command": ("    driftline fly --store S", "command driftline fly"),
    "a subcommand": ("Run `driftline dead-letters fly`.", "command driftline dead-letters fly"),
    "a command's option": ("    driftline run --broker B \\\n        --fly", "option --fly of driftline run"),
    "another command's option": ("Say `replay --drain`.", "option --drain of driftline replay"),
    "a command in a container": ("    docker compose run -v a:b daemon fly /x", "command driftline fly"),
    "an option in a container": ("    docker run x driftline:cpu run --fly", "option --fly of driftline run"),
    "an option": ("Say `--fly`.", "option --fly"),
    "a setting": ("Set `daemon.wings = 2`.", "setting daemon.wings"),
    "a setting in TOML": ("    [store]\n    location = 1\n    wings = 2", "setting store.wings"),
    "a section": ("The section `[wings]`.", "section [wings]"),
    "a variable": ("Export DRIFTLINE_DAEMON__WINGS.", "variable DRIFTLINE_DAEMON__WINGS"),
    "a target": ("    make fly     # up", "make fly"),
    "a metric": ("Watch `driftline_wings_total`.", "metric driftline_wings_total"),
    "an alert": ("Wait for `DriftlineFlies`.", "alert DriftlineFlies"),
    "an extra": ("    pip install 'driftline[wings]'", "extra wings"),
}


@pytest.mark.parametrize("path", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES])
def test_a_page_names_nothing_that_is_not_there(path: Path) -> None:
    """Links, headings, paths, modules, commands, options, settings, targets, metrics and extras of a page exist."""
    assert missing(page(path)) == []


@pytest.mark.parametrize("kind", STALE)
def test_what_is_not_there_is_noticed(kind: str) -> None:
    """Each kind of name is really looked for."""
    text, complaint = STALE[kind]
    assert missing(Page(ROOT / "docs" / "a.md", text)) == [f"a.md: {complaint}" + _why(complaint)]


def _why(complaint: str) -> str:
    if not complaint.startswith("link"):
        return ""
    return ": no such heading" if "#" in complaint else ": no such file"


def test_the_page_of_settings_is_current() -> None:
    """docs/settings.md is what the settings say of themselves; `make docs` writes it."""
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page()


def test_every_setting_says_what_it_means() -> None:
    """No row of docs/settings.md ends without a meaning."""
    assert [
        line for line in settings_page().splitlines() if line.startswith("| `") and line.endswith("|  |")
    ] == []


def test_no_secret_has_a_default_in_the_docs() -> None:
    """Secrets are named without a value."""
    secrets = [line for line in settings_page().splitlines() if "secret text" in line]
    assert len(secrets) == 7 and all(line.split("|")[4].strip() == "" for line in secrets)


def test_the_readme_is_ten_minutes_long() -> None:
    """A newcomer's first page stays short."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_readme_leads_to_every_page() -> None:
    """Every page of docs/ is linked from the README."""
    text = (ROOT / "README.md").read_text()
    assert [path.name for path in PAGES[1:-1] if f"(docs/{path.name}" not in text] == []


def test_every_benchmark_says_what_it_measures() -> None:
    """docs/benchmarks.md names every program in benchmarks/."""
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    programs = sorted(path.name for path in (ROOT / "benchmarks").glob("*.py"))
    assert [name for name in programs if f"`{name}" not in text] == []


def test_the_readme_lists_every_command() -> None:
    """The table of commands has all that `driftline --help` shows."""
    table = (ROOT / "README.md").read_text().partition("## Commands")[2].partition("\n## ")[0]
    assert [name for name in sorted(visible_commands()) if name.split()[-1] not in table] == []


def test_the_glossary_knows_where_its_words_live() -> None:
    """Each word of the glossary stands in the file that its line names."""
    rows = re.findall(
        r"^\| (.+?) \| .+ \| `(.+)` \|$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE
    )
    assert len(rows) > 50
    for words, path in rows:
        text = path + (ROOT / path).read_text().lower()
        assert any(word in text for word in re.findall(r"[a-z]{3,}", words.lower())), (words, path)


@pytest.mark.parametrize("package", ["streams", "transfer", "encoders", "sinks"])
def test_docstrings_and_messages_name_what_is_there(package: str) -> None:
    """A module or path between backticks in the code exists."""
    stale = []
    for path in sorted((ROOT / package).rglob("*.py")):
        spans = re.findall(r"`([\w./]+)`", path.read_text())
        named = [span for span in spans if re.match(r"(streams|transfer|encoders|sinks)[./]", span)]
        text = "\n".join(f"`{span}`" for span in named)
        stale += [f"{path.relative_to(ROOT)}: {one}" for one in missing(Page(ROOT / "docs" / "a.md", text))]
    assert stale == []


def test_every_alert_says_where_to_look() -> None:
    """docs/operations.md has a line for each alert."""
    text = (ROOT / "docs" / "operations.md").read_text()
    assert [name for name in sorted(alerts()) if f"`{name}`" not in text] == []
