"""A whole log, and a catalogue beside it, as coded columns in memory: what profile, fit, train and evaluate work on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from encoders.media_reference import MediaReference
from encoders.prepare import item_text
from sinks.points import item_key
from streams.errors import LogError
from streams.event_log.log import Log
from streams.events.attributes import AVAILABLE_FROM
from streams.events.columns import concatenate, rows_named, take_events
from streams.events.event import ItemRow
from streams.events.reject_summary import RejectSummary
from streams.events.times import seconds_of
from streams.files.catalogue_file import Catalogue
from streams.files.catalogue_overlap import CatalogueOverlap, overlap_of
from streams.files.catalogue_rows import CatalogueRows
from streams.ingest.item_collisions import colliding_ids, collision
from streams.learning.aside_events import AsideEvents, aside_events
from transfer.arrays import F32, F64, I32, I64, U8, U64, Bool
from transfer.codes import NONE
from transfer.config import InterestConfig
from transfer.item_scenarios import item_scenarios
from transfer.rows import first_of_each, group_starts

notes = structlog.get_logger(__name__)

UNIX_S = 1e8
"""Whole numbers that all lie below this (the year 1973) are hardly unix seconds;"""
STEPS = 0.9
"""they are positions if this share of the steps from a user's basket to the next are 1."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """E distinct events of U users on N items, in order of (user, time, key); S scenarios. All are acts: of weights above 0.

    The same event twice (equal user and key) occurs once. Items are those of the events, then those that only the
    catalogue has. Row `offsets[u]:offsets[u + 1]` are user u's events, oldest first, as the ring would order them.
    """

    users: list[str]
    items: list[str]
    scenarios: list[str]
    """names of events' scenarios, then those that only the catalogue has"""
    texts: list[str]
    item_keys: U64
    """(N,) key of each item in states and stores"""
    item_scenario: I32
    """(N,) the scenario to which the item belongs by all events, -1: to none (`transfer.item_scenarios`); by those that may
    be known before a part is judged: `homes.with_homes_of`"""
    item_texts: list[str]
    """(N,) title and description as the encoder gets them; "" where there is none"""
    offsets: I64
    """(U + 1,) each user's events"""
    user: I32
    item: I32
    """(E,) -1: text alone"""
    scenario: I32
    text: I32
    """(E,) -1: none"""
    time: F64
    action: U8
    key: U64
    debut: Bool
    """(E,) the user's first event with its item"""
    rejected: int
    """rows of the log that are no valid events"""
    identity: str
    """fingerprint of the log's bytes"""
    weight: F32 | None = None
    """(E,) factor of the action's weight, None: 1"""
    overlap: CatalogueOverlap | None = None
    """the log's items beside the catalogue's; None: there is no catalogue"""
    aside: AsideEvents | None = None
    """events of weights of 0 or below, which are none of the E; None: there are none"""
    catalogue_scenario: I32 | None = None
    """(N,) the scenario that the catalogue gives each item, -1: none; None: it gives none to any"""
    media: Mapping[str, list[MediaReference | None]] | None = None
    """(N,) by modality, what the catalogue says of each item's picture or sound; None: nothing of any"""
    available_from: F64 | None = None
    """(N,) unix seconds from which the catalogue says that the item is available, infinite where it says nothing; None: it
    says nothing of any"""

    def __len__(self) -> int:
        return len(self.time)

    @property
    def basket_starts(self) -> I64:
        """(B,) row of the first event of each basket: events of one user at one time."""
        return group_starts([self.user, self.time])

    @property
    def has_positions(self) -> bool:
        """Whether times count each user's events, so that those of different users can't be compared."""
        starts = self.basket_starts
        return are_positions(self.time, np.diff(self.time[starts])[np.diff(self.user[starts]) == 0])


def are_positions(time: F64, gaps: F64) -> bool:
    """Whether times (E,) are places in a sequence: whole, too small for a clock, and most steps of a user (gaps, (G,)) are 1.

    >>> are_positions(np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0])), are_positions(np.array([7.5]), np.array([1.0]))
    (True, False)
    """
    whole = float(time.max()) < UNIX_S and bool((time == np.floor(time)).all())
    return whole and len(gaps) > 0 and float((gaps == 1.0).mean()) >= STEPS


def load_history(
    log: Log,
    catalogue: Catalogue | None = None,
    progress: Callable[[int], None] | None = None,
    interest: InterestConfig = InterestConfig(),  # noqa: B008  # immutable
) -> History:
    """Read everything into memory: about 60 bytes an event. interest: says which actions are acts.

    Raises:
        LogError: a file is damaged, or there is no valid event at all, or no act.
    """
    parts, rejected, left_out = [], RejectSummary(), 0
    for batch in log:
        parts.append(batch.columns)
        rejected.add(batch.rejects)
        if progress is not None:
            progress(batch.rows)
    columns = concatenate(parts)
    rows = _catalogue_rows(catalogue)
    overlap = _overlap(columns.items, rows) if catalogue is not None else None
    collided = colliding_ids([*columns.items, *rows])
    if collided:
        for item_id, owner in collided.items():
            rows.pop(item_id, None)
            notes.warning("left out", why=collision(item_id, owner)[1])
        others = ~np.isin(columns.item, rows_named(columns.items, collided))
        left_out += int((~others).sum())
        columns = take_events(columns, others)
    if not len(columns):
        why = f": {rejected.lines(1)[0]}" if rejected.total else ""
        raise LogError(f"the log has no valid event ({rejected.total + left_out:,} rows rejected){why}")
    read = columns
    acts = interest.action_weights[columns.action] > 0
    if not acts.all():
        columns = take_events(columns, acts)
        if not len(columns):
            raise LogError(
                f"all {len(read)} events of the log are of weights of 0 or below ([interest.actions])"
            )
    order = np.lexsort((columns.key, columns.time, columns.user))
    # The same event twice need not be at the same time (an event id tells): the first is kept.
    by_key = np.lexsort((columns.time, columns.key, columns.user))
    first = np.zeros(len(columns), np.bool_)
    first[by_key[group_starts([columns.user[by_key], columns.key[by_key]])]] = True
    order = order[first[order]]
    items = list(dict.fromkeys([*columns.items, *(read.items if read is not columns else ()), *rows]))
    scenarios = list(
        dict.fromkeys([*columns.scenarios, *(row.scenario for row in rows.values() if row.scenario)])
    )
    code = {name: position for position, name in enumerate(scenarios)}
    described = [rows.get(item_id) for item_id in items]
    user = columns.user[order]
    item, scenario = columns.item[order], columns.scenario[order]
    with_item = item != NONE
    by_catalogue = np.array(
        [code[row.scenario] if row and row.scenario else NONE for row in described], np.int32
    )
    return History(
        users=columns.users,
        items=items,
        scenarios=scenarios,
        texts=columns.texts,
        item_keys=np.array([item_key(item_id) for item_id in items], np.uint64),
        item_scenario=item_scenarios(
            item[with_item],
            scenario[with_item],
            np.ones(int(with_item.sum())),
            by_catalogue,
            columns.scenarios,
        ),
        item_texts=[item_text(row.title, row.description) if row else "" for row in described],
        offsets=np.searchsorted(user, np.arange(len(columns.users) + 1)).astype(np.int64),
        user=user,
        item=item,
        scenario=scenario,
        text=columns.text[order],
        time=columns.time[order],
        action=columns.action[order],
        key=columns.key[order],
        debut=first_of_each([user, item]) & with_item,
        rejected=rejected.total + left_out,
        overlap=overlap,
        identity=log.identity,
        weight=None if columns.weight is None else columns.weight[order],
        aside=None if read is columns else aside_events(read, ~acts, _codes(columns.users), _codes(items)),
        catalogue_scenario=by_catalogue if (by_catalogue != NONE).any() else None,
        media=_media_of(described),
        available_from=_available_from(described),
    )


def _media_of(described: Sequence[ItemRow | None]) -> dict[str, list[MediaReference | None]] | None:
    named = {
        "image": [None if row is None else row.image for row in described],
        "audio": [None if row is None else row.audio for row in described],
    }
    return {name: each for name, each in named.items() if any(each)} or None


def _available_from(described: Sequence[ItemRow | None]) -> F64 | None:
    """Unix seconds for each item, infinite for one without the attribute; None where no item has it."""
    said = {
        code: seconds_of(str(row.attributes[AVAILABLE_FROM]), "iso")
        for code, row in enumerate(described)
        if row is not None and AVAILABLE_FROM in row.attributes
    }
    known = {code: seconds for code, seconds in said.items() if seconds is not None}
    if not known:
        return None
    times = np.full(len(described), np.inf)
    times[list(known)] = list(known.values())
    return times


def _codes(names: list[str]) -> dict[str, int]:
    return {name: code for code, name in enumerate(names)}


def _overlap(log_ids: list[str], rows: Mapping[str, ItemRow]) -> CatalogueOverlap:
    described = sum(item_id in rows for item_id in log_ids)
    return overlap_of(log_ids, described, list(rows)[:1000], lambda ids: [one in rows for one in ids])


def _catalogue_rows(catalogue: Catalogue | None) -> dict[str, ItemRow]:
    """The row of each item that counts."""
    if catalogue is None:
        return {}
    with CatalogueRows(catalogue) as rows:
        return {row.item_id: row for _, batch in rows.batches() for row in batch}
