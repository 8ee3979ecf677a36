"""Dockerfiles, as far as these tests read them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its word in capitals and the rest, continued lines joined by single spaces."""

    word: str
    rest: str

    @property
    def exec_form(self) -> list[str]:
        """The JSON list of CMD, ENTRYPOINT or HEALTHCHECK ... CMD.

        Raises:
            ValueError: it is in shell form.
        """
        return [str(part) for part in json.loads(self.rest[self.rest.index("[") :])]

    @property
    def copied(self) -> list[str]:
        """What a COPY takes from the build context; nothing where it copies from another stage, or is no COPY."""
        parts = self.rest.split()
        from_context = self.word == "COPY" and not any(part.startswith("--from=") for part in parts)
        return parts[:-1] if from_context else []


def instructions(file: Path) -> list[Instruction]:
    """All instructions in order, without comments."""
    found: list[Instruction] = []
    pending: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("#") or not text:
            continue
        pending.append(text.removesuffix("\\").rstrip())
        if not text.endswith("\\"):
            word, _, rest = " ".join(pending).partition(" ")
            found.append(Instruction(word.upper(), rest.strip()))
            pending = []
    return found


def stages(file: Path) -> list[list[Instruction]]:
    """The instructions of each build stage, from its FROM on."""
    found: list[list[Instruction]] = []
    for instruction in instructions(file):
        if instruction.word == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return found
