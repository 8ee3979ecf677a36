"""Acts, hides, impressions and amounts: a log that is replayed gives what its lines give as records of a topic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streams.counts.counts import read_counts
from streams.event_log.log import open_logs
from streams.events.decode import decode_events
from streams.events.encode import events_of
from streams.events.event_writer import EventWriter
from streams.ingest.intake import Intake, open_intake
from streams.learning.history import History, load_history
from streams.replay.replay import replay
from streams.settings import Settings
from support.checks.reference_state import max_relative_error
from support.data.counted_events import assert_same
from support.data.event_columns import NOW, event
from transfer.state.packing import unpack_states
from transfer.state.states import InterestStates

ACTIONS = {"hide": -1.0, "shown": 0.0, "like": 2.0}
USERS = [f"u{n}" for n in range(5)]


def settings(actions: dict[str, float] = ACTIONS) -> Settings:
    """Further actions, and purchases that weigh by quantity."""
    return Settings.load(
        flags={
            "interest": {"dim": 16, "actions": actions, "weigh": {"purchase": "quantity"}},
            "encoder": {"dim": 16},
            "events": {"actions": {"order": "purchase", "dislike": "hide", "scroll": "ignore"}},
        }
    )


def lines() -> list[dict[str, Any]]:
    """Three hundred events of seven kinds, one of which is ignored."""
    names = ["browse", "click", "order", "dislike", "shown", "like", "scroll"]
    return [
        event(USERS[n * 7 % 5], f"i{n * 11 % 23}", at=50.0 * n, scenario=f"s{n % 3}")
        | {"action": names[n * 5 % 7], "quantity": n % 4}
        for n in range(300)
    ]


def written(folder: Path) -> Path:
    """The same as a file."""
    log = folder / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines()))
    return log


def told(history: History) -> list[tuple[object, ...]]:
    """Each event in words, by user and time."""
    assert history.weight is not None
    return sorted(
        (history.users[user], time, history.items[item], action, key, debut, weight)
        for user, time, item, action, key, debut, weight in zip(
            history.user.tolist(),
            history.time.tolist(),
            history.item.tolist(),
            history.action.tolist(),
            history.key.tolist(),
            history.debut.tolist(),
            history.weight.tolist(),
            strict=True,
        )
    )


def states_of(intake: Intake) -> InterestStates:
    """Of all users."""
    packed = [None if one is None else one.state for one in intake.store.users.read(USERS)]
    return unpack_states(packed, intake.workspace.interest)


@pytest.mark.parametrize("order", [1, -1], ids=["the store's order", "turned round"])
def test_a_log_gives_what_its_lines_give(tmp_path: Path, order: int) -> None:
    """States and counts, whatever order the settings of the replay have the actions in."""
    turned = settings(dict(list(ACTIONS.items())[::order]))
    with open_intake(str(tmp_path / "topic"), settings(), create=True) as topic:
        records = [json.dumps(line).encode() for line in lines()]
        found = decode_events(
            records,
            offsets=range(len(records)),
            action=None,
            source="test/events/0",
            now=NOW,
            description=topic.settings.description,
        )
        assert found.ignored == 43 and not found.rejects
        topic.ingest.apply(found.columns)
        assert topic.counts is not None
        topic.counts.finish()
        log = open_logs([written(tmp_path)], turned.description, now=NOW)
        with open_intake(str(tmp_path / "log"), settings(), create=True) as first:
            assert first.workspace.interest.action_names[3:] == tuple(ACTIONS)
        with open_intake(str(tmp_path / "log"), turned, create=False) as replayed:
            done = replay(replayed, log)
            assert done.applied == 257
            assert max_relative_error(states_of(replayed), states_of(topic)) < 1e-7
            assert_same(read_counts(replayed.store.blobs), read_counts(topic.store.blobs))
            assert replay(replayed, log).applied == 0


def test_amounts_are_in_the_records_of_a_log(tmp_path: Path) -> None:
    """Written to a topic and read from it, each event weighs as it does in the log; one without an amount has none."""
    config = settings()
    writers = {
        name: EventWriter(config.description, name, topic_says=False) for name in config.interest.action_names
    }
    for batch in open_logs([written(tmp_path)], config.description, now=NOW):
        names = [config.interest.action_names[code] for code in batch.columns.action.tolist()]
        written_events = events_of(batch.columns, batch.event_ids, batch.measures)
        records = [writers[name].record(each)[1] for name, each in zip(names, written_events, strict=True)]
        read = decode_events(
            records,
            offsets=range(len(records)),
            action=None,
            source="test/events/0",
            now=NOW,
            description=config.description,
        ).columns
        assert read.weight is not None and batch.columns.weight is not None
        assert read.weight.tolist() == batch.columns.weight.tolist() and len(set(read.weight.tolist())) > 2
        assert read.key.tolist() == batch.columns.key.tolist()
    (plain,) = events_of(read, None)[:1]
    assert plain.quantity is None


def test_a_history_has_acts_for_targets_and_the_rest_beside_them(tmp_path: Path) -> None:
    """No hide and no impression is an event of it; items and transitions are as in the log without them."""
    every = load_history(
        open_logs([written(tmp_path)], settings().description, now=NOW), None, None, settings().interest
    )
    names = settings().interest.action_names
    assert {names[code] for code in every.action.tolist()} == {"browse", "click", "purchase", "like"}
    assert every.aside is not None
    assert {names[code] for code in every.aside.action.tolist()} == {"hide", "shown"}
    acts = tmp_path / "acts.jsonl"
    acts.write_text(
        "".join(json.dumps(line) + "\n" for line in lines() if line["action"] not in ("dislike", "shown"))
    )
    alone = load_history(open_logs([acts], settings().description, now=NOW), None, None, settings().interest)
    assert alone.aside is None and told(every) == told(alone)
