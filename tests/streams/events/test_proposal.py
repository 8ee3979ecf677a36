"""What is proposed for data as shops have it: looked at, it reads the data; where nothing is known, nothing is proposed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streams.errors import LogError
from streams.event_log.log import open_logs
from streams.event_log.questions import ask
from streams.event_log.sample import sample_of
from streams.events.decode import decode_events
from streams.events.description import EventDescription
from streams.events.event_flags import parse_event_map, with_flags
from streams.events.events_config import EventsConfig
from streams.events.proposal import events_toml, json_sample, likely_flags, propose_events
from streams.files.tabular_file import inspect_file
from transfer.config import ACTIONS

NOW = 1_793_600_000.0
T = 1_793_527_200
SEGMENT = {
    "messageId": "m1",
    "userId": "ada",
    "event": "Product Added",
    "originalTimestamp": "2026-11-01T10:00:00Z",
    "properties": {"product_id": "501", "category": "toys"},
}


def test_a_nested_record_of_a_tracker_is_read_by_what_is_proposed():
    """Names, words and times are found at any depth, and the proposal decodes the records."""
    records = [
        json.dumps({**SEGMENT, "event": name}).encode()
        for name in ("Product Added", "Product Viewed", "Ping")
    ]
    changes = propose_events(json_sample(records), EventsConfig(), ACTIONS, NOW)
    assert changes == {
        "user_id": "userId",
        "timestamp": "originalTimestamp",
        "scenario": "properties.category",
        "item_id": "properties.product_id",
        "event_id": "messageId",
        "action": "event",
        "actions": {"Product Added": "click", "Product Viewed": "browse", "Ping": "ignore", "*": "ignore"},
    }
    decoded = decode_events(
        records,
        offsets=range(3),
        action=None,
        source="s",
        now=NOW,
        description=EventDescription(EventsConfig(**changes)),
    )
    assert (decoded.columns.action.tolist(), decoded.ignored, decoded.rejects) == ([1, 0], 1, [])


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("ms", T * 1000),
        ("us", T * 10**6),
        ("ns", T * 10**9),
        ("minutes", T // 60),
        ("hours", T // 3600),
        ("days", 20758),
    ]
    + [("serial", 46327), ("yyyymmdd", 20261101)],
)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_times_in_another_unit_are_a_question_with_the_answer(
    tmp_path: Path, kind: str, form: str, value: int
):
    """The unit is proposed, nothing is read; what is proposed reads the log."""
    row = {"user_id": "u", "timestamp": value, "scenario": "s", "item_id": "i", "action": "click"}
    path = tmp_path / f"log.{kind}"
    text = json.dumps(row) if kind == "jsonl" else ",".join(row) + "\n" + ",".join(map(str, row.values()))
    path.write_text(text + "\n")
    with pytest.raises(LogError, match=rf'these look like .*: --time {form}, or \[events\] time = "{form}"'):
        ask(open_logs([path], EventDescription(), now=NOW))
    assert propose_events(sample_of(inspect_file(path)), EventsConfig(), ACTIONS, NOW) == {"time": form}
    log = open_logs([path], EventDescription(EventsConfig(time=form)), now=NOW)
    ask(log)
    assert [len(batch.columns) for batch in log] == [1]


def test_times_of_no_unit_are_a_question_all_the_same(tmp_path: Path):
    """What can't be a time of our days is refused before anything is made of it."""
    path = tmp_path / "log.csv"
    path.write_text("user_id,timestamp,scenario,item_id,action\n" + "u,5,s,i,click\n" * 3)
    with pytest.raises(LogError, match="before 1990-01-01; is that their unit"):
        ask(open_logs([path], EventDescription(), now=NOW))
    ask(open_logs([path], EventDescription(EventsConfig(earliest="1970-01-01")), now=NOW))


def test_a_few_wrong_clocks_are_no_question(tmp_path: Path):
    """Single rows with a wrong time are rejected by themselves."""
    path = tmp_path / "log.csv"
    path.write_text(
        f"user_id,timestamp,scenario,item_id,action\nu,0,s,i,click\nu,{T},s,i,click\nu,{T},s,i,click\n"
    )
    log = open_logs([path], EventDescription(), now=NOW)
    ask(log)
    (batch,) = log
    assert (len(batch.columns), [reject.reason for reject in batch.rejects]) == (
        2,
        ["timestamp_out_of_range"],
    )


def test_nothing_is_proposed_where_all_is_well_or_nothing_is_known():
    """A proposal needs evidence."""
    good = {"user_id": ["u"], "timestamp": [T], "scenario": ["s"], "item_id": ["i"], "action": ["click"]}
    assert propose_events(good, EventsConfig(), ACTIONS, NOW) == {}
    assert propose_events({"x": [1], "y": ["z"]}, EventsConfig(), ACTIONS, NOW) == {}
    assert propose_events({**good, "action": ["stare"]}, EventsConfig(), ACTIONS, NOW) == {}
    assert likely_flags(["x", "y"], ["user_id"]) == ""


def test_a_proposal_is_toml_that_the_settings_take():
    """What is shown can be pasted."""
    import tomllib

    changes = {
        "user_id": r"a\.b.c",
        "scenario": {"path": "s", "default": 'x"y'},
        "actions": {"Add to cart": "click", "*": "ignore"},
    }
    assert tomllib.loads(events_toml(changes))["events"] == changes
    EventsConfig(**changes)


def test_flags_say_what_the_settings_say():
    """--map takes paths, constants and defaults; the other flags go over the settings."""
    changes, positions = parse_event_map("user_id=a.b.0, scenario='x, y', text=q|\"none\", topic=t,")
    assert positions == {"topic": "t"}
    config = with_flags(
        EventsConfig(actions={"view": "browse"}),
        changes,
        action="click",
        time="ms",
        action_map="buy=purchase",
    )
    assert config == EventsConfig(
        user_id="a.b.0",
        scenario={"constant": "x, y"},
        text={"path": "q", "default": "none"},
        action={"path": "action", "default": "click"},
        time="ms",
        actions={"view": "browse", "buy": "purchase"},
    )


def test_a_shop_with_names_of_its_own_is_found_whole():
    """Units in a time's name, short words, and actions of several words are understood; what is ignored is named."""
    sample = {
        "event_ms": [T * 1000] * 5,
        "customer": ["c"] * 5,
        "sku": ["p-1"] * 5,
        "verb": ["pageview", "add_to_basket", "order_placed", "order_cancelled", "newsletter"],
        "dept": ["garden"] * 5,
    }
    assert propose_events(sample, EventsConfig(), ACTIONS, NOW) == {
        "user_id": "customer",
        "timestamp": "event_ms",
        "scenario": "dept",
        "item_id": "sku",
        "action": "verb",
        "time": "ms",
        "actions": {
            "pageview": "browse",
            "add_to_basket": "click",
            "order_placed": "purchase",
            "order_cancelled": "ignore",
            "newsletter": "ignore",
            "*": "ignore",
        },
    }


def test_a_time_without_a_name_is_found_where_only_one_column_can_be_it():
    """Values tell where names don't; two columns that could be times are left to people."""
    sample = {"wann": [str(T)] * 3, "preis": ["3"] * 3}
    assert propose_events(sample, EventsConfig(), ACTIONS, NOW) == {"timestamp": "wann"}
    assert propose_events({**sample, "bis": [str(T)] * 3}, EventsConfig(), ACTIONS, NOW) == {}


def test_values_inside_of_lists_and_structs_of_parquet_are_proposed(tmp_path: Path):
    """An export with an array of items is read by what is proposed for it, as the same rows as JSON lines are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "event_timestamp": T * 10**6,
            "user_pseudo_id": "u",
            "event_name": "view_item",
            "items": [{"item_id": "i", "item_category": "games"}],
        }
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "log.parquet")
    (tmp_path / "log.jsonl").write_text(json.dumps(rows[0]) + "\n")
    for path in (tmp_path / "log.parquet", tmp_path / "log.jsonl"):
        assert propose_events(sample_of(inspect_file(path)), EventsConfig(), ACTIONS, NOW) == {
            "user_id": "user_pseudo_id",
            "timestamp": "event_timestamp",
            "scenario": "items.0.item_category",
            "item_id": "items.0.item_id",
            "action": "event_name",
            "time": "us",
            "actions": {"view_item": "browse"},
        }
