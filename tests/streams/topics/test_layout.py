"""Which topics are read, and the slot of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import SettingsError
from streams.settings import Settings
from streams.topics.config import TopicsConfig
from streams.worker.read_topics import ReadTopics

PATTERN = {"all": {"pattern": r"shop\..+", "action": "click"}}


def refused(**topics: object) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings.load(flags={"topics": topics})
    return str(caught.value)


def test_without_tables_the_three_topics_are_read() -> None:
    """What was set before tables were there goes on as it was."""
    layout = TopicsConfig(prefix="p-", clicks="taps").layout()
    assert layout.required == ["p-browses", "p-taps", "p-purchases", "p-items", "p-dead-letters"]
    assert {topic: slot.action for topic, slot in layout.events.items()} == {
        "p-browses": "browse",
        "p-taps": "click",
        "p-purchases": "purchase",
    }


def test_a_table_takes_the_place_of_those_that_are_not_named() -> None:
    """One topic of all actions: nobody has to make three others. A default that is named is read beside it."""
    assert TopicsConfig(events={"all": {"topic": "shop"}}).layout().required == [
        "shop",
        "items",
        "dead-letters",
    ]
    both = TopicsConfig(clicks="taps", events={"all": {"topic": "shop"}}).layout()
    assert [(topic, slot.name, slot.action) for topic, slot in both.events.items()] == [
        ("taps", "clicks", "click"),
        ("shop", "all", None),
    ]


@pytest.mark.parametrize(
    ("topics", "words"),
    [
        ({"clicks": "e", "purchases": "e"}, ["'e'", "clicks", "purchases"]),
        ({"events": {"a": {"topic": "e"}, "b": {"topic": "e"}}}, ["'e'", "a", "b"]),
        ({"events": {"a": {"topic": "items"}}}, ["'items'", "a"]),
        ({"items": "i", "events": {"a": {"topic": "i", "action": "click"}}}, ["'i'", "a", "items"]),
        ({"events": {"a": {"topic": "dead-letters"}}}, ["'dead-letters'", "a"]),
        ({"events": {**PATTERN, "b": {"topic": "shop.b"}}}, ["'shop.b'", "b", "all", "rest"]),
        ({"events": {"a": {"topic": "e", "pattern": "e"}}}, ["topics.events.a", "either"]),
        ({"events": {"a": {"action": "click"}}}, ["topics.events.a", "either"]),
        ({"events": {"a": {"pattern": "e("}}}, ["topics.events.a.pattern", "regular expression"]),
        ({"events": {"a": {"topic": "e", "rest": True}}}, ["topics.events.a", "rest"]),
        ({"clicks": "c", "events": {"clicks": {"topic": "e"}}}, ["clicks", "two slots"]),
    ],
)
def test_a_layout_that_means_two_things_is_refused_by_name(
    topics: dict[str, object], words: list[str]
) -> None:
    """A topic has one slot; which two want it is said before anything is read."""
    said = refused(**topics)
    assert all(word in said for word in words), said


def test_a_pattern_takes_whole_names_and_none_of_ours() -> None:
    """Neither parts of names, nor another prefix, nor items, dead letters and Kafka's own topics."""
    layout = TopicsConfig(prefix="eu-", events={"all": {"pattern": ".+", "action": "click"}}).layout()
    there = ["eu-a", "eu-b", "us-a", "a", "eu-items", "eu-dead-letters", "__consumer_offsets", "eu-"]
    assert sorted(layout.found(there).slots) == ["eu-a", "eu-b", "eu-items"]
    layout = TopicsConfig(events=PATTERN).layout()
    assert sorted(layout.found(["shop.a", "my.shop.a", "shop."]).slots) == ["items", "shop.a"]
    assert layout.slot_of("shop.later").name == "all"  # type: ignore[union-attr]
    assert layout.slot_of("dead-letters") is None


def test_rest_leaves_topics_to_who_names_them() -> None:
    """One topic of a family is read in its own way, the others by the pattern."""
    events = {
        "sold": {"topic": "shop.sold", "action": "purchase"},
        "eu": {"pattern": r"shop\.eu\..+", "action": "browse"},
        "all": {"pattern": r"shop\..+", "action": "click", "rest": True},
    }
    found = TopicsConfig(events=events).layout().found(["shop.sold", "shop.eu.a", "shop.us.a"])
    assert {topic: slot.name for topic, slot in found.slots.items()} == {
        "shop.sold": "sold",
        "shop.eu.a": "eu",
        "shop.us.a": "all",
        "items": "items",
    }
    assert not found.claimed_twice


def test_a_topic_that_two_patterns_take_is_said_and_not_read() -> None:
    """It may be either's, so it is neither's."""
    events = {"eu": {"pattern": "eu.+"}, "clicks": {"pattern": ".+clicks"}}
    found = TopicsConfig(events=events).layout().found(["eu.clicks", "eu.views"])
    assert sorted(found.slots) == ["eu.views", "items"]
    (said,) = found.claimed_twice
    assert "'eu.clicks'" in said and "eu and clicks" in said


@given(st.lists(st.sets(st.sampled_from(["shop.a", "shop.b", "shop.c"])), max_size=6))
def test_a_topic_goes_when_two_looks_miss_it(looks: list[set[str]]) -> None:
    """A broker that has just started may not know all of its topics at the first look."""
    read = ReadTopics(TopicsConfig(events=PATTERN).layout())
    held: dict[str, int] = {}
    for look in looks:
        before = read.names
        changed = read.look(look, running=True)
        held = {topic: 0 if topic in look else missed + 1 for topic, missed in held.items()}
        held |= dict.fromkeys(look, 0)
        held = {topic: missed for topic, missed in held.items() if missed < 2}
        assert read.names == sorted([*held, "items"])
        assert changed == (read.names != before)
        assert read.later == frozenset(held)


def test_settings_from_a_file_describe_topics(tmp_path: Path) -> None:
    """A table a slot, as the page says."""
    file = tmp_path / "driftline.toml"
    file.write_text('[topics.events.all]\npattern = "shop[.].+"\naction = "click"\n')
    assert Settings.load(file).topics.layout().slot_of("shop.x").action == "click"  # type: ignore[union-attr]
