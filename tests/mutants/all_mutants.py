"""The mutants: faults that the delivery promise must not survive unseen, each with the tests that see it."""

from __future__ import annotations

from mutants.lanes import LANES
from mutants.mutant import Mutant
from mutants.store import STORE
from mutants.transport import TRANSPORT

MUTANTS: list[Mutant] = [*LANES, *STORE, *TRANSPORT]
