"""Which store a consumer group belongs to, judged by what the broker keeps of it."""

from __future__ import annotations

from streams.worker.group_pairing import GroupStamp, before_joining, while_running

MINE, OTHER = GroupStamp("aa11", 2000), GroupStamp("bb22", 1000)
MY_MEMBER, OTHERS_MEMBER = f"{MINE.client_id}-77", f"{OTHER.client_id}-88"


def problem(commits: list[str], members: list[str], *, established: bool = False) -> str:
    return str(before_joining(MINE, "g", commits, members, established=established) or "")


def test_a_group_at_work_for_another_store_is_not_joined() -> None:
    """Whether it has committed anything yet or not; the message names group, both stores and what to do."""
    told = problem([], [OTHERS_MEMBER])
    assert all(part in told for part in ("'g'", "aa11", "bb22", "--group", "--take-group"))
    assert problem([str(MINE)], [MY_MEMBER, OTHERS_MEMBER], established=True)


def test_more_workers_of_the_same_store_join() -> None:
    """That is how a store gets several workers."""
    assert not problem([str(MINE)], [MY_MEMBER], established=True)


def test_a_new_store_may_use_a_group_that_nobody_is_in() -> None:
    """The group's offsets count for nothing: the new store is filled from the beginning."""
    assert not problem([str(OTHER), ""], [])


def test_a_store_that_knows_the_topics_does_not_take_a_group_that_was_another_stores() -> None:
    """It has a group already; mixing up two --group or two --store is an error."""
    assert "was another store's" in problem([str(OTHER)], [], established=True)
    assert not problem([str(OTHER), str(MINE)], [], established=True)


def test_members_and_commits_of_other_programs_say_nothing() -> None:
    """An older release, a lag tool that resets offsets, a metadata text that somebody wrote."""
    assert not problem(["", "driftline", "store=bb22"], ["faust-0.15-1", "rdkafka-2"], established=True)


def test_of_two_that_started_at_once_the_later_one_leaves() -> None:
    """Each sees the other one's commits and members; exactly one of them ends."""
    commits, members = [str(MINE), str(OTHER)], [MY_MEMBER, OTHERS_MEMBER]
    assert "bb22" in str(while_running(MINE, "g", commits, members))
    assert while_running(OTHER, "g", commits, members) is None


def test_the_same_start_time_is_decided_by_the_stores() -> None:
    """Two machines may well start in the same millisecond."""
    twin = GroupStamp("bb22", MINE.since_ms)
    commits, members = [str(MINE), str(twin)], [MY_MEMBER, OTHERS_MEMBER]
    assert [while_running(stamp, "g", commits, members) is None for stamp in (MINE, twin)] == [True, False]


def test_where_the_broker_forgets_what_is_written_beside_an_offset_one_leaves_all_the_same() -> None:
    """The embedded broker does: the stores' ids decide."""
    members = [MY_MEMBER, OTHERS_MEMBER]
    assert [while_running(stamp, "g", ["", ""], members) is None for stamp in (MINE, OTHER)] == [True, False]


def test_a_group_taken_on_purpose_stays_taken() -> None:
    """The daemon of the other store, though it began earlier, ends and says why."""
    taken = GroupStamp(MINE.store, 0)
    commits, members = [str(taken), str(OTHER)], [MY_MEMBER, OTHERS_MEMBER]
    assert while_running(taken, "g", commits, members) is None
    assert "aa11" in str(while_running(OTHER, "g", commits, members))


def test_a_member_that_is_gone_and_left_commits_does_no_harm() -> None:
    """Old commits of partitions that nobody holds any longer stay in the broker for days."""
    assert while_running(MINE, "g", [str(OTHER)], [MY_MEMBER]) is None
