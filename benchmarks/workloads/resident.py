"""Resident memory of this process, by kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MIB = 1024.0
"""The kernel counts in KiB."""


@dataclass(frozen=True, slots=True)
class Resident:
    """MiB. `file` pages are of mapped files (the engine's segments, libraries): the kernel drops them when it needs room."""

    total_mib: float
    anonymous_mib: float
    file_mib: float


def resident() -> Resident:
    """Now; Linux only."""
    found: dict[str, float] = {}
    for line in Path("/proc/self/smaps_rollup").read_text("ascii").splitlines()[1:]:
        name, _, rest = line.partition(":")
        found[name] = float(rest.split()[0]) / MIB
    total, anonymous = found["Rss"], found["Anonymous"]
    return Resident(round(total, 1), round(anonymous, 1), round(total - anonymous, 1))


def most_resident_mib() -> float:
    """The most that this process ever had; `getrusage` would tell of the one that started it, too. Linux only."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return round(float(peak) / MIB, 1)
