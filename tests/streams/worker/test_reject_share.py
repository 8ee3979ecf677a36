"""When most records are rejected the daemon ends and says why; a summary tells kinds of rejects apart by more than numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

import pytest

from streams.errors import DaemonError
from streams.events.event import Reject, RejectReason
from streams.events.reject_summary import ALLOWED, RejectSummary
from streams.worker.reject_share import RejectShare


def rejects(count: int, reason: RejectReason = "not_json", detail: str = "malformed") -> list[Reject]:
    return [Reject(n, reason, detail) for n in range(count)]


def noted(share: RejectShare, batches: Iterable[tuple[int, int]]) -> int:
    """How many batches of (records, rejects) passed before the end."""
    passed = 0
    for records, rejected in batches:
        share.note(records, rejects(rejected))
        passed += 1
    return passed


def test_too_large_a_share_of_enough_records_ends_the_daemon() -> None:
    """Whether they come at once or one by one; the text names share, counts and reasons."""
    with pytest.raises(DaemonError, match=r"2,000 of the latest 2,000 .*2,000 x not_json: malformed"):
        noted(RejectShare(0.5, 1000), [(2000, 2000)])
    share = RejectShare(0.5, 1000)
    assert noted(share, [(1, 1)] * 999) == 999, "too few to judge by"
    with pytest.raises(DaemonError, match="max_reject_share"):
        noted(share, [(1, 1)])


def test_the_share_is_that_of_the_latest_records() -> None:
    """A long good past does not hide that everything fails now, and a bad past is forgotten."""
    share = RejectShare(0.5, 1000)
    noted(share, [(10_000, 0)])
    with pytest.raises(DaemonError, match="501 of the latest 1,001"):
        noted(share, [(500, 0), (501, 501)])
    share = RejectShare(0.5, 1000)
    noted(share, [(1000, 500), (1000, 0), (1000, 500), (1000, 0)])


def test_a_share_of_one_never_ends_it() -> None:
    """max_reject_share = 1 sends everything to the dead letters."""
    assert noted(RejectShare(1.0, 10), [(100, 100)] * 20) == 20


def test_kinds_are_told_apart_by_words_not_by_numbers() -> None:
    """A hundred thousand different lengths are one line; each reason says what would be allowed."""
    summary = RejectSummary()
    summary.add(Reject(n, "user_id_too_long", f"user_id has {n} bytes, the limit is 256") for n in range(900))
    summary.add(rejects(30, "unknown_action", "action 'view' is none of browse, click, purchase"))
    summary.add(rejects(20, "unknown_action", "action 'addtocart' is none of browse, click, purchase"))
    lines = summary.lines()
    assert [line.split(":")[0] for line in lines] == [
        "900 x user_id_too_long",
        "30 x unknown_action",
        "20 x unknown_action",
    ]
    assert "'view'" in lines[1] and "allowed: browse, click, purchase" in lines[1]
    assert len(summary.lines(1)) == 2 and summary.lines(1)[1] == "50 more of other kinds"


def test_every_reason_of_a_row_says_what_is_allowed() -> None:
    """But for those that are no fault of the row."""
    assert set(get_args(RejectReason)) - set(ALLOWED) == {
        "processing_failed",
        "unreadable_record",
        "user_quarantined",
    }
