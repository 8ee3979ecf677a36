"""The list of mutants keeps up with the code. `make mutants` judges them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mutants.all_mutants import MUTANTS
from mutants.mutant import REPOSITORY, Mutant, judge


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_code_that_is_there_and_names_tests_that_are(mutant: Mutant) -> None:
    """A renamed line or test is noticed here, not when the mutants are judged next."""
    assert mutant.changed(REPOSITORY) != (REPOSITORY / mutant.file).read_text()
    compile(mutant.changed(REPOSITORY), mutant.file, "exec")
    for test in mutant.tests:
        file, *names = test.split("::")
        text = (REPOSITORY / file).read_text()
        if file.startswith("tests/contract/"):  # what a contract says is inherited
            text += "".join(
                path.read_text() for path in (REPOSITORY / "tests/contract").glob("*_contract.py")
            )
        for name in names:
            assert f"def {name.partition('[')[0]}(" in text or f"class {name}" in text, f"{test} is not there"


def test_names_are_distinct() -> None:
    """So that a table names each fault once."""
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names))


def test_judging_tells_what_tests_notice_from_what_they_do_not(tmp_path: Path) -> None:
    """A noticed change is killed, an unnoticed one survives, a change of what is not there is stale; the file is put back."""
    (tmp_path / "thing.py").write_text("ONE = 1\nTWO = 2\n")
    (tmp_path / "test_thing.py").write_text("import thing\n\ndef test_one():\n    assert thing.ONE == 1\n")
    tests = ("test_thing.py::test_one",)
    noticed = Mutant("one is two", "thing.py", "ONE = 1", "ONE = 2", tests)
    unnoticed = Mutant("two is three", "thing.py", "TWO = 2", "TWO = 3", tests)
    stale = Mutant("gone", "thing.py", "THREE", "FOUR", tests)
    verdicts = [judge(mutant, tmp_path) for mutant in (noticed, unnoticed, stale)]
    assert [verdict.outcome for verdict in verdicts] == ["killed", "survived", "stale"]
    assert verdicts[0].by == "test_one"
    assert not any(verdict.killed for verdict in verdicts[1:])
    assert (tmp_path / "thing.py").read_text() == "ONE = 1\nTWO = 2\n"


def test_no_end_in_time_is_a_kill_only_where_hanging_is_the_symptom(tmp_path: Path) -> None:
    """A slow machine kills no mutants."""
    (tmp_path / "thing.py").write_text("WAIT_S = 0\n")
    (tmp_path / "test_thing.py").write_text(
        "import time\nimport thing\n\ndef test_it():\n    time.sleep(thing.WAIT_S)\n"
    )
    slow = Mutant("slow", "thing.py", "WAIT_S = 0", "WAIT_S = 60", ("test_thing.py::test_it",))
    assert judge(slow, tmp_path, limit_s=3.0).outcome == "timeout"
    assert judge(replace(slow, hangs=True), tmp_path, limit_s=3.0).killed
