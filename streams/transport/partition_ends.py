"""Where partitions end, as the latest fetch reported.

Never by ListOffsets: the embedded broker answers that one wrongly.
"""

from __future__ import annotations

from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP


def partition_end(client: Any, tp: TP, isolation: str) -> int | None:
    """The end for a reader at this isolation: before the first open transaction, if only what is committed is read.

    None before the first fetch. client: aiokafka's consumer.
    """
    state = _state(client, tp)
    if state is None or state.highwater is None:
        return None
    committed = isolation == "read_committed" and state.lso is not None and state.lso >= 0
    return int(min(state.lso, state.highwater) if committed else state.highwater)


def held_back(client: Any, tp: TP, isolation: str) -> int:
    """Records behind that end: of transactions that are open, and what came after them."""
    end = partition_end(client, tp, isolation)
    return 0 if end is None else max(0, _state(client, tp).highwater - end)


def _state(client: Any, tp: TP) -> Any:
    assignment = client._subscription.subscription and client._subscription.subscription.assignment
    tp = driver.ensure_aiokafka_TP(tp)
    return assignment.state_value(tp) if assignment and tp in assignment.tps else None
