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
    calls: Any

    def fail_next(
        self, requests: int, code: grpc.StatusCode = ..., applied: bool = ..., method: str | None = ...
    ) -> None: ...


def set_faults(server: Faulty, wanted: dict[str, Any]) -> dict[str, Any]:
    """Set `delay_s`, `fail_share`, or `fail_next` (with `code`, `applied` and `method`); {} just asks.

    The answer is what is set now, and how often each method was called.
    """
    wanted = dict(wanted)
    code = grpc.StatusCode[wanted.pop("code", "UNAVAILABLE")]
    applied = bool(wanted.pop("applied", False))
    method = wanted.pop("method", None)
    delay_s = float(wanted.pop("delay_s", server.delay_s))
    fail_share = float(wanted.pop("fail_share", server.fail_share))
    requests = int(wanted.pop("fail_next", 0))
    if wanted:
        raise ValueError(f"no faults are known by {sorted(wanted)}")
    server.delay_s, server.fail_share = delay_s, fail_share
    server.fail_next(requests, code, applied, method)
    return {"delay_s": delay_s, "fail_share": fail_share, "calls": dict(server.calls)}


def follow(server: Faulty, lines: Iterable[str]) -> None:
    """Obey each line and print the answer as one, until there are no more lines."""
    for line in lines:
        try:
            answer = set_faults(server, json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
