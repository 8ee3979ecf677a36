"""The sources of events as a process knows them: their numbers in the store, and how far each is there."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

from sinks.protocols import Sources
from streams.events.watermarks import SourceKeys


class SourceNumbers:
    """What was read of the store's registry and of its progress. Thread-safe.

    A source's progress only ever rises, so what is remembered here is never more than what the store has: everything
    below it is in the store, of whatever user.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._keys: dict[int, SourceKeys] = {}
        self._finished: dict[str, int] = {}

    @property
    def finished(self) -> Mapping[str, int]:
        """Next offset that is not known to be in the store, by all that a source may stand under in a watermark."""
        return self._finished

    def keys(self, identities: Sequence[str]) -> list[SourceKeys]:
        """Under what each source may stand in a watermark; one that is new to the store is registered.

        Raises:
            StoreUnavailable: try again.
        """
        self._learn([identity for identity in identities if identity not in self._numbers])
        return [self._keys[self._numbers[identity]] for identity in identities]

    def look(self, identities: Iterable[str], marked: Iterable[str] = ()) -> None:
        """Ask the store how far these sources are, and those of the marks `marked`.

        Raises:
            StoreUnavailable: try again.
        """
        numbers = {self._numbers[identity] for identity in identities}
        numbers.update(int(key) for key in marked if key.isdecimal())
        self._note(self._sources.progress(sorted(numbers)))

    def advance(self, ends: Mapping[str, int]) -> None:
        """Say that everything below these offsets is in the store: of each source the next one.

        Raises:
            StoreUnavailable: try again.
            StoreMoved: another version of the store is live.
        """
        self._learn([identity for identity in ends if identity not in self._numbers])
        wanted = {self._numbers[identity]: offset for identity, offset in ends.items()}
        higher = {
            number: offset for number, offset in wanted.items() if offset > self._finished.get(str(number), 0)
        }
        if higher:
            self._sources.advance(higher)
            self._note(higher)

    def _learn(self, identities: Sequence[str]) -> None:
        if not identities:
            return
        numbers = self._sources.numbers(identities)
        known = self._sources.find(identities)
        with self._lock:
            for identity, number in numbers.items():
                # Releases before there were numbers had the name itself there.
                names = dict.fromkeys((str(number), identity, *known[identity].aliases))
                self._keys[number] = tuple(names)
        # Before anything is judged: what was done with long ago need not even be claimed.
        self._note(self._sources.progress(sorted(numbers.values())))
        with self._lock:
            self._numbers.update(numbers)

    def _note(self, progress: Mapping[int, int]) -> None:
        with self._lock:
            for number, offset in progress.items():
                for key in self._keys.get(number, (str(number),)):
                    if offset > self._finished.get(key, 0):
                        self._finished[key] = offset
