"""What a page of the docs names, and whether it is there: links, paths, commands, settings, targets, metrics and the like."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path

import yaml
from typer import main as typer_main

from streams.cli.commands import app
from streams.metrics import Metrics
from streams.settings import Settings
from streams.settings_environment import unknown_variables

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "docker" / "README.md"]
TOPS = "streams|transfer|encoders|sinks|tests|docs|docker|benchmarks"
SUFFIXES = "py|md|toml|yaml|yml|json|txt|cpu|cuda"
PROGRAMS = ("driftline", "driftline:cpu", "daemon")
"""What stands before a command: the program, the image, or the service of docker/compose.yaml."""
OF_TYPER = {"--help", "--install-completion", "--show-completion"}


@dataclass(frozen=True)
class Page:
    """A page of Markdown whose code is indented by four spaces, or fenced."""

    path: Path
    text: str

    @cached_property
    def code_lines(self) -> list[str]:
        """Lines of code, those that end in a backslash joined with the next."""
        lines, fenced = [], False
        for line in self.text.splitlines():
            if line.startswith("```"):
                fenced = not fenced
            elif fenced or line.startswith("    "):
                lines.append(line.removeprefix("    "))
        return re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()

    @cached_property
    def prose(self) -> str:
        """All that is no code block."""
        kept, fenced = [], False
        for line in self.text.splitlines():
            if line.startswith("```"):
                fenced = not fenced
            elif not fenced and not line.startswith("    "):
                kept.append(line)
        return "\n".join(kept)

    @cached_property
    def spans(self) -> list[str]:
        """What stands between backticks."""
        return [span.replace("\\|", "|") for span in re.findall(r"`([^`]+)`", self.prose)]

    @cached_property
    def anchors(self) -> set[str]:
        """What its headings may be linked by."""
        titles = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def page(path: Path) -> Page:
    """The page at that path."""
    return Page(path, path.read_text(encoding="utf-8"))


def missing(one: Page) -> list[str]:
    """Everything that the page names and that is not there."""
    checks = (links, paths, modules, commands, settings, targets, metrics, extras)
    return [f"{one.path.name}: {complaint}" for check in checks for complaint in check(one)]


def links(one: Page) -> Iterator[str]:
    """Relative links, and the headings that they lead to."""
    for target in re.findall(r"\]\(([^)\s]+)\)", one.prose):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = (one.path.parent / file).resolve() if file else one.path
        if not there.exists():
            yield f"link to {target}: no such file"
        elif anchor and anchor not in page(there).anchors:
            yield f"link to {target}: no such heading"


def paths(one: Page) -> Iterator[str]:
    """Files and folders of the repository."""
    for span in [*one.spans, *(word for line in one.code_lines for word in line.split())]:
        if re.fullmatch(rf"({TOPS})/[\w./-]*", span) and not (ROOT / span).exists():
            yield f"path {span}"
    for span in one.spans:
        if re.fullmatch(rf"[\w.-]+\.({SUFFIXES})", span) and span not in _file_names():
            yield f"file {span}"


def modules(one: Page) -> Iterator[str]:
    """Dotted names of our packages."""
    for name in set(re.findall(r"\b(?:streams|transfer|encoders|sinks)(?:\.\w+)+", one.text)):
        if (
            re.search(rf"\.({SUFFIXES})$", name) is None
            and not _is_key(*name.split(".")[:2])
            and not _importable(name)
        ):
            yield f"module {name}"


def commands(one: Page) -> Iterator[str]:
    """`driftline COMMAND --options`, and options and commands between backticks."""
    for words in _command_lines(one):
        yield from _of_command(words)
    for span in one.spans:
        words = span.split()
        if words[0].startswith("--"):
            option = words[0].partition("=")[0]
            if option not in OF_TYPER and not any(option in options for options in _commands().values()):
                yield f"option {option}"


def settings(one: Page) -> Iterator[str]:
    """`section.key`, `[section]`, DRIFTLINE_SECTION__KEY, and blocks of TOML."""
    for span in one.spans:
        section, dot, rest = span.partition(".")
        key = re.match(r"[a-z_0-9]+(?=$| ?=)", rest)
        known = (
            section not in Settings.model_fields or (key and _is_key(section, key[0])) or _importable(span)
        )
        if dot and key and not known:
            yield f"setting {section}.{key[0]}"
        header = re.fullmatch(r"\[(\w+)\](?: ([a-z_0-9]+).*)?", span)
        if header and header[1] not in Settings.model_fields:
            yield f"section [{header[1]}]"
        elif header and header[2] and not _is_key(header[1], header[2]):
            yield f"setting {header[1]}.{header[2]}"
    variables = set(re.findall(r"\bDRIFTLINE_[A-Z0-9_]+\b", one.text)) - {"DRIFTLINE_SECTION__KEY"}
    yield from (f"variable {name}" for name in unknown_variables(dict.fromkeys(variables, ""), Settings))
    section = ""
    for line in one.code_lines:
        if header := re.match(r"\[(\w+)\]\s*$", line):
            section = header[1]
            if section not in Settings.model_fields:
                yield f"section [{section}]"
        elif (entry := re.match(r"#? ?([a-z_0-9]+) = ", line)) and section:
            if not _is_key(section, entry[1]):
                yield f"setting {section}.{entry[1]}"
        elif line.strip() and not line.startswith("#"):
            section = ""


def targets(one: Page) -> Iterator[str]:
    """`make TARGET`."""
    lines = [re.split(r"\s+#", line)[0] for line in one.code_lines]
    for text in (*one.spans, *lines):
        words = text.split()
        if words[:1] == ["make"]:
            names = [word for word in words[1:] if re.fullmatch(r"[a-z-]+", word)]
            yield from (f"make {name}" for name in names if name not in _targets())


def metrics(one: Page) -> Iterator[str]:
    """Metrics and alerts."""
    for name in set(re.findall(r"\bdriftline_[a-z_]+", one.text)):
        if name not in _metrics():
            yield f"metric {name}"
    for name in {span for span in one.spans if re.fullmatch(r"Driftline[A-Z]\w+", span)}:
        if name not in alerts():
            yield f"alert {name}"


def extras(one: Page) -> Iterator[str]:
    """`pip install 'driftline[EXTRA]'`."""
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for named in re.findall(r"(?:driftline|'\.)\[([\w,]+)\]", one.text):
        yield from (f"extra {extra}" for extra in named.split(",") if extra not in known)


@cache
def alerts() -> set[str]:
    """Names of the alerts."""
    content = yaml.safe_load((ROOT / "docker/prometheus/alerts.yml").read_text())
    return {rule["alert"] for group in content["groups"] for rule in group["rules"]}


@cache
def visible_commands() -> set[str]:
    """Those that `driftline --help` shows, with their subcommands: "run", "dead-letters list"."""
    return {name for name in _commands() if name}


@cache
def _commands() -> dict[str, set[str]]:
    """Command -> its options; "" is the program itself."""
    found: dict[str, set[str]] = {}

    def look(command, name: str) -> None:  # type: ignore[no-untyped-def]
        found[name] = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
        for sub, child in getattr(command, "commands", {}).items():
            if not child.hidden:
                look(child, f"{name} {sub}".strip())

    look(typer_main.get_command(app), "")
    return found


def _command_lines(one: Page) -> Iterator[list[str]]:
    for line in one.code_lines:
        words = re.split(r"\s#", line)[0].replace("[--", " --").replace("]", " ").split()
        at = [place for place, word in enumerate(words) if word in PROGRAMS]
        if at and (at[0] == 0 or words[:2] in (["docker", "run"], ["docker", "compose"])):
            name = words[at[-1] + 1 :]
            yield name if name[:1] != ["driftline"] else name[1:]
    for span in one.spans:
        words = span.replace("[--", " --").replace("]", " ").split()
        if words[0] == "driftline" and len(words) > 1:
            yield words[1:]
        elif words[0] in _commands() and any(word.startswith("--") for word in words):
            yield words


def _of_command(words: list[str]) -> Iterator[str]:
    name = words[0] if words and not words[0].startswith("-") else ""
    if name not in _commands():
        yield f"command driftline {name}"
        return
    subs = {known.partition(" ")[2] for known in _commands() if known.startswith(f"{name} ")}
    if name and subs and len(words) > 1:
        if words[1] not in subs and words[1] != "--help":
            yield f"command driftline {name} {words[1]}"
        name = f"{name} {words[1]}"
    known = _commands().get(name, set()) | OF_TYPER
    for word in words:
        option = word.partition("=")[0].rstrip(",.;:")
        if option.startswith("--") and option not in known:
            yield f"option {option} of driftline {name}"


def _is_key(section: str, key: str) -> bool:
    field = Settings.model_fields.get(section)
    return field is not None and key in field.annotation.model_fields  # type: ignore[union-attr]


@cache
def _file_names() -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    files = listed.stdout.split() or [str(path) for path in ROOT.rglob("*") if ".venv" not in path.parts]
    made_by_users = {"driftline.toml", "compose.override.yaml", "tokenizer.json", "config.json", "report.md"}
    return {Path(file).name for file in files} | made_by_users


@cache
def _targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@cache
def _metrics() -> set[str]:
    found = set()
    for family in Metrics().registry.collect():
        found.add(family.name)
        if family.type == "counter":
            found.add(f"{family.name}_total")
    return found


def _importable(name: str) -> bool:
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:end]))
        except ModuleNotFoundError as error:
            if error.name and not name.startswith(error.name):
                raise
            continue
        for part in parts[end:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False
