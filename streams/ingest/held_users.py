"""Users as they are held in memory: after a claim, and after a write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sinks.points import UserPoints
from sinks.tombstones import FOREVER, SINCE
from sinks.writer import FORGOTTEN, LOST, NEW, Claim
from streams.ingest.seen_partitions import SEVERAL_PARTITIONS, join_partitions
from streams.ingest.user_cache import HeldUser
from transfer.arrays import Bool


def claimed_users(names: Sequence[str], claim: Claim) -> dict[str, HeldUser | None]:
    """What a claim of these users brought; None: another process has just taken the user."""
    users: dict[str, HeldUser | None] = {}
    for name, record, hold in zip(names, claim.records, claim.holds, strict=True):
        if hold == LOST:
            users[name] = None
        elif hold == FORGOTTEN:
            users[name] = HeldUser(b"", {SINCE: FOREVER}, "", hold)
        elif record is None:
            users[name] = HeldUser(b"", {}, "", hold)
        else:
            leader = max(record.weights, key=record.weights.__getitem__, default="")
            users[name] = HeldUser(record.state, record.watermarks, leader, hold)
    return users


@dataclass(slots=True)
class WrittenUsers:
    """The users of a write, by what the store said of each."""

    known: list[tuple[str, HeldUser]] = field(default_factory=list)
    """as they stand in the store now"""
    refused: list[str] = field(default_factory=list)
    """another process may hold them"""
    shifts: int = 0
    """users whose leading scenario is another one than before"""
    several: int = 0
    """users whose events came by a second partition now"""


def written_users(
    points: UserPoints, held: Sequence[HeldUser], taken: Bool, token: int | None, partitions: Sequence[int]
) -> WrittenUsers:
    """The users of `points` after a write. taken (U,): what the store took; token: what new users were written under;
    partitions: of each user, as of `partitions_seen`."""
    found = WrittenUsers()
    for row, (name, user, was_taken) in enumerate(zip(points.user_ids, held, taken.tolist(), strict=True)):
        if not was_taken:
            found.refused.append(name)
            continue
        leader = next(iter(points.weights[row]), "")
        found.shifts += user.leader not in ("", leader)
        hold = token if user.hold == NEW and token is not None else user.hold
        partition = join_partitions(user.partition, partitions[row])
        found.several += partition == SEVERAL_PARTITIONS != user.partition
        found.known.append(
            (name, HeldUser(points.states[row], points.watermarks[row], leader, hold, partition))
        )
    return found
