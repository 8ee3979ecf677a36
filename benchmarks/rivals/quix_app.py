"""Quix Streams: one step that decodes and checks a record's bytes; it hands records over one at a time only."""

from __future__ import annotations

import tempfile

from checks import is_valid
from quixstreams import Application
from stopwatch import Stopwatch, arguments

broker, name, group, events = arguments()
watch = Stopwatch(events)


def validated(value: bytes) -> None:
    """Count; stop at the last one."""
    watch.begin()
    if watch.add(1, is_valid(value)):
        app.stop()


with tempfile.TemporaryDirectory() as folder:
    app = Application(
        broker_address=broker,
        consumer_group=group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        loglevel="ERROR",
        state_dir=folder,
        consumer_extra_config={"fetch.message.max.bytes": 4 << 20, "queued.min.messages": 100_000},
    )
    topic = app.topic(name, key_deserializer="bytes", value_deserializer="bytes")
    app.dataframe(topic).update(validated)
    app.run()
    watch.report()
