"""Threads that wait for work sleep, in every process of the program, unless whoever starts it says otherwise."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from encoders.config import EncoderConfig
from streams.ingest.intake import open_intake
from streams.settings import Settings
from streams.thread_policy import ASLEEP
from support.data.event_columns import columns_of, event
from support.fakes.small_model import save_small_model
from transfer.config import InterestConfig, TransferConfig

RUN = "from streams.cli.main import main; main()"
WATCHED = """
import json, os, sys
from importlib.abc import MetaPathFinder
from streams.cli.main import main
from streams.thread_policy import ASLEEP

class Watch(MetaPathFinder):
    seen = {}
    def find_spec(self, name, path, target=None):
        if name in ("numpy", "scipy", "torch"):
            self.seen.setdefault(name, {policy: os.environ.get(policy) for policy in ASLEEP})

sys.meta_path.insert(0, Watch())
assert "numpy" not in sys.modules
try:
    main()
finally:
    sys.stderr.write(json.dumps(Watch.seen))
"""
IDLE = """
import time
from streams.thread_policy import let_waiting_threads_sleep
let_waiting_threads_sleep()
import numpy as np
matrix = np.ones((100_000, 64), np.float32)
matrix @ matrix[0]
before = time.process_time()
time.sleep(0.2)
print(time.process_time() - before)
"""


def environment(**more: str) -> dict[str, str]:
    """Ours without any policy, and `more`."""
    kept = {name: value for name, value in os.environ.items() if name not in (*ASLEEP, "GOMP_SPINCOUNT")}
    return kept | more


@pytest.fixture(scope="module")
def recommend(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A command that answers by a trained model."""
    folder = tmp_path_factory.mktemp("shop")
    plain = Settings(interest=InterestConfig(dim=24), encoder=EncoderConfig(dim=24))
    model = save_small_model(folder / "m", plain, [f"i{n}" for n in range(5)])
    settings = plain.model_copy(update={"transfer": TransferConfig(model=model)})
    with open_intake(str(folder / "s"), settings, create=True) as intake:
        intake.ingest.apply(columns_of([event("ada", f"i{n % 5}", at=60.0 * n) for n in range(12)]))
    (folder / "c.toml").write_text(
        f"[interest]\ndim = 24\n[encoder]\ndim = 24\n[transfer]\nmodel = {json.dumps(str(model))}\n"
    )
    return [
        "recommend",
        "ada",
        "--store",
        str(folder / "s"),
        "--config",
        str(folder / "c.toml"),
        "--json",
    ]


@pytest.mark.parametrize(
    ("given", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")], ids=["ours", "given"]
)
def test_a_command_has_the_policy_when_its_libraries_are_loaded(
    recommend: list[str], given: dict[str, str], policy: str, tmp_path: Path
) -> None:
    """OpenMP itself says by which policy its threads wait: asleep, or as the environment has it."""
    told = environment(OMP_DISPLAY_ENV="VERBOSE", **given)
    done = subprocess.run(
        [sys.executable, "-c", RUN, *recommend], env=told, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["items"]
    found = re.findall(r"OMP_WAIT_POLICY\s*=\s*'(\w+)'", done.stderr)
    assert found and set(found) == {policy}


def test_the_policy_is_there_before_any_library_that_reads_it(recommend: list[str], tmp_path: Path) -> None:
    """NumPy, SciPy and torch find it in the environment when they are first imported."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *recommend],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stderr)
    assert set(seen) == {"numpy", "scipy", "torch"}
    assert all(there == ASLEEP for there in seen.values())


def test_a_process_that_waits_takes_no_time(tmp_path: Path) -> None:
    """After a product of NumPy's on all cores its threads are asleep, not in a loop."""
    spent = subprocess.run(
        [sys.executable, "-c", IDLE],
        env=environment(PYTHONPATH=os.pathsep.join(sys.path)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(spent.stdout) < 0.005
