"""Which source each row of a log is: files are known by their content, so that they may move, grow and overlap whole.

A file whose first rows are all the rows of a known log continues it; so does one that begins with several known logs, one
after the other. Every other row belongs to a new source. What is kept of a source in the store (`LogFacts`) is small: the
digests that its rows had whenever it was read, and a sketch that tells an overlap which can't be recognised row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from streams.event_log.content import Digests, KnownRows, RunningDigest, Sketch, digests_at
from streams.event_log.positions import Positions
from streams.event_log.stream import StreamShare

PREFIX: Final = "log/"
STATES: Final = 24
"""Sizes remembered of a log that grows; older copies than that are no longer recognised."""
OVERLAP: Final = 0.05
"""Share of common rows from which an overlap that can't be recognised is reported."""


@dataclass(frozen=True, slots=True)
class LogOnce:
    """Of the first `rows` rows of a log those were left out that other logs hold, or rows before them.

    after: fingerprints of the files of these logs.
    """

    rows: int
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What a store keeps of a source that is a log."""

    name: str
    """of the file when it was last read, without its folder"""
    states: tuple[tuple[int, str], ...]
    """(number of rows, their digest) whenever it was read, ascending; the last is the log as it is known"""
    files: tuple[tuple[int, str], ...] = ()
    """fingerprints of the bytes of files that are this log alone, each with its number of rows"""
    sketch: Sketch = Sketch.none()  # noqa: RUF009  # immutable
    first: float | None = None
    last: float | None = None
    """`first` and `last`: earliest and latest event time, unix seconds; None before the first event"""
    rejected: int = 0
    """rows that were no valid events when they were read"""
    positions: Positions | None = None
    """where in Kafka its rows come from, if it tells"""
    stream: StreamShare | None = None
    """which of its rows are under Kafka's sources; None where that was never asked"""
    once: LogOnce | None = None
    """None where all its events were applied"""

    @property
    def rows(self) -> int:
        """Of the log as it is known."""
        return self.states[-1][0]

    def grown(self, rows: int, digest: str) -> LogFacts:
        """The same log, known at that size too."""
        states = tuple(sorted({*self.states, (rows, digest)}))
        return replace(self, states=states[-STATES:])

    def about(self) -> dict[str, Any]:
        """For the store's registry of sources."""
        return {
            "log": 1,
            "name": self.name,
            "states": [[rows, digest] for rows, digest in self.states],
            "files": [[rows, digest] for rows, digest in self.files[-STATES:]],
            "sketch": self.sketch.text(),
            "first": self.first,
            "last": self.last,
            "rejected": self.rejected,
            "positions": None if self.positions is None else self.positions.about(),
            "stream": None if self.stream is None else self.stream.about(),
            "once": None if self.once is None else [self.once.rows, list(self.once.after)],
        }

    @classmethod
    def of_about(cls, about: Mapping[str, Any]) -> LogFacts | None:
        """What `about` gave; None where it is nothing that this release knows."""
        if about.get("log") != 1:
            return None
        positions, stream, once = about.get("positions"), about.get("stream"), about.get("once")
        return cls(
            name=str(about["name"]),
            states=tuple((int(rows), str(digest)) for rows, digest in about["states"]),
            files=tuple((int(rows), str(digest)) for rows, digest in about["files"]),
            sketch=Sketch.of_text(about["sketch"]),
            first=about["first"],
            last=about["last"],
            rejected=int(about["rejected"]),
            positions=None if positions is None else Positions.of_about(positions),
            stream=None if stream is None else StreamShare.of_about(stream),
            once=None if once is None else LogOnce(int(once[0]), tuple(map(str, once[1]))),
        )


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows of a file, from `start` to before `end`, that are the rows from 0 on of the source `identity`."""

    start: int
    end: int
    identity: str


@dataclass(frozen=True, slots=True)
class Overlap:
    """A file that seems to share rows with a known log, by no whole: they would be counted twice."""

    name: str
    known: str
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class FileContent:
    """What was found out about a file by reading it once."""

    rows: int
    """of the file"""
    parts: Sequence[KnownRows]
    """known logs in it (`digests_at`)"""
    running: Sequence[RunningDigest]
    """digests at its end"""

    def of(self, start: int) -> RunningDigest:
        """Of the rows from `start`, 0 or the end of a part, to the end."""
        return next(one for one in self.running if one.start == start)


class KnownLogs:
    """The logs of a store, found by what was ever known of them: a folder may have thousands of files, each of them a log."""

    def __init__(self, facts: Mapping[str, LogFacts]) -> None:
        self.facts: dict[str, LogFacts] = {}
        self.states: dict[int, set[str]] = {}
        """number of rows -> digests of the logs that have, or once had, so many"""
        self._by_state: dict[tuple[int, str], str] = {}
        self._by_row: dict[int, list[str]] = {}
        for identity, one in facts.items():
            self.add(identity, one)

    def add(self, identity: str, facts: LogFacts) -> None:
        """A new log, or one that has changed."""
        self.facts[identity] = facts
        for state in facts.states:
            self.states.setdefault(state[0], set()).add(state[1])
            self._by_state[state] = identity
        for row in facts.sketch.smallest.tolist():
            self._by_row.setdefault(row, []).append(identity)

    def with_state(self, rows: int, digest: str) -> str:
        """Identity of the log that has, or once had, these rows."""
        return self._by_state[rows, digest]

    def like(self, sketch: Sketch) -> set[str]:
        """Identities of logs that may have a row in common with that of the sketch; all others have none that is seen."""
        return {identity for row in sketch.smallest.tolist() for identity in self._by_row.get(row, ())}


def read_content(batches: Iterator[Digests], known: KnownLogs) -> FileContent:
    """Read a file's rows and find the known logs in them."""
    parts, running = digests_at(batches, known.states)
    return FileContent(running[0].rows, parts, running)


def segments_of(
    name: str, content: FileContent, known: KnownLogs
) -> tuple[list[Segment], dict[str, LogFacts], Overlap | None]:
    """The segments of a file, in order and without a gap, and the facts that are new or have changed.

    Where known logs overlap at the file's start, those that take it furthest are chosen. What follows the last of them
    continues it, if that log is not known to continue differently; else it is a new source.
    """
    segments: list[Segment] = []
    row = 0
    while row < content.rows:
        # Of the longest known run: a shorter one is an earlier state, or the start, of it.
        part = max(
            (part for part in content.parts if part.start == row), key=lambda part: part.end, default=None
        )
        if part is None:
            break
        identity = known.with_state(part.end - part.start, part.digest)
        segments.append(Segment(row, part.end, identity))
        row = part.end
    changed: dict[str, LogFacts] = {}
    overlap = None
    if row < content.rows:
        last = segments[-1] if segments else None
        if last is not None and known.facts[last.identity].rows == last.end - last.start:
            identity, rest = last.identity, content.of(last.start)
            segments[-1] = replace(last, end=content.rows)
            facts = known.facts[identity].grown(rest.rows, rest.hex())
        else:
            rest = content.of(row)
            identity = PREFIX + rest.hex()
            segments.append(Segment(row, content.rows, identity))
            overlap = _overlap(name, rest.sketch, known)
            facts = known.facts.get(identity) or LogFacts(name, ((rest.rows, rest.hex()),))
        changed[identity] = replace(facts, name=name, sketch=rest.sketch)
    return segments, changed, overlap


def _overlap(name: str, sketch: Sketch, known: KnownLogs) -> Overlap | None:
    shares = {
        identity: sketch.share_in(known.facts[identity].sketch) for identity in sorted(known.like(sketch))
    }
    nearest = max(shares, key=shares.__getitem__, default=None)
    if nearest is None or shares[nearest] < OVERLAP:
        return None
    return Overlap(name, known.facts[nearest].name, shares[nearest])
