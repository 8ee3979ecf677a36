"""Bytewax: its Kafka source in large batches, whole batches decoded by one step, one worker."""

from __future__ import annotations

from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, run_main
from checks import is_valid
from stopwatch import Stopwatch, arguments

broker, topic, _, events = arguments()  # Bytewax keeps offsets in its own recovery store, not in a group
watch = Stopwatch(events)


def validated(messages: list[Any]) -> list[Any]:
    """Nothing is handed on, so that the engine has nothing to carry."""
    watch.begin()
    watch.add(len(messages), sum([is_valid(message.value) for message in messages]))
    return []


flow = Dataflow("ingest")
source = KafkaSource(
    [broker],
    [topic],
    tail=False,
    batch_size=10_000,
    add_config={"fetch.message.max.bytes": str(4 << 20), "queued.min.messages": "100000"},
)
records = op.input("records", flow, source)
op.output("out", op.flat_map_batch("decode", records, validated), TestingSink([]))
run_main(flow)
watch.report()
