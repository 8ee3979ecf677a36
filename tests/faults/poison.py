"""Fault 6: one record in a hundred can't be applied; exactly those become dead letters."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from faults.trial import Broker, Result, Trial
from support.data.event_log import TOPICS, Record
from support.data.poison import POISON
from support.servers.topic_reader import TopicRecord, read_topic

KEY = b"poison-"


@dataclass(frozen=True)
class Sizes:
    events: int
    users: int
    share: float
    batch_events: int


SHORT = Sizes(events=3000, users=300, share=0.01, batch_events=500)
LONG = Sizes(events=100_000, users=2000, share=0.01, batch_events=1000)


def run(folder: Path, broker: Broker, seed: int, sizes: Sizes) -> Result:
    """Poison of every kind among good events; one daemon is stopped in the middle, the next one finishes."""
    trial = Trial("poison", folder, broker, seed)
    log = trial.log(sizes.events, sizes.users)
    bad = poison_records(trial.prefix, round(sizes.share * sizes.events), trial.rng)
    records = mixed(log.records(trial.prefix), bad, trial.rng)
    store = str(folder / "live")
    small = {"DRIFTLINE_DAEMON__BATCH_EVENTS": str(sizes.batch_events)}
    with trial.load(records) as load:
        with trial.daemon(store, **small) as daemon:
            trial.flows(sizes.events // 3, "a third is through", daemon)
            trial.stop(daemon)
        load.until_sent()
    trial.drain(store, **small)
    letters = read_topic(broker.config, trial.prefix + "dead-letters", expected=len(bad))
    sent = {key: (topic, value) for topic, key, value in bad}
    for problem in wrong_letters(letters, sent, positions(trial, records)):
        trial.require(False, problem)
    rejected = trial.outcomes["rejected"]
    trial.exercised(
        len(letters) > 0 and len(bad) >= len(POISON), f"{len(letters)} letters of {len(POISON)} kinds"
    )
    trial.require(rejected == len(bad), f"{rejected} rejected of {len(bad)}")
    return trial.result(store, log, f"{len(bad)} poison of {len(POISON)} kinds, {len(letters)} dead letters")


def poison_records(prefix: str, count: int, rng: random.Random) -> list[Record]:
    """So many records, every kind in turn, each with a key of its own."""
    kinds = list(POISON.values())
    return [
        (prefix + rng.choice(TOPICS), KEY + str(number).encode(), kinds[number % len(kinds)][0])
        for number in range(count)
    ]


def mixed(good: Sequence[Record], bad: Sequence[Record], rng: random.Random) -> list[Record]:
    """The bad ones anywhere among the good ones, whose order stays."""
    places = set(rng.sample(range(len(good) + len(bad)), len(bad)))
    left, right = iter(good), iter(bad)
    return [next(right) if place in places else next(left) for place in range(len(good) + len(bad))]


def positions(trial: Trial, sent: Sequence[Record]) -> dict[bytes, tuple[str, int, int]]:
    """Where the broker has each poison record: topic, partition, offset by key; read from the topics themselves."""
    found = {}
    for topic, count in Counter(topic for topic, _, _ in sent).items():
        for record in read_topic(trial.broker.config, topic, expected=count):
            if record.key is not None and record.key.startswith(KEY):
                found[record.key] = (topic, record.partition, record.offset)
    return found


def wrong_letters(
    letters: Sequence[TopicRecord],
    sent: dict[bytes, tuple[str, bytes]],
    places: dict[bytes, tuple[str, int, int]],
) -> list[str]:
    """How the dead letters differ from what they should be: one for each poison record, and nothing else."""
    reasons = {KEY + str(n).encode(): list(POISON.values())[n % len(POISON)][1] for n in range(len(sent))}
    keys = [letter.key or b"" for letter in letters]
    problems = []
    if sorted(keys) != sorted(sent):
        more, fewer = len(set(keys) - set(sent)), len(set(sent) - set(keys))
        twice = len(keys) - len(set(keys))
        problems.append(f"dead letters: {more} of good events, {fewer} missing, {twice} twice")
    for letter in letters:
        if letter.key not in sent:
            continue
        headers = dict(letter.headers)
        value, got = sent[letter.key][1], letter.value or b""
        whole = value[: len(got)] if "truncated" in headers else value
        place = (
            headers["source-topic"].decode(),
            int(headers["source-partition"]),
            int(headers["source-offset"]),
        )
        told = (headers["reason"].decode(), place, got)
        if told != (reasons[letter.key], places.get(letter.key), whole):
            problems.append(f"dead letter {letter.key!r}: {told[:2]} is wrong")
    return problems[:5]
