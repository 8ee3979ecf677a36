"""What is packed and what CI installs, and that what is imported is what lies here."""

from __future__ import annotations

import re
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from importlib import import_module
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from streams.cli.own_packages import PACKAGES
from support.checks.locks import closure, pins, read_lock
from support.wheels import ROOT, build_wheel

_PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, GROUPS = _PYPROJECT["project"], _PYPROJECT["dependency-groups"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of this tree."""
    return zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    """What the wheel says of itself."""
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel.read(name).decode("utf-8"))


def test_wheel_holds_the_four_packages_and_nothing_else(wheel: zipfile.ZipFile):
    """Every file of the four packages is in, and beside them only the metadata: no tests, benchmarks or images."""
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    here = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == here


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_says_that_it_is_typed(wheel: zipfile.ZipFile, package: str):
    """Type checkers read our annotations: py.typed lies in each package, in the tree and in the wheel."""
    assert (ROOT / package / "py.typed").is_file()
    assert f"{package}/py.typed" in wheel.namelist()


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_the_one_that_lies_here(package: str):
    """What the tests import is this tree's, not that of another distribution with a package of the same name."""
    assert Path(str(import_module(package).__file__)) == ROOT / package / "__init__.py"


def test_licence_is_in(wheel: zipfile.ZipFile, metadata: Message):
    """The licence's text travels with the wheel, word for word."""
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/licenses/LICENSE")]
    assert wheel.read(name) == (ROOT / "LICENSE").read_bytes()
    assert metadata["License-Expression"] == "Apache-2.0"


def test_wheel_can_not_be_uploaded(metadata: Message):
    """PyPI refuses what says that it is private: two of our four package names belong to others there."""
    assert "Private :: Do Not Upload" in metadata.get_all("Classifier", [])


def test_wheel_tells_what_it_needs_and_starts(wheel: zipfile.ZipFile, metadata: Message):
    """Name, version, Python, extras and the program are those of pyproject.toml; nothing for developers is published."""
    assert (metadata["Name"], metadata["Version"]) == (PROJECT["name"], PROJECT["version"])
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert set(metadata.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])
    assert "dev" not in PROJECT["optional-dependencies"]
    (entry_points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    program = f"driftline = {PROJECT['scripts']['driftline']}"
    assert program in wheel.read(entry_points).decode("utf-8").splitlines()


def test_pythons_that_are_named_are_not_older_than_required(metadata: Message):
    """The classifiers name the Pythons on which the whole suite has run, and the oldest is the required one."""
    named = [
        tuple(map(int, version))
        for line in metadata.get_all("Classifier", [])
        for version in re.findall(r"^Programming Language :: Python :: (\d+)\.(\d+)$", line)
    ]
    oldest = ".".join(map(str, min(named)))
    assert metadata["Requires-Python"] == f">={oldest}"


def test_tests_and_images_are_no_packages():
    """What is imported by name is what is installed: no folder beside the four packages can be imported as one."""
    for folder in ("tests", "docker", "benchmarks"):
        assert not list((ROOT / folder).rglob("__init__.py"))


def test_everything_that_ci_needs_is_locked():
    """All extras and the developers' tools are in CI's lock with hashes, at the versions in constraints.txt; but for torch."""
    tools = {canonicalize_name(Requirement(line).name) for line in GROUPS["dev"] if isinstance(line, str)}
    locked = read_lock(ROOT / ".ci" / "requirements.txt")
    torch = {"torch", *pins("docker/constraints.torch.txt")}
    needed = (closure(*PROJECT["optional-dependencies"]) | tools) - torch
    assert needed <= set(locked), needed - set(locked)
    assert not torch & set(locked)
    assert {name: entry.version for name, entry in locked.items()}.items() <= pins("constraints.txt").items()
    assert all(entry.hashes for entry in locked.values())
