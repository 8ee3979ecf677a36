"""Several replicas of a shard, as nodes of a Qdrant cluster keep them.

What a real cluster was seen to do, without any fault: updates that race reach the replicas in different orders, unless
they ask for an ordering; while an update is on its way the replicas differ; a read asks one replica, whichever, unless
it asks for more of them, and then leaves out the points on which these differ.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import qdrant_edge as edge
from qdrant_client import grpc as messages

from support.qdrant_requests import Refused, unimplemented

PAUSE_S = 0.002
"""Between the replicas of one update, at most: long enough for another one to come between."""


class ReplicatedShard:
    """Replicas of one shard; `asked` gives what one request may do with them."""

    def __init__(self, replicas: list[edge.EdgeShard]) -> None:
        self.replicas = replicas
        self.locks = [threading.Lock() for _ in replicas]
        self.leader = threading.Lock()
        self.by_default = False
        self.unordered = 0
        """updates that asked for no ordering"""
        self._missed: dict[int, list[edge.UpdateOperation]] = {}
        self._changing = threading.Lock()

    @property
    def active(self) -> list[int]:
        """The numbers of the replicas that are in service."""
        return [number for number in range(len(self.replicas)) if number not in self._missed]

    def lose(self, number: int) -> None:
        """A node goes away, and the others have agreed that its replica is out of date."""
        self._missed[number] = []

    def recover(self, number: int) -> None:
        """It is back: its replica gets what it missed, then it is in service again."""
        with self._changing:
            for operation in self._missed[number]:
                self.replicas[number].update(operation)
            del self._missed[number]

    def apply(self, operation: edge.UpdateOperation, number: int) -> None:
        """On one replica, now or when it is back."""
        with self._changing:
            missed = self._missed.get(number)
            if missed is not None:
                missed.append(operation)
                return
        with self.locks[number]:
            self.replicas[number].update(operation)

    def asked(self, request: Any) -> AskedReplicas:
        """As the request asks for it: ordering of an update, consistency of a read."""
        return AskedReplicas(self, request)

    def info(self) -> Any:
        return self.replicas[0].info()

    def close(self) -> None:
        for replica in self.replicas:
            replica.close()


class AskedReplicas:
    """The replicas, with the methods of an EdgeShard, for one request."""

    def __init__(self, shard: ReplicatedShard, request: Any) -> None:
        self._shard = shard
        fields = request.DESCRIPTOR.fields_by_name
        ordered = "ordering" in fields and request.HasField("ordering")
        self._ordered = ordered and request.ordering.type != messages.WriteOrderingType.Weak
        consistent = "read_consistency" in fields and request.HasField("read_consistency")
        self._consistency = (
            request.read_consistency
            if consistent and not shard.by_default
            else messages.ReadConsistency(factor=1)
        )

    def info(self) -> Any:
        return self._shard.info()

    def update(self, operation: edge.UpdateOperation) -> None:
        """Carry it out on all replicas: in one order for all if asked for, else as it comes."""
        numbers = list(range(len(self._shard.replicas)))
        if self._ordered and not self._shard.by_default:
            with self._shard.leader:
                self._spread(operation, numbers)
        else:
            self._shard.unordered += not self._ordered
            random.shuffle(numbers)
            self._spread(operation, numbers)

    def _spread(self, operation: edge.UpdateOperation, numbers: list[int]) -> None:
        for number in numbers:
            self._shard.apply(operation, number)
            time.sleep(random.uniform(0, PAUSE_S))

    def retrieve(self, keys: list[Any], with_payload: Any, with_vectors: Any) -> list[Any]:
        answers = self._answers(lambda replica: replica.retrieve(keys, with_payload, with_vectors))
        return self._agreed(answers)

    def scroll(self, request: edge.ScrollRequest) -> tuple[list[Any], Any]:
        """Any replica's page, of which only what is agreed on is left."""
        answers = self._answers(lambda replica: replica.scroll(request))
        return self._agreed([records for records, _ in answers]), answers[0][1]

    def query(self, request: edge.QueryRequest) -> list[Any]:
        (answer,) = self._one(lambda replica: replica.query(request))
        return answer

    def count(self, request: edge.CountRequest) -> int:
        counts = sorted(self._answers(lambda replica: replica.count(request)))
        # Qdrant counts by `Majority` what the upper middle replica has: with two, the one that has more.
        return counts[len(counts) // 2] if self._by_majority else counts[0]

    @property
    def _by_majority(self) -> bool:
        return self._kind == messages.ReadConsistencyType.Majority

    @property
    def _kind(self) -> Any:
        return None if self._consistency.HasField("factor") else self._consistency.type

    def _answers(self, ask: Callable[[edge.EdgeShard], Any]) -> list[Any]:
        replicas, active = self._shard.replicas, self._shard.active
        if self._kind is None:
            asked = min(max(self._consistency.factor, 1), len(replicas))
        elif self._kind == messages.ReadConsistencyType.Quorum:
            asked = len(replicas) // 2 + 1
        else:
            asked = len(replicas)
        if asked > len(active):
            message = "Service internal error: The replica set for shard 0 on peer 1 does not have enough active replicas"
            raise Refused(grpc.StatusCode.INTERNAL, message)
        return [ask(replicas[number]) for number in random.sample(active, asked)]

    def _one(self, ask: Callable[[edge.EdgeShard], Any]) -> list[Any]:
        if self._kind is not None:
            raise unimplemented("searches on more than one replica")
        return self._answers(ask)

    def _agreed(self, answers: list[list[Any]]) -> list[Any]:
        needed = len(answers) // 2 + 1 if self._by_majority else len(answers)
        holders: dict[Any, list[Any]] = {}
        for records in answers:
            for record in records:
                holders.setdefault(record.id, []).append(record)
        agreed = []
        for records in holders.values():
            for record in records:
                alike = sum(same(record, other) for other in records)
                if alike >= needed:
                    agreed.append(record)
                    break
        return agreed


def same(one: Any, other: Any) -> bool:
    return bool(one.payload == other.payload and one.vector == other.vector)
