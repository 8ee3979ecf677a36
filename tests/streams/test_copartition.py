"""Events of a user meet in one lane only if the topics are partitioned alike; what is wrong is said by name."""

from __future__ import annotations

from faust.types import TP

from streams.copartition import assignment_problem, topic_problem

TOPICS = ["browses", "clicks", "purchases"]
FOUR = dict.fromkeys(TOPICS, 4)


def share(**numbers: set[int]) -> set[TP]:
    return {TP(topic, number) for topic, held in numbers.items() for number in held}


def test_equal_topics_and_equal_shares_are_fine() -> None:
    """Any set of partition numbers, the same of each event topic; items may be partitioned otherwise."""
    assert topic_problem({**FOUR, "items": 7}, TOPICS) is None
    held = share(browses={1, 3}, clicks={1, 3}, purchases={1, 3}, items={0, 5})
    assert assignment_problem(held, TOPICS, FOUR, FOUR) is None
    assert assignment_problem(set(), TOPICS, FOUR, FOUR) is None


def test_missing_and_unequal_topics_are_named() -> None:
    """Before the start: which topic is not there, which counts differ."""
    assert "no such topic: clicks" in str(topic_problem({**FOUR, "clicks": None}, TOPICS))
    assert "clicks has 6" in str(topic_problem({**FOUR, "clicks": 6}, TOPICS))


def test_a_topic_assigned_with_other_numbers_is_named() -> None:
    """At an assignment: which topic lacks which partition that the worker holds of the others."""
    held = share(browses={0, 1}, clicks={0}, purchases={0, 1})
    problem = str(assignment_problem(held, TOPICS, FOUR, FOUR))
    assert problem.startswith("topic clicks is assigned without partition 1,")


def test_a_topic_that_grew_while_running_is_named() -> None:
    """New partitions move users: old events of theirs may still wait elsewhere."""
    grown = {**FOUR, "purchases": 8}
    held = share(browses={0}, clicks={0}, purchases={0})
    assert "topic purchases had 4 partitions when the daemon started and has 8 now" in str(
        assignment_problem(held, TOPICS, grown, FOUR)
    )
    assert assignment_problem(held, TOPICS, {**FOUR, "purchases": None}, FOUR) is None
