"""What is installed with Driftline and what is left out: reading a store needs neither Kafka nor torch."""

from __future__ import annotations

import ast
import json
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from streams.cli.own_packages import PACKAGES
from streams.extras import EXTRAS
from support.checks.locks import closure
from support.data.event_columns import event
from support.data.streamed_logs import write_lines
from support.servers.daemon_process import driftline
from support.wheels import ROOT, Environment, build_wheel

HEAVY = {
    "torch",
    "transformers",
    "sentence-transformers",
    "faust-streaming",
    "aiokafka",
    "kafka-python",
    "lightning",
}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Driftline without extras: its wheel, and nothing but what that requires."""
    environment = Environment(tmp_path_factory.mktemp("reader") / "environment", closure())
    environment.install(build_wheel(tmp_path_factory.mktemp("wheel")))
    return environment


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with three users, of a catalogue with texts, made by the analytic model."""
    folder = tmp_path_factory.mktemp("shop")
    events = [event(f"u{n % 3}", "gh"[n % 2], at=n * 60.0) for n in range(12)]
    write_lines(folder / "events.jsonl", [{**row, "action": "click"} for row in events])
    items = [
        {"item_id": name, "title": title} for name, title in (("g", "Red grapes"), ("h", "Green grapes"))
    ]
    write_lines(folder / "items.jsonl", items)
    files = (str(folder / "events.jsonl"), "--items", str(folder / "items.jsonl"))
    done = driftline("replay", *files, "--store", str(folder / "store"))
    assert done.returncode == 0, done.stderr
    return str(folder / "store")


def test_a_reader_is_spared_what_is_heavy():
    """Without extras neither torch nor a text model nor Kafka is installed."""
    assert not closure() & HEAVY


def test_a_reader_recommends_explains_and_exports(reader: Environment, store: str, tmp_path: Path):
    """Without extras, `recommend`, `explain` and `export` answer from a store that the analytic model made."""
    recommended = reader.run("driftline", "recommend", "u0", "--store", store, "--json")
    assert recommended.returncode == 0, recommended.stderr
    assert {item["item_id"] for item in json.loads(recommended.stdout)["items"]} == {"g", "h"}
    explained = reader.run("driftline", "explain", "u1", "--store", store, "--json")
    assert explained.returncode == 0, explained.stderr
    assert json.loads(explained.stdout)["events"] == 4
    exported = reader.run(
        "driftline", "export", "--store", store, "--out", str(tmp_path / "users.parquet"), "--json"
    )
    assert exported.returncode == 0, exported.stderr
    assert json.loads(exported.stdout)["users"] == 3


def test_doctor_tells_a_reader_what_is_not_installed(reader: Environment, store: str):
    """Without extras, what is missing is worth knowing, and nothing to fix: doctor exits with 0."""
    done = reader.run("driftline", "doctor", "--store", store, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["store"]["ok"] is True
    for name in ("broker", "model", "gpu"):
        assert checks[name]["ok"] is None
        assert "pip install 'driftline[" in checks[name]["fix"]


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (("run", "--store", "here", "--broker", "127.0.0.1:9"), "run"),
        (("replay", "events.jsonl", "--store", "here"), "run"),
        (("quickstart",), "local"),
        (("recommend", "u0"), "learned"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_missing_extra_is_named(
    reader: Environment, store: str, tmp_path: Path, command: tuple[str, ...], extra: str
):
    """A command that needs more than is installed ends with the extra to install, and no traceback."""
    write_lines(reader.packages / "events.jsonl", [{**event("u0", "g", at=0.0), "action": "click"}])
    trained = {} if command[0] != "recommend" else {"DRIFTLINE_TRANSFER__MODEL": str(tmp_path)}
    done = reader.run("driftline", *command, DRIFTLINE_STORE__LOCATION=store, **trained)
    assert done.returncode == 1
    assert f"pip install 'driftline[{extra}]'" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_every_package_that_is_imported_is_required():
    """What our code imports comes with Driftline itself, or with the extra that a message names for it."""
    distributions = packages_distributions()
    core, extras = closure(), {extra: closure(extra) for extra in set(EXTRAS.values())}
    for module in imported():
        (name,) = {name.lower().replace("_", "-") for name in distributions[module]}
        assert name in (extras[EXTRAS[module]] if module in EXTRAS else core) or name in alone(), module
        assert module not in EXTRAS or name not in core, f"{module} is always there"


def alone() -> set[str]:
    """Packages that are installed beside their extra, without what they require, since they pin what can't be taken."""
    text = (Path(__file__).parents[1] / ".ci" / "requirements.alone.txt").read_text(encoding="utf-8")
    return {line.split("==")[0] for line in text.splitlines() if "==" in line}


def imported() -> set[str]:
    """Top-level names of others that our packages import, at their top or in a function."""
    found = set()
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(PACKAGES) - set(sys.stdlib_module_names)
