"""Whether the event topics are partitioned alike, so that all events of a user meet in one lane."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from faust.types import TP


def topic_problem(found: Mapping[str, int | None], event_topics: Sequence[str]) -> str | None:
    """What is wrong with the topics and how to mend it, or None. found: partition count by name, None if missing."""
    missing = [name for name, count in found.items() if count is None]
    if missing:
        return (
            f"no such topic: {', '.join(missing)}. The daemon creates none; create them with your broker's tool "
            "(the three event topics with equal partition counts), or for a trial with: driftline simulate --broker URL"
        )
    counts = {name: found[name] for name in event_topics}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
        return (
            f"the event topics must have equal partition counts, so that a user's events meet in one worker: {listed}. "
            "Create them anew with the same count"
        )
    return None


def assignment_problem(
    assigned: Iterable[TP],
    event_topics: Sequence[str],
    counts: Mapping[str, int | None],
    counts_at_start: Mapping[str, int | None],
) -> str | None:
    """What is wrong with this worker's share of the event topics, or None.

    counts: partition count by topic as the consumer knows it now, None where it does not.
    """
    for name in event_topics:
        before, now = counts_at_start.get(name), counts.get(name)
        if before is not None and now is not None and before != now:
            return (
                f"topic {name} had {before} partitions when the daemon started and has {now} now: a user's events may lie "
                "in two of them. Stop the producers, add partitions to all event topics when the lag is zero, "
                "then start the daemons"
            )
    numbers = {name: {tp.partition for tp in assigned if tp.topic == name} for name in event_topics}
    everywhere = set.union(*numbers.values())
    for name, held in numbers.items():
        if held != everywhere:
            missing = ", ".join(map(str, sorted(everywhere - held)))
            return (
                f"topic {name} is assigned without partition {missing}, which this worker holds of the other event topics: "
                "a user's events would not meet in one worker. Give the event topics equal partition counts, and "
                "let only Driftline's daemons into the group"
            )
    return None
