"""One consumer group, one store: whose group it is, and what to say if it is another store's.

Two stores that follow topics by one group would each get a part of the partitions, unnoticed. So each daemon
shows its store in two places that the broker keeps: in its client id, with which every member id begins, and in the metadata
of each committed offset. Positions are never taken from there: they are the store's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_STAMP = re.compile(r"driftline store=([0-9a-f]+) since=(\d+)")
_MEMBER = re.compile(r"driftline-([0-9a-f]+)-")


@dataclass(frozen=True, slots=True)
class GroupStamp:
    """What a daemon writes beside the offsets it commits.

    store: the store's id. since_ms: unix milliseconds of the daemon's start; 0 where it took the group on purpose. Of two
    daemons the one with the lower one stays.
    """

    store: str
    since_ms: int

    @property
    def client_id(self) -> str:
        """The client id of the store's daemons.

        >>> GroupStamp("a1b2", 5).client_id
        'driftline-a1b2'
        """
        return f"driftline-{self.store}"

    def __str__(self) -> str:
        return f"driftline store={self.store} since={self.since_ms}"

    @classmethod
    def parse(cls, metadata: str) -> GroupStamp | None:
        """From a commit's metadata; None where no daemon of this kind wrote it.

        >>> GroupStamp.parse(str(GroupStamp("a1b2", 5))) == GroupStamp("a1b2", 5)
        True
        """
        found = _STAMP.fullmatch(metadata)
        return cls(found[1], int(found[2])) if found else None


def member_store(member_id: str) -> str | None:
    """Id of the store whose daemon a group's member is; None: it is another program, or an older release.

    >>> member_store("driftline-a1b2-6f0d-44"), member_store("faust-0.15-6f0d")
    ('a1b2', None)
    """
    found = _MEMBER.match(member_id)
    return found[1] if found else None


def before_joining(
    mine: GroupStamp, group: str, commits: Iterable[str], members: Iterable[str], *, established: bool
) -> str | None:
    """Why a daemon must not join the group, or None.

    commits: the metadata of the group's commits of the topics in question. established: the store has followed them already,
    so that a group with another store's commits alone was meant for the other one.
    """
    alive = _other_stores(mine, members)
    if alive:
        return (
            f"consumer group {group!r} is at work for another store (id {', '.join(sorted(alive))}; this store's is "
            f"{mine.store}): each of the two would get a part of the partitions. {_ADVICE}"
        )
    stamps = {stamp.store for stamp in map(GroupStamp.parse, commits) if stamp is not None}
    if established and stamps and mine.store not in stamps:
        return (
            f"consumer group {group!r} was another store's (id {', '.join(sorted(stamps))}; this store's is {mine.store}, "
            f"and it has followed these topics before). {_ADVICE}"
        )
    return None


def while_running(mine: GroupStamp, group: str, commits: Iterable[str], members: Iterable[str]) -> str | None:
    """Why a daemon has to leave the group, or None: another store's has begun before it, or has taken the group."""
    began = {stamp.store: stamp.since_ms for stamp in map(GroupStamp.parse, commits) if stamp is not None}
    for store in sorted(_other_stores(mine, members)):
        if began:
            leave = store in began and (began[store], store) < (mine.since_ms, mine.store)
        else:  # nobody has committed yet, or the broker forgets what is written beside an offset
            leave = store < mine.store
        if leave:
            return (
                f"consumer group {group!r} is at work for another store, too (id {store}; this store's is {mine.store}): "
                f"each of the two gets a part of the partitions. {_ADVICE}"
            )
    return None


def _other_stores(mine: GroupStamp, members: Iterable[str]) -> set[str]:
    return {store for store in map(member_store, members) if store is not None} - {mine.store}


_ADVICE = (
    "Give each store a group of its own (--group, daemon.group), or take this one over on purpose with --take-group; "
    "where a store stands is its own word, whatever the group's offsets say"
)
