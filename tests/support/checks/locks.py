"""Files of exact versions: constraints, and locks with hashes."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.wheels import ROOT


@dataclass(frozen=True, slots=True)
class Locked:
    """A package of a lock: its version, the hashes of its files, and for which environments ("" for all)."""

    version: str
    hashes: list[str]
    marker: str


def read_lock(path: Path) -> dict[str, Locked]:
    """A requirements file with hashes, by canonical name."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for name, version, rest in re.findall(r"^([\w.-]+)==(\S+)(.*)$", text, re.MULTILINE):
        marker = re.match(r"\s*;\s*(.*?)\s*(?=--hash|$)", rest)
        hashes = re.findall(r"--hash=(sha256:[0-9a-f]{64})", rest)
        found[canonicalize_name(name)] = Locked(version, hashes, marker[1] if marker else "")
    return found


def pins(path: str) -> dict[str, str]:
    """Canonical name to version of a constraints file, by its path in the repository."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return {
        canonicalize_name(name): version
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)
    }


def closure(*extras: str) -> set[str]:
    """Canonical names of all that the project requires here with these extras, and of all that these require in turn."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    waiting = [Requirement(line) for line in project["dependencies"]]
    waiting += [Requirement(f"{project['name']}[{extra}]") for extra in extras]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        for extra in {"", *wanted.extras}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            if name == project["name"]:
                waiting += map(Requirement, optional.get(extra, []))
            else:
                found = map(Requirement, requires(name) or [])
                waiting += [
                    one for one in found if one.marker is None or one.marker.evaluate({"extra": extra})
                ]
    return {name for name, _ in seen} - {project["name"]}
