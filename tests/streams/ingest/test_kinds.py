"""Acts, hides, impressions and weighed events through decoder and store: what each may change, in batches of any size."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sinks.points import item_key
from streams.counts.counts import read_counts
from streams.events.columns import EventColumns
from streams.events.decode import decode_events
from streams.ingest.intake import Intake, open_intake
from streams.ingest.outcome import APPLIED
from streams.settings import Settings
from streams.workspace.workspace import open_for_reading
from support.checks.reference_state import max_relative_error
from support.data.counted_events import assert_same
from support.data.event_columns import NOW, event
from transfer.state.packing import unpack_states
from transfer.state.states import InterestStates

ACTIONS = {"hide": -1.0, "shown": 0.0, "like": 2.0}
SETTINGS = Settings.load(
    flags={
        "interest": {
            **{"dim": 16, "actions": ACTIONS, "own_items": 6, "ring": 200},
            "weigh": {"purchase": "quantity", "click": {"by": "dwell_s", "typical": 30.0}},
        },
        "encoder": {"dim": 16},
        "events": {"actions": {"wish": "like", "dislike": "hide", "impression": "shown"}},
    }
)
USERS = ["ada", "ben", "cleo"]


def shop(seed: int, count: int = 240) -> list[dict[str, Any]]:
    """Events of all kinds, as a shop sends them."""
    rng = random.Random(seed)
    names = ["browse", "click", "purchase", "dislike", "impression", "wish"]
    found = []
    for n in range(count):
        action = rng.choice(names)
        one = event(rng.choice(USERS), f"i{rng.randrange(30)}", at=60.0 * n, scenario=f"s{rng.randrange(3)}")
        one |= {"action": action, "event_id": f"e{n}"}
        if action == "purchase":
            one["quantity"] = rng.choice([1, 3, 50, None])
        if action == "click" and rng.random() < 0.5:
            one["dwell_s"] = rng.choice([0.5, 30, 600])
        found.append(one)
    return found


def decoded(events: list[dict[str, Any]], settings: Settings, first: int = 0) -> EventColumns:
    """Columns by the description in force."""
    found = decode_events(
        [json.dumps(one).encode() for one in events],
        offsets=list(range(first, first + len(events))),
        action=None,
        source="test/events/0",
        now=NOW,
        description=settings.description,
    )
    assert not found.rejects
    return found.columns


def states_of(intake: Intake) -> InterestStates:
    """Of all users, from the store."""
    packed = [None if one is None else one.state for one in intake.store.users.read(USERS)]
    return unpack_states(packed, intake.workspace.interest)


def filled(folder: Path, events: list[dict[str, Any]], size: int, settings: Settings = SETTINGS) -> Intake:
    """A store with the events, in batches of a size."""
    intake = open_intake(str(folder), settings, create=True)
    for first in range(0, len(events), size):
        columns = decoded(events[first : first + size], intake.settings, first)
        assert (intake.ingest.apply(columns).code == APPLIED).all()
    assert intake.counts is not None
    intake.counts.finish()
    return intake


def test_batches_of_any_size_give_the_same_states(tmp_path: Path) -> None:
    """Of acts, hides, impressions and weighed events; a purchase of three weighs twice what one does."""
    events = shop(1)
    with filled(tmp_path / "whole", events, 1000) as whole, filled(tmp_path / "parts", events, 7) as parts:
        assert max_relative_error(states_of(whole), states_of(parts)) < 1e-6
        aside = states_of(whole).aside
        assert aside is not None and (aside.n_against > 0).all()
        again = decoded(events, whole.settings)
        before = states_of(whole)
        assert not (whole.ingest.apply(again).code == APPLIED).any()
        assert max_relative_error(states_of(whole), before) == 0.0
    three, one = (
        decoded([event("ada", "i1") | {"action": "purchase", "quantity": n}], SETTINGS) for n in (3, 1)
    )
    assert three.weight is not None and one.weight is not None
    assert three.weight.tolist() == [2.0] and one.weight.tolist() == [1.0]


def test_a_hide_in_games_raises_nothing_of_games(tmp_path: Path) -> None:
    """Masses, counts, ring, own items, weights, shares, debuts and transitions: all as without hides and impressions."""
    events = shop(2)
    acts = [one for one in events if one["action"] not in ("dislike", "impression")]
    extra = [event("ada", f"new{n}", at=9e3 + n, scenario="games") | {"action": "dislike"} for n in range(40)]
    extra += [
        event("ben", f"i{n}", at=9e3 + n, scenario="games") | {"action": "impression"} for n in range(40)
    ]
    every = sorted(events + extra, key=lambda one: one["timestamp"])
    # Debuts go by the own items, which the list has room for here.
    roomy = SETTINGS.with_interest(SETTINGS.interest.model_copy(update={"own_items": 200}))
    with (
        filled(tmp_path / "all", every, 50, roomy) as with_all,
        filled(tmp_path / "acts", acts, 50, roomy) as alone,
    ):
        some, plain = states_of(with_all), states_of(alone)
        assert max_relative_error(replace(some, aside=None), plain) < 1e-7
        assert "games" not in some.scenario_names
        assert_same(read_counts(with_all.store.blobs), read_counts(alone.store.blobs))
        for one, other in zip(with_all.store.users.read(USERS), alone.store.users.read(USERS), strict=True):
            assert one is not None and other is not None
            assert one.weights == pytest.approx(other.weights, abs=1e-6)
        # What was merely shown needs no vector, and makes no item.
        shown = [f"only{n}" for n in range(3)]
        columns = decoded(
            [event("ada", name) | {"action": "impression"} for name in shown], with_all.settings, 9000
        )
        with_all.ingest.apply(columns)
        assert with_all.store.items.read([item_key(name) for name in shown]) == [None] * 3


def test_the_order_of_settings_does_not_change_codes_or_identities(tmp_path: Path) -> None:
    """A store keeps its codes; events that come again under other settings are known, and keys are those of the names."""
    events = [{key: value for key, value in one.items() if key != "event_id"} for one in shop(3, 60)]
    turned = SETTINGS.with_interest(
        SETTINGS.interest.model_copy(update={"actions": dict(reversed(ACTIONS.items()))})
    )
    np.testing.assert_array_equal(decoded(events, SETTINGS).key, decoded(events, turned).key)
    with filled(tmp_path / "s", events, 20) as first:
        before = states_of(first)
        assert first.workspace.interest.action_names[3:] == ("hide", "shown", "like")
    with open_intake(str(tmp_path / "s"), turned, create=False) as second:
        assert second.settings.description.action_names[3:] == ("hide", "shown", "like")
        more = decoded([event("ada", "i3", at=1e4) | {"action": "dislike"}], second.settings, 100)
        second.ingest.apply(more)
        after = states_of(second)
    assert before.aside is not None and after.aside is not None
    assert after.aside.n_against[0] == before.aside.n_against[0] + 1
    with open_for_reading(
        str(tmp_path / "s"), Settings.load(flags={"encoder": {"dim": 16}, "interest": {"dim": 16}})
    ) as reader:
        assert {action.name: action.used for action in reader.store.actions.known()} == dict.fromkeys(
            ACTIONS, True
        )
