"""Other distributions with packages of our names: said by doctor, and by any command that they break."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streams.cli.own_packages import conflicts
from support.wheels import Environment, build_wheel, write_wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def installed(tmp_path: Path, wheel: Path) -> Environment:
    """Driftline as its users install it, from the wheel."""
    environment = Environment(tmp_path / "environment")
    environment.install(wheel)
    return environment


def doctor(environment: Environment, **variables: str) -> list[dict[str, object]]:
    """Doctor's findings about packages; no broker, no text model."""
    done = environment.run(
        "driftline",
        "doctor",
        "--broker",
        "127.0.0.1:9",
        "--json",
        DRIFTLINE_ENCODER__MODEL="gone",
        **variables,
    )
    assert done.stdout, done.stderr
    return [check for check in json.loads(done.stdout)["checks"] if check["name"] == "packages"]


def test_the_tree_under_test_is_its_own():
    """Where the tests run, no other distribution is in the way."""
    assert conflicts() == []


def test_doctor_finds_a_clean_install_right(installed: Environment):
    """After `pip install driftline` all four packages are Driftline's."""
    (check,) = doctor(installed)
    assert check["ok"] is True, check


def test_doctor_names_the_distribution_that_has_overwritten_a_package(installed: Environment, tmp_path: Path):
    """`pip install transfer` overwrites our files without a word; doctor says which distribution it was, and what to do."""
    installed.install(
        write_wheel(tmp_path, "transfer", "0.40", {"transfer/__init__.py": "# not Driftline's\n"})
    )
    overwritten, changed = doctor(installed)
    assert overwritten["ok"] is False
    assert (
        overwritten["found"] == "the distribution transfer 0.40 has installed 1 file into our folder transfer"
    )
    assert "pip uninstall transfer" in str(overwritten["fix"])
    assert "1 file of transfer" in str(changed["found"])


def test_a_command_that_another_distribution_breaks_says_so(installed: Environment, tmp_path: Path):
    """Whatever fails because `encoders` is not ours any longer, the message is about that, and no traceback."""
    installed.install(
        write_wheel(tmp_path, "encoders", "0.0.4", {"encoders/__init__.py": "raise ImportError('old')\n"})
    )
    for command in ("doctor", "--help"):
        done = installed.run("driftline", command)
        assert done.returncode == 1
        assert "encoders 0.0.4" in done.stderr
        assert "pip uninstall encoders" in done.stderr
        assert "Traceback" not in done.stderr


def test_files_that_another_distribution_has_taken_along_are_missed(installed: Environment, tmp_path: Path):
    """`pip uninstall transfer` removes our file with its own; what is missing is said."""
    installed.install(
        write_wheel(tmp_path, "transfer", "0.40", {"transfer/errors.py": "# not Driftline's\n"})
    )
    installed.uninstall("transfer")
    done = installed.run("driftline", "doctor")
    assert done.returncode == 1
    assert "1 file of transfer: missing" in done.stderr
    assert "--force-reinstall" in done.stderr


def test_a_package_that_lies_in_front_is_found(installed: Environment, tmp_path: Path):
    """A folder `transfer` on PYTHONPATH, in front of ours, is named with the way out."""
    (tmp_path / "transfer").mkdir()
    (tmp_path / "transfer" / "__init__.py").touch()
    done = installed.run("driftline", "doctor", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert f"transfer is imported from {tmp_path / 'transfer'}" in done.stderr
    assert f"take {tmp_path} off PYTHONPATH" in done.stderr


def test_an_error_of_another_kind_stays_what_it_is(installed: Environment):
    """Where the packages are ours, a failure is shown as it is."""
    (installed.packages / "structlog.py").write_text("raise RuntimeError('of another kind')")
    done = installed.run("driftline", "doctor")
    assert done.returncode == 1
    assert "of another kind" in done.stderr
    assert "pip" not in done.stderr
