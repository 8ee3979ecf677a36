"""Where events come from, as a store knows it: a short number for each source, and how far each one is.

An identity (a topic's partition, a log file, one letter) is long, and every user keeps one for each source that it has
events of; so users keep its number. Identities, numbers and aliases are points in the meta collection that are only ever
inserted: the second process reads what the first one wrote. A number is drawn from a counter and given once; where two
processes register one identity at a time, the number of the slower one stays unused.

An alias is a name that an earlier release knew the source by. The first identity that asks for it keeps it: a
topic that is made again takes the old one's names, but not its marks.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from sinks.collection import Collection, Key, Payload, PointBatch, Where, WriteMode, in_parts
from sinks.counter import Counter
from sinks.errors import StoreMismatch, StoreUnavailable
from sinks.points import named_id
from sinks.progress import Progress
from sinks.validation import check_texts
from sinks.writer import FENCE

_AT_A_TIME = 256
_MOST_TRIES = 50
_KIND = "folder"
"""The field that blobs are listed by, too; no blob is in a folder of these names."""
_SOURCES, _ALIASES = " sources", " aliases"
_COUNTER = named_id("source counter")


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a store knows of a source."""

    number: int
    aliases: tuple[str, ...] = ()
    """names that earlier releases knew it by, and nothing else was known by"""
    about: dict[str, Any] = field(default_factory=dict)
    """what was said of it last, as JSON"""


class CollectionSources:
    """See `sinks.protocols.Sources`."""

    def __init__(
        self,
        meta: Collection,
        progress: Progress,
        confirm: Callable[[], None] | None,
        prepare: Callable[[], None],
        generation: str = "",
    ) -> None:
        """generation: whose sources these are; another one's are not seen (`sinks.renewal`).
        confirm: whether the version that is open is the live one; raises if not.
        prepare: called before anything is written.
        """
        self._of = f"{generation}/" if generation else ""
        self._meta = meta
        self._progress = progress
        self._confirm = confirm
        self._prepare = prepare
        self._counter = Counter(meta, _COUNTER)
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._settled: set[str] = set()
        """aliases that are taken"""

    def numbers(
        self, identities: Sequence[str], aliases: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, int]:
        """The sources' numbers; see `sinks.protocols.Sources.numbers`."""
        check_texts([*identities, *aliases.values()], "sources")
        with self._lock:
            missing = [identity for identity in dict.fromkeys(identities) if identity not in self._numbers]
            self._learn(missing)
            self._register([identity for identity in missing if identity not in self._numbers])
            owners: dict[str, str] = {}
            for identity, alias in aliases.items():
                owners.setdefault(alias, identity)
            self._claim_aliases(owners)
            return {identity: self._numbers[identity] for identity in identities}

    def known(self) -> dict[str, SourceInfo]:
        """All sources by identity."""
        return self._infos(self._listed(_SOURCES + self._of))

    def find(self, identities: Sequence[str]) -> dict[str, SourceInfo]:
        """Those of the sources that are registered; see `sinks.protocols.Sources.find`."""
        check_texts(identities, "sources")
        payloads: list[Payload] = []
        for part in in_parts(list(dict.fromkeys(identities)), _AT_A_TIME):
            payloads += self._read([self._source_id(identity) for identity in part])
        return self._infos(payloads)

    def _infos(self, payloads: Iterable[Payload]) -> dict[str, SourceInfo]:
        aliases: dict[str, list[str]] = {}
        for payload in self._listed(_ALIASES + self._of):
            aliases.setdefault(payload["identity"], []).append(payload["alias"])
        return {
            payload["identity"]: SourceInfo(
                int(payload["number"]), tuple(aliases.get(payload["identity"], ())), dict(payload["about"])
            )
            for payload in payloads
        }

    def describe(self, identity: str, about: Mapping[str, Any]) -> None:
        """Keep facts of a source; see `sinks.protocols.Sources.describe`."""
        (number,) = self.numbers([identity]).values()
        for _ in range(_MOST_TRIES):
            (stored,) = self._read([self._source_id(identity)])
            wanted = self._source(identity, number, secrets.token_hex(8), int(stored[FENCE]) + 1, dict(about))
            # Refused silently if another process has described it since it was read.
            seen = Where(at_most={FENCE: int(stored[FENCE])})
            self._put([(self._source_id(identity), wanted)], seen, WriteMode.UPDATE)
            (now,) = self._read([self._source_id(identity)])
            if now["owner"] == wanted["owner"]:
                return
        raise StoreUnavailable("other processes kept describing the same source")

    def progress(self, numbers: Iterable[int]) -> dict[int, int]:
        """Per source the next offset; see `sinks.protocols.Sources.progress`."""
        return self._progress.read(numbers)

    def advance(self, next_offsets: Mapping[int, int]) -> None:
        """Raise the sources' progress; see `sinks.protocols.Sources.advance`."""
        if not next_offsets:
            return
        self._prepare()
        if self._confirm is not None:
            self._confirm()
        self._progress.raise_to(next_offsets)

    def _learn(self, identities: Sequence[str]) -> None:
        for part in in_parts(identities, _AT_A_TIME):
            for payload in self._read([self._source_id(identity) for identity in part]):
                self._numbers[payload["identity"]] = int(payload["number"])

    def _register(self, identities: Sequence[str]) -> None:
        if not identities:
            return
        self._prepare()
        # Higher than any in use where meta was put back from an older backup than the users.
        floor = max((number for page in self._progress.pages() for number in page), default=0)
        first = self._counter.draw(secrets.token_hex(8), floor, len(identities))
        for at, part in enumerate(in_parts(identities, _AT_A_TIME)):
            start = first + at * _AT_A_TIME
            points = [
                (self._source_id(identity), self._source(identity, number, "", 0, {}))
                for number, identity in enumerate(part, start)
            ]
            self._put(points, None, WriteMode.INSERT)
        self._learn(identities)

    def _claim_aliases(self, owners: Mapping[str, str]) -> None:
        wanted = [alias for alias in owners if alias not in self._settled]
        for part in in_parts(wanted, _AT_A_TIME):
            stored = {payload["alias"] for payload in self._read([self._alias_id(alias) for alias in part])}
            points: list[tuple[Key, Payload]] = [
                (
                    self._alias_id(alias),
                    {"alias": alias, "identity": owners[alias], _KIND: _ALIASES + self._of},
                )
                for alias in part
                if alias not in stored
            ]
            if points:
                self._prepare()
                self._put(points, None, WriteMode.INSERT)
            self._settled.update(part)

    def _listed(self, kind: str) -> Iterable[Payload]:
        after: Key | None = None
        while True:
            page, after = self._meta.scroll(_AT_A_TIME, after, Where(equals={_KIND: (kind,)}), False)
            yield from (point.payload for point in page)
            if after is None:
                return

    def _read(self, keys: Sequence[Key]) -> list[Payload]:
        found = [point.payload for point in self._meta.retrieve(keys, with_vectors=False)]
        if not all(_KIND in payload for payload in found):
            raise StoreMismatch(
                f"the register of sources in {self._meta.name} is damaged; restore it from a backup"
            )
        return found

    def _put(self, points: Sequence[tuple[Key, Payload]], where: Where | None, mode: WriteMode) -> None:
        sizes = [200 + len(str(payload)) for _, payload in points]
        keys, payloads = [key for key, _ in points], [payload for _, payload in points]
        self._meta.upsert(PointBatch(keys, {}, payloads, np.array(sizes, np.int64)), where=where, mode=mode)

    def _source(
        self, identity: str, number: int, owner: str, revision: int, about: dict[str, Any]
    ) -> Payload:
        return {
            "identity": identity,
            "number": number,
            "about": about,
            "owner": owner,
            FENCE: revision,
            _KIND: _SOURCES + self._of,
        }

    def _source_id(self, identity: str) -> str:
        return named_id(f"source/{self._of}{identity}")

    def _alias_id(self, alias: str) -> str:
        return named_id(f"alias/{self._of}{alias}")
