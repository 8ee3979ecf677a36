"""A history as training takes it: events on items with their base vectors, and which of them are for what."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from encoders.config import FitConfig
from encoders.item_encoder import ItemEncoder
from streams.errors import TrainingError
from streams.learning.aside_events import AsideEvents
from streams.learning.fit import ItemContent, fit_encoder, item_vectors
from streams.learning.history import History
from streams.workspace.scenario_names import NameMaker
from transfer.arrays import I64, Bool
from transfer.codes import NONE
from transfer.names import NameLookup, NameSource, hashed_names
from transfer.rows import offsets_of
from transfer.training.walk import AsideLog, EventLog


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """A history as training takes it: events on items only, with base vectors."""

    history: History
    log: EventLog
    row: I64
    """(E',) row in the history of each event of the log"""
    to_log: I64
    """(E + 1,) number of log events before each row of the history"""
    encoder: ItemEncoder
    names: NameLookup
    name_source: NameSource
    known: I64 | None = None
    """rows of the history whose items may be known; None: all"""

    @property
    def has_events(self) -> Bool:
        """(N,) whether an item has any event that may be known: these items compete."""
        item = self.log.item if self.known is None else self.history.item[self.known]
        return np.bincount(item[item != NONE], minlength=len(self.history.items)) > 0

    def knowing(self, rows: I64) -> TrainingData:
        """The same, in which the items of these rows of the history compete, and no others: what a test part alone has is not
        known to exist."""
        return replace(self, known=rows)


def training_data(
    history: History,
    rows: I64,
    encoder: ItemEncoder | None = None,
    content: ItemContent | None = None,
    names: NameMaker | None = None,
    fit: FitConfig | None = None,
    dim: int = 128,
) -> TrainingData:
    """Prepare a history; without an encoder one is fitted on the events `rows`.

    names: makes vectors of scenario names; by default the names' hashes give them.

    Raises:
        TrainingError: no event names an item.
    """
    with_item = history.item != NONE
    row = np.flatnonzero(with_item)
    if not len(row):
        raise TrainingError("no event of the log names an item; there is nothing to train on")
    encoder = encoder or fit_encoder(history, rows, fit, content=content, dim=dim)
    before = offsets_of(with_item)
    log = EventLog(
        offsets=before[history.offsets],
        user=history.user[row],
        time=history.time[row],
        key=history.key[row],
        action=history.action[row],
        item=history.item[row],
        scenario=history.scenario[row],
        scenario_names=tuple(history.scenarios),
        item_keys=history.item_keys,
        vectors=item_vectors(encoder, history, content),
        weight=None if history.weight is None else history.weight[row].astype(np.float64),
        aside=_aside(history.aside),
    )
    lookup, source = names(encoder) if names is not None else (hashed_names(encoder.dim), NameSource())
    return TrainingData(history, log, row, before, encoder, lookup, source)


def _aside(events: AsideEvents | None) -> AsideLog | None:
    if events is None:
        return None
    weight = None if events.weight is None else events.weight.astype(np.float64)
    return AsideLog(events.user, events.time, events.key, events.action, events.item, weight)
