"""Whether the packages that are imported are Driftline's own.

Other distributions install folders of the same names (`transfer` and `encoders` are on PyPI), and pip overwrites files
silently. Nothing but the standard library is used here: the check has to work where our own packages no longer import.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, distributions
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("streams", "encoders", "transfer", "sinks")
DISTRIBUTION = "driftline"
HOME = Path(__file__).resolve().parents[2]
"""The folder that holds the four packages of the program that runs."""

_REINSTALL = (
    "install Driftline again (pip install --force-reinstall --no-deps), best in an environment of its own"
)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A package that is not Driftline's, or not wholly: what was found, and what to do."""

    found: str
    fix: str


def conflicts() -> list[Conflict]:
    """All that is wrong with the four packages; empty where each is ours."""
    return [*_shadowed(), *_overwritten(), *_changed()]


def _shadowed() -> Iterator[Conflict]:
    """Packages that Python takes from elsewhere."""
    for package in PACKAGES:
        folder = _imported_from(package)
        if folder is None:
            yield Conflict(f"{package} is missing from {HOME}", _REINSTALL)
        elif folder != HOME / package:
            others = [name for name, _, files in _others(package) if folder in _folders(files)]
            fix = f"pip uninstall {' '.join(others)}" if others else f"take {folder.parent} off PYTHONPATH"
            yield Conflict(f"{package} is imported from {folder}, which is not Driftline's", fix)


def _overwritten() -> Iterator[Conflict]:
    """Packages of ours into whose folder another distribution has installed."""
    for package in PACKAGES:
        for name, version, files in _others(package):
            count = sum(HOME / package in file.parents for file in files)
            if count:
                found = f"the distribution {name} {version} has installed {_files(count)} into our folder {package}"
                yield Conflict(found, f"pip uninstall {name}, then {_REINSTALL}")


def _changed() -> Iterator[Conflict]:
    """Packages of which files are not as they were installed. An editable install has nothing to compare with."""
    try:
        ours = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return
    changed = dict.fromkeys(PACKAGES, 0)
    for file in ours.files or ():
        path = Path(str(file.locate())).resolve()
        if file.parts[0] not in PACKAGES or file.hash is None or HOME not in path.parents:
            continue
        changed[file.parts[0]] += not path.is_file() or _digest(path, file.hash.mode) != file.hash.value
    for package, count in changed.items():
        if count:
            found = f"{_files(count)} of {package}: missing, or not as installed"
            yield Conflict(found, _REINSTALL)


def _imported_from(package: str) -> Path | None:
    """The folder that `import` takes, or has taken, the package from."""
    try:
        spec = find_spec(package)
    except ValueError:
        # A module without a spec, such as a stand-in that a test has put there.
        spec = None
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if spec is not None and spec.origin is not None and not folders:
        return Path(spec.origin).resolve()
    return Path(folders[0]).resolve() if folders else None


def _others(package: str) -> Iterator[tuple[str, str, list[Path]]]:
    """Name and version of each other distribution that has files of that package, and these files."""
    for other in distributions():
        files = [
            file.locate()
            for file in other.files or ()
            if file.parts[0] == package and "__pycache__" not in file.parts
        ]
        name = str(other.metadata["Name"])
        if files and name.lower() != DISTRIBUTION:
            yield name, other.version, [Path(str(file)).resolve() for file in files]


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _folders(files: list[Path]) -> set[Path]:
    return {parent for file in files for parent in file.parents}


def _digest(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm, path.read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
