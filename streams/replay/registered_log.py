"""A log and a store -> the same log with the source of each row, registered in the store before anything is applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sinks.protocols import Sources
from streams.errors import LogError
from streams.event_log.content import Digests
from streams.event_log.log import Log
from streams.event_log.positions import Positions
from streams.event_log.rows import LogRows
from streams.event_log.sources import KnownLogs, LogFacts, Overlap, Segment, read_content, segments_of


@dataclass(frozen=True, slots=True)
class RegisteredLog:
    """A log whose rows have their sources."""

    log: Log
    facts: Mapping[str, LogFacts]
    """what the store knows of each source of it"""


def known_logs(sources: Sources) -> dict[str, LogFacts]:
    """Identity -> facts of all logs that a store knows."""
    found = {identity: LogFacts.of_about(info.about) for identity, info in sources.known().items()}
    return {identity: facts for identity, facts in found.items() if facts is not None}


def register_log(
    log: Log, sources: Sources, *, overlapping: bool = False, by_position: bool = False
) -> RegisteredLog:
    """Find out which rows of which files a store knows, and register what is new.

    A file whose bytes are known is not read. Short files come first, so that a log and its own beginning, given together,
    are one source.

    Args:
        overlapping: files may share rows with other logs, by no whole; it was said what is done about them.
        by_position: rows that tell where in Kafka they come from are recognised by that.

    Raises:
        LogError: a file is damaged inside, or seems to share rows with another log. Nothing is registered then.
        StoreUnavailable: call again.
    """
    known = KnownLogs(known_logs(sources))
    by_bytes = {entry: identity for identity, facts in known.facts.items() for entry in facts.files}
    segments: dict[int, list[Segment]] = {}
    changed: dict[str, LogFacts] = {}
    aliases: dict[str, str] = {}
    for number in sorted(range(len(log.files)), key=lambda number: log.files[number].rows):
        file = log.files[number]
        if not file.rows:
            segments[number] = []
            continue
        entry = file.rows, log.fingerprint_of(number)
        if entry in by_bytes:
            segments[number] = [Segment(0, file.rows, by_bytes[entry])]
            continue
        seen = _Seen(log.description.limits.earliest_s, log.now + log.max_future_s)
        content = read_content(seen.digests(log.rows(number)), known)
        parts, facts_of, overlap = segments_of(file.path.name, content, known)
        placed = by_position and seen.positions is not None and not seen.positions.without
        if overlap is not None and not overlapping and not placed:
            raise LogError(_shared(overlap))
        last = parts[-1].identity
        facts = seen.added_to(facts_of.get(last) or known.facts[last], alone=len(parts) == 1)
        if len(parts) == 1:
            facts = replace(facts, files=(*facts.files, entry))
            by_bytes[entry] = last
            if last not in known.facts:
                aliases[last] = entry[1]  # releases before this one kept marks by the bytes of the files
        changed[last] = facts
        known.add(last, facts)
        segments[number] = parts
    if changed:
        sources.numbers(list(changed), aliases)
        for identity, facts in changed.items():
            sources.describe(identity, facts.about())
    ordered = [segments[number] for number in range(len(log.files))]
    used = {segment.identity for parts in ordered for segment in parts}
    return RegisteredLog(log.with_segments(ordered), {identity: known.facts[identity] for identity in used})


def require_known(log: Log, sources: Sources) -> None:
    """See that a store holds all rows of a log's files.

    Raises:
        LogError: of one it does not; named.
        StoreUnavailable: call again.
    """
    known = KnownLogs(known_logs(sources))
    by_bytes = {entry: identity for identity, facts in known.facts.items() for entry in facts.files}
    for number, file in enumerate(log.files):
        identity = by_bytes.get((file.rows, log.fingerprint_of(number)))
        if identity is not None:
            segments, changed = [Segment(0, file.rows, identity)], False
        else:
            digests = (rows.digests() for rows in log.rows(number))
            segments, facts, _ = segments_of(file.path.name, read_content(digests, known), known)
            changed = bool(facts)
        numbers = {} if changed else sources.numbers([segment.identity for segment in segments])
        progress = sources.progress(numbers.values())
        if changed or any(progress[numbers[one.identity]] < one.end - one.start for one in segments):
            raise LogError(
                f"{file.path}: is not in the store, or not as a whole; what it holds can be left out only once it is. "
                "Replay it first"
            )


def _shared(overlap: Overlap) -> str:
    return (
        f"{overlap.name}: about {overlap.share:.0%} of its rows seem to be those of {overlap.known}, and it does not begin "
        f"with all of it: they would be counted twice. --after {overlap.known} (with its folder) leaves out what that log "
        "holds, --once what earlier rows of the logs given here hold; --overlapping counts all of them"
    )


@dataclass(slots=True)
class _Seen:
    """What is noted of a file's rows while their digests are taken."""

    earliest_time: float
    latest_time: float
    first: float | None = None
    last: float | None = None
    positions: Positions | None = None

    def digests(self, batches: Iterator[LogRows]) -> Iterator[Digests]:
        for rows in batches:
            times = rows.time[(rows.time >= self.earliest_time) & (rows.time <= self.latest_time)]
            if len(times):
                self.first = _least(self.first, float(np.min(times)))
                self.last = _most(self.last, float(np.max(times)))
            if rows.positions is not None:
                self.positions = (self.positions or Positions()).with_rows(rows.positions)
            yield rows.digests()

    def added_to(self, facts: LogFacts, *, alone: bool) -> LogFacts:
        """The facts of the file's last source; alone: the file is nothing but that source."""
        positions = self.positions
        if facts.positions is not None and not alone:
            positions = facts.positions if positions is None else facts.positions.joined(positions)
        return replace(
            facts,
            first=_least(facts.first, self.first),
            last=_most(facts.last, self.last),
            positions=positions,
        )


def _least(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else min(a, b)


def _most(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else max(a, b)
