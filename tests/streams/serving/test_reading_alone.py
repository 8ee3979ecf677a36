"""What a reader doesn't need is not there: commands that read one user start without the side that writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from streams.ingest.intake import open_intake
from streams.settings import Settings
from support.data.event_columns import columns_of, event

NOT_NEEDED = (
    "streams.ingest",
    "streams.worker",
    "faust",
    "aiokafka",
    "torch",
    "transformers",
    "prometheus_client",
)
PROGRAM = """
import json, sys
from streams.cli.main import main
try:
    main()
finally:
    sys.stderr.write(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("reading") / "s")
    with open_intake(folder, Settings(), create=True) as intake:
        intake.ingest.apply(columns_of([event("ada", f"i{n % 3}", at=60.0 * n) for n in range(9)]))
    return folder


@pytest.mark.parametrize("command", ["recommend", "explain"])
def test_reading_one_user_builds_nothing_that_writes(location: str, command: str, tmp_path: Path) -> None:
    """Neither the way into the store nor a model of texts is loaded to answer for one user."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, command, "ada", "--store", location, "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["user_id"] == "ada"
    modules = json.loads(done.stderr)
    assert not [name for name in modules if name.startswith(NOT_NEEDED)]
