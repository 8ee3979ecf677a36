"""doctor: which topics are read, whether they can be, whether what they hold are events, and how these are placed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.broker.key_placement import Sampled
    from streams.cli.doctor_placement import Finding
    from streams.settings import Settings
    from streams.transport.record import FetchedRecord
    from streams.wire.event_decoder import EventDecoder

SAMPLE = 200
"""Records of a topic that are looked at: enough to tell hashes apart, few enough to be read in a second."""


def tell_of_topics(settings: Settings) -> tuple[list[Finding], dict[str, int | None]]:
    """Which topics there are of those that are read, with their partition counts, None where one is missing."""
    from streams.broker.topics import describe_topics, existing_topics, missing_topics

    layout = settings.topics.layout()
    names, twice = list(layout.required), []
    if layout.patterns:
        found = layout.found(existing_topics(settings.broker))
        names = list(dict.fromkeys([*found.slots, *names]))
        twice = list(found.claimed_twice)
    partitions = describe_topics(settings.broker, names)
    listed = ", ".join(f"{name} ({count or 'missing'})" for name, count in partitions.items())
    required = {name: count for name, count in partitions.items() if name in layout.required}
    problem = missing_topics(required) or "; ".join(twice)
    findings: list[Finding] = [("topics", not problem, listed, problem)]
    for pattern in layout.patterns:
        count = sum(layout.slot_of(name) == pattern.slot for name in names)
        matched = f"{count} topics match {pattern.expression.pattern!r}"
        findings.append((f"pattern of {pattern.slot.name}", True if count else None, matched, ""))
    return findings, partitions


def tell_of_records(settings: Settings, partitions: Mapping[str, int | None]) -> list[Finding]:
    """One line a topic that is read: codecs, permissions and isolation are found by reading records, not by asking. Another
    for how many of an event topic's records are events by the description of its slot, and one for how they are placed.
    """
    from streams.broker.newest_records import newest_records
    from streams.cli.doctor_placement import tell_of_placement
    from streams.ingest.record_decoders import RecordDecoders

    slots = settings.topics.layout().found(partitions).slots
    existing = {name: count for name in slots if (count := partitions.get(name)) is not None}
    findings: list[Finding] = []
    found = newest_records(settings.broker, existing, most=SAMPLE)
    decoders = RecordDecoders(settings)
    samples: dict[str, tuple[list[Sampled], int]] = {}
    for topic, newest in found.items():
        if newest.problem is not None:
            findings.append((f"read {topic}", False, "not readable", newest.problem))
        elif not newest.records:
            findings.append((f"read {topic}", None, "no record in it yet", ""))
        else:
            held = len({record.partition for record in newest.records})
            findings.append((f"read {topic}", True, f"the newest record of {held} partitions was read", ""))
        if newest.records and slots[topic].has_events:
            events, sample = tell_of_events(topic, newest.records, decoders.events(slots[topic]))
            findings.append(events)
            samples[topic] = sample, existing[topic]
    decoders.close()
    return findings + tell_of_placement(samples)


def tell_of_events(
    topic: str, records: Sequence[FetchedRecord], decoder: EventDecoder
) -> tuple[Finding, list[Sampled]]:
    """How many of a topic's records are events, and why the others are none; and the records as far as their placement goes.
    Quotes no record."""
    from streams.broker.key_placement import Sampled
    from streams.errors import StreamsError
    from streams.events.proposal import events_toml
    from streams.events.reject_summary import RejectSummary
    from streams.wire.proposal import propose_for_records
    from streams.wire.record_batch import RecordBatch
    from transfer.codes import NONE

    batch, name = RecordBatch.fetched(records, topic), f"events of {topic}"
    try:
        codes, users = decoder.read(batch).coded("user_id")
        decoded = decoder.decode(batch, offsets=range(len(records)), source="", now=time.time())
    except StreamsError as error:
        return (name, False, "not decoded", str(error)), []
    summary = RejectSummary()
    summary.add(decoded.rejects)
    said = [f"{len(decoded.columns)} of the {len(records)} newest records are events"]
    if decoded.ignored:
        said.append(f"{decoded.ignored} are ignored")
    ok = None if decoded.rejects else True
    fix = "; ".join(summary.lines(3))
    proposed = {}
    if len(decoded.rejects) > len(decoded.columns):
        described = decoder.description
        values = [value for value in batch.values if isinstance(value, bytes)]
        proposed = propose_for_records(values, described.config, described.action_names, time.time())
    if proposed:
        fix += f"; these settings may fit (look at them): {' '.join(events_toml(proposed).split())}"
    finding = (name, ok, ", ".join(said), fix)
    known: list[str | None] = [*users, None]
    return finding, [
        Sampled(record.partition, record.key, known[code] if code != NONE else None)
        for record, code in zip(records, codes.tolist(), strict=True)
    ]
