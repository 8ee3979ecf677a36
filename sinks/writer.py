"""Who may write a user: the process that claimed it last.

Events of one user may come by any partition and to any process, so that no lane and no worker can know that it alone
writes a user. A user's point therefore names its writer, by a random number that a process draws for itself (its
token), and:

1. a user in memory is kept with the token under which it was read (its hold), and written on the condition that its
   point still names that token. A write never inserts a user that was read as existing: somebody has deleted it since;
2. the points of the request that name the token are counted. As many as were sent: all were written;
3. else they are read. One that holds just what was sent was written, any other was refused silently;
4. users that were refused, or are not in memory, are claimed: the token is set where another one stands. From then on
   no other process can write them, so that what is read after it is what there is to continue from. A process that prepares a
   write drops the events that the user's marks say are in there already: a write that was taken before its user was claimed
   away shows up as done;
5. absent after a claim is perhaps new: it is inserted only if it is still absent, and then read back, since that
   another process was faster is not reported either.

A claim or a write that was not answered may be carried out later, when its token would be honoured again. So after any
of these the process draws another token: it forgets the users of that request and claims them under the new one.

Tokens are random, never a name and never a counter that a backup can put back; and they stay below 2**53, which any
reader of JSON keeps exactly.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sinks.points import UserRecord

WRITER = "writer"
"""The payload field that holds the token of a user's writer."""
FENCE = "fence"
"""The payload field of a number that only rises: a change is made on condition that it is no higher than was seen."""
HIGHEST = 2**62
"""The fence of all users of now: a daemon of a release that wrote them under fencing tokens can't overwrite them."""
NOBODY = 0
"""The writer of a user that no process has claimed."""
APART = -1
"""The writer of points among the users that are no users."""

NEW = 0
"""The hold of a user that was absent after a claim."""
LOST = -1
"""The hold of a user that another writer has claimed since: leave it, wait a moment, claim it again."""
FORGOTTEN = -2
"""The hold of a user that was forgotten: nothing may be written (`sinks.tombstones`)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim found, in the order that was asked for."""

    records: list[UserRecord | None]
    """the users as they are; None for those that are absent, LOST or FORGOTTEN"""
    holds: list[int]
    """for each the token that it is held under, or NEW, LOST or FORGOTTEN"""
    token: int
    """under which `UserStore.write` is to insert those that are NEW; their hold, once it has"""


class Writer:
    """This process, as the points name it. Thread-safe."""

    def __init__(self, draw: Callable[[], int] = lambda: secrets.randbelow(2**53 - 1) + 1) -> None:
        """draw: a number in [1, 2**53) that no other process draws."""
        self._draw = draw
        self._lock = threading.Lock()
        self._token = draw()

    @property
    def token(self) -> int:
        """What to claim under now."""
        return self._token

    def renew(self) -> None:
        """Draw another token. Users that were read under an earlier one may still be written under that."""
        with self._lock:
            self._token = self._draw()

    @contextmanager
    def answered(self) -> Iterator[None]:
        """Around requests that change points: where one fails, it may yet be carried out, so the token is renewed."""
        try:
            yield
        except BaseException:
            self.renew()
            raise
