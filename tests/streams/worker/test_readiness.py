"""What /ready says before a daemon consumes and while it ends."""

from __future__ import annotations

from streams.broker.config import BrokerConfig
from streams.worker.readiness import Readiness


def test_a_start_says_what_it_waits_for_and_an_end_says_that_alone() -> None:
    """The latest thing that is waited for is the reason; once the end has begun nothing else is, whatever comes late."""
    readiness = Readiness(BrokerConfig(), acknowledge_loss=False)
    assert readiness.not_ready() == "starting"
    readiness.wait_for("store unavailable")
    readiness.wait_for("broker unavailable")
    assert readiness.not_ready() == "broker unavailable"
    readiness.stop()
    readiness.wait_for("joining the group")
    readiness.run()
    assert readiness.not_ready() == "stopping"
    assert readiness.warnings() == []
