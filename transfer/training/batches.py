"""Positions of a log in batches: those of one stretch of events share one pass of the ring's network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from transfer.arrays import F32, I32, I64
from transfer.codes import NONE
from transfer.learned.config import NetworkConfig
from transfer.learned.gaps import gap_class
from transfer.learned.network import Context, RingItems, RingTokens
from transfer.rows import group_starts, offsets_of, owners, rows_of, sizes_of
from transfer.training.examples import Examples, gaps_of
from transfer.training.walk import EventLog


@dataclass(slots=True)
class TrainingBatch:
    """P positions and T targets."""

    tokens: RingTokens
    """of C stretches"""
    stretch: Tensor
    """(P,) stretch of each position"""
    last: Tensor
    """(P,) its latest event there"""
    context: Context
    asked_slot: Tensor
    """(P,) slot of the scenario that is asked for in `context`"""
    asked_scenario: Tensor
    """(P,) its code"""
    target: Tensor
    """(T,) item"""
    target_position: Tensor
    target_asked: Tensor
    """(T,) bool: in the asked scenario"""
    target_slot: Tensor
    """(T,) slot of its scenario in `context`, -1: the user has no slot of it"""
    own_position: Tensor
    """(O,) and `own_item`: items that the users had before"""
    own_item: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """Events are cut into overlapping stretches of `ring`; a position reads the one that covers most of its past.

    The first stretch of a user serves its first `ring` positions, each later one begins half a ring further and serves the
    positions at its second half: so a position sees between half a ring and a whole one, as long as there are so many.
    """

    start: I64
    """(P,) first event of each position's stretch"""
    last: I64
    """(P,) position of its latest event in it"""


def stretches(log: EventLog, row: I64, user: I32, ring: int) -> Stretches:
    """Stretch of each position; row (P,) its first unseen event.

    Raises:
        ValueError: a position has no earlier event.
    """
    seen = row - log.offsets[user]
    if len(seen) and seen.min() < 1:
        raise ValueError("a position without an earlier event can't be trained on")
    half = max(ring // 2, 1)
    number = np.where(seen <= ring, 0, -(-(seen - ring) // half))
    begin = log.offsets[user] + number * half
    return Stretches(begin, row - begin - 1)


class TrainingBatches:
    """Draws batches of some positions of a log."""

    def __init__(
        self,
        log: EventLog,
        examples: Examples,
        config: NetworkConfig,
        ids: I64,
        names: F32,
    ) -> None:
        """ids (N,): row of each item in the id table; names (S, D): vectors of the scenarios."""
        self._log, self._examples, self._config = log, examples, config
        self._at = stretches(log, examples.row, examples.user, config.ring)
        self._gaps = gap_class(gaps_of(log), config.gap_edges_s)
        self._ids, self._name_table = ids, torch.from_numpy(names)
        # Rows at which a user meets an item for the first time: those before a position are what the user had.
        order = np.lexsort((np.arange(len(log)), log.item, log.user))
        first = np.sort(order[group_starts([log.user[order], log.item[order]])])
        self._first = first
        self._had_from = np.searchsorted(first, log.offsets[examples.user])
        self._had_to = np.searchsorted(first, examples.row)

    def shuffled(self, positions: I64, size: int, rng: np.random.Generator) -> Iterator[I64]:
        """About `size` positions at a time, stretches in random order and whole."""
        starts, owner = np.unique(self._at.start[positions], return_inverse=True)
        order = np.argsort(rng.permutation(len(starts))[owner], kind="stable")
        for begin in range(0, len(order), size):
            yield positions[order[begin : begin + size]]

    def steps(self, positions: I64, size: int) -> int:
        """How many batches `shuffled` gives."""
        return -(-len(positions) // size)

    def make(self, positions: I64, rng: np.random.Generator) -> TrainingBatch:
        """The batch of these positions; one of each one's target scenarios is asked for, drawn from `rng`."""
        examples, log = self._examples, self._log
        targets, offsets = rows_of(examples.target_offsets, positions)
        owner = owners(offsets)
        drawn = rng.integers(0, np.maximum(sizes_of(offsets), 1))
        asked_scenario = examples.target_scenario[targets[np.minimum(offsets[:-1] + drawn, len(targets) - 1)]]
        context, codes, slot = self._context(positions, asked_scenario)
        tokens, stretch = self._tokens(positions)
        scenario = examples.target_scenario[targets]
        match = codes[owner] == scenario[:, None]
        had_sizes = self._had_to[positions] - self._had_from[positions]
        had_offsets = offsets_of(had_sizes)
        had = np.arange(had_offsets[-1]) + np.repeat(self._had_from[positions] - had_offsets[:-1], had_sizes)
        return TrainingBatch(
            tokens=tokens,
            stretch=torch.from_numpy(stretch),
            last=torch.from_numpy(self._at.last[positions]),
            context=context,
            asked_slot=torch.from_numpy(slot),
            asked_scenario=torch.from_numpy(asked_scenario.astype(np.int64)),
            target=torch.from_numpy(examples.target_item[targets].astype(np.int64)),
            target_position=torch.from_numpy(owner),
            target_asked=torch.from_numpy(scenario == asked_scenario[owner]),
            target_slot=torch.from_numpy(np.where(match.any(axis=1), match.argmax(axis=1), NONE)),
            own_position=torch.from_numpy(owners(had_offsets)),
            own_item=torch.from_numpy(log.item[self._first[had]].astype(np.int64)),
        )

    def _tokens(self, positions: I64) -> tuple[RingTokens, I64]:
        log = self._log
        starts, stretch = np.unique(self._at.start[positions], return_inverse=True)
        length = np.zeros(len(starts), np.int64)
        np.maximum.at(length, stretch, self._at.last[positions] + 1)
        place = np.arange(int(length.max(initial=1)))
        valid = place < length[:, None]
        rows = np.where(valid, starts[:, None] + place, 0)
        gaps = self._gaps[rows]
        gaps[:, 0] = 0
        items, item = np.unique(log.item[rows], return_inverse=True)
        tokens = RingTokens(
            items=RingItems(torch.from_numpy(log.vectors[items]), torch.from_numpy(self._ids[items])),
            item=torch.from_numpy(item.reshape(rows.shape)),
            actions=torch.from_numpy(log.action[rows].astype(np.int64)),
            gaps=torch.from_numpy(gaps),
            names=self._name_table,
            scenario=torch.from_numpy(log.scenario[rows].astype(np.int64)),
        )
        return tokens, stretch

    def _context(self, positions: I64, asked_scenario: I32) -> tuple[Context, I32, I64]:
        """Context; code of the scenario of each slot (P, S), -1: none; slot of the asked one (P,)."""
        examples = self._examples
        sizes = sizes_of(examples.slot_offsets)[positions]
        width = int(sizes.max(initial=0)) + 1
        place = np.arange(width)
        known = place < sizes[:, None]
        if not self._config.use_slots:
            known = np.zeros((len(positions), 1), np.bool_)
            width = 1
        rows = np.where(known, examples.slot_offsets[positions][:, None] + place[:width], 0)
        if not len(examples.slot_scenario):
            raise ValueError("positions have no slots")
        codes = np.where(known, examples.slot_scenario[rows], NONE)
        visited = (codes == asked_scenario[:, None]).any(axis=1)
        at = np.where(visited, (codes == asked_scenario[:, None]).argmax(axis=1), width - 1)
        codes[~visited, width - 1] = asked_scenario[~visited]
        new = np.zeros_like(known)
        new[~visited, width - 1] = self._config.use_slots
        context = Context(
            horizons=torch.from_numpy(examples.horizons[positions].astype(np.float32)),
            masses=torch.from_numpy(examples.masses[positions]),
            slots=torch.from_numpy(examples.slots[rows].astype(np.float32) * known[:, :, None]),
            features=torch.from_numpy(examples.features[rows] * known[:, :, None]),
            names=self._name_table,
            name=torch.from_numpy(np.maximum(codes, 0).astype(np.int64)),
            known=torch.from_numpy(known),
            asked=torch.from_numpy(new),
        )
        return context, codes, at
