"""Faults of a running test server, asked for by JSON lines: on its standard input when it is a program."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Protocol

import grpc


class Faulty(Protocol):
    """The server; see `support.qdrant_server.QdrantServer`."""

    delay_s: float
    fail_share: float
    late_share: float
    late_s: float
    calls: Any
    faulted: Any

    def fail_next(
        self, requests: int, code: grpc.StatusCode = ..., applied: bool = ..., method: str | None = ...
    ) -> None: ...

    def late_next(self, requests: int, method: str) -> None: ...

    def release_late(self) -> int: ...


def set_faults(server: Faulty, wanted: dict[str, Any]) -> dict[str, Any]:
    """Set `delay_s`, `fail_share`, `late_share` (with `late_s`), `fail_next` (with `code`, `applied` and `method`), or
    `late_next` (with `method`), or `release_late`; {} just asks.

    The answer is what is set now, how many late requests were released, how often each method was called, and how
    many requests were faulted in each way.
    """
    wanted = dict(wanted)
    code = grpc.StatusCode[wanted.pop("code", "UNAVAILABLE")]
    applied = bool(wanted.pop("applied", False))
    method = wanted.pop("method", None)
    delay_s = float(wanted.pop("delay_s", server.delay_s))
    fail_share = float(wanted.pop("fail_share", server.fail_share))
    late_share = float(wanted.pop("late_share", server.late_share))
    late_s = float(wanted.pop("late_s", server.late_s))
    requests, late = int(wanted.pop("fail_next", 0)), int(wanted.pop("late_next", 0))
    release = bool(wanted.pop("release_late", False))
    if wanted:
        raise ValueError(f"no faults are known by {sorted(wanted)}")
    server.delay_s, server.fail_share = delay_s, fail_share
    server.late_share, server.late_s = late_share, late_s
    server.fail_next(requests, code, applied, method)
    if late:
        server.late_next(late, str(method))
    released = server.release_late() if release else 0
    return {
        "delay_s": delay_s,
        "fail_share": fail_share,
        "late_share": late_share,
        "released": released,
        "calls": dict(server.calls),
        "faulted": dict(server.faulted),
    }


def follow(server: Faulty, lines: Iterable[str]) -> None:
    """Obey each line and print the answer as one, until there are no more lines."""
    for line in lines:
        try:
            answer = set_faults(server, json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
