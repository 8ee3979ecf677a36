"""The topics that a daemon reads: those that are named, and those that match a pattern, as the broker last told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import structlog

from streams.topics.layout import TopicLayout
from streams.topics.slot import TopicSlot

log = structlog.get_logger(__name__)


class ReadTopics:
    """Replaced as a whole at each look, so that any thread may ask at any time.

    A topic of a pattern that two looks in a row do not find is no longer read: a broker that has just started may not know all
    of them yet.
    """

    def __init__(self, layout: TopicLayout) -> None:
        self.layout = layout
        self.later: frozenset[str] = frozenset()
        """those that appeared while the daemon ran: all that they hold is new, whatever `--from latest` says"""
        self.warning: str | None = None
        """for the body of /ready: topics that two patterns take"""
        self._slots: Mapping[str, TopicSlot] = dict(layout.named)
        self._missed: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        """Full names, sorted; of events and of items."""
        return sorted(self._slots)

    def slot_of(self, topic: str) -> TopicSlot:
        """What a topic holds that is read, or was until now.

        Raises:
            KeyError: it never was.
        """
        slot = self._slots.get(topic) or self.layout.slot_of(topic)
        if slot is None:
            raise KeyError(topic)
        return slot

    def look(self, existing: Iterable[str], *, running: bool) -> bool:
        """Take what the broker has now; whether other topics are read than before. running: the daemon reads already."""
        found = self.layout.found(existing)
        before, now = self._slots, dict(found.slots)
        missed = before.keys() - now.keys()
        kept = missed - self._missed
        now |= {topic: before[topic] for topic in kept}
        self._missed = frozenset(kept)
        added, gone = sorted(now.keys() - before.keys()), sorted(before.keys() - now.keys())
        if running:
            self.later = frozenset((self.later | set(added)) - set(gone))
        warning = "; ".join(found.claimed_twice) or None
        if warning and warning != self.warning:
            log.warning("a topic is not read", error=warning)
        self.warning = warning
        self._slots = now
        if running and (added or gone):
            log.info("topics by pattern", found=added, gone=gone)
        return bool(added or gone)
