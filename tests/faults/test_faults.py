"""Real faults, in short: what is in the store afterwards equals a replay of the log. `make faults` runs the long forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.servers.real_kafka import RealKafka
from faults import (
    beside_replay,
    broker_away,
    frozen,
    misplaced,
    poison,
    sigkill,
    sigterm,
    store_away,
    workers,
    zombie,
)
from faults.comparison import Comparison
from faults.trial import FAILED, NOT_EXERCISED, OK, Broker, Result

SEED = 4


TRIES = 3


def kept(run: Callable[[Path, int], Result], folder: Path) -> None:
    """A fault whose trigger chance has missed is tried again; one that broke a promise is not."""
    for seed in range(SEED, SEED + TRIES):
        (folder / str(seed)).mkdir()
        result = run(folder / str(seed), seed)
        if result.verdict != NOT_EXERCISED:
            break
    assert result.passed, "\n".join(result.reasons)


@pytest.mark.parametrize(
    ("problems", "missing", "verdict"),
    [([], [], OK), ([], ["a kill"], NOT_EXERCISED), (["1 event lost"], ["a kill"], FAILED)],
)
def test_a_fault_that_did_not_happen_is_no_pass(
    problems: list[str], missing: list[str], verdict: str
) -> None:
    """States that are right after nothing happened show nothing; states that are wrong are wrong all the same."""
    same = Comparison(users=1, lost=0, doubled=0, state_error=0.0, fused_error=0.0)
    result = Result("sigkill", "embedded", 10, "", same, 0, 1.0, problems, missing)
    assert result.verdict == verdict and result.passed == (verdict == OK)
    assert len(result.reasons) == len(problems) + len(missing)


def test_states_that_differ_by_more_than_rounding_are_a_problem() -> None:
    """A millionth; and a figure that is none is no pass."""
    for error in (2e-6, float("nan")):
        assert Comparison(users=1, lost=0, doubled=0, state_error=error, fused_error=0.0).problems
        assert Comparison(users=1, lost=0, doubled=0, state_error=0.0, fused_error=error).problems
    assert not Comparison(users=1, lost=0, doubled=0, state_error=5e-7, fused_error=5e-7).problems


@pytest.mark.broker
def test_killed_daemons_lose_and_double_nothing(fault_broker: Broker, tmp_path: Path) -> None:
    """SIGKILL at random moments: the states are those of a replay."""
    kept(lambda folder, seed: sigkill.run(folder, fault_broker, seed, sigkill.SHORT), tmp_path)


@pytest.mark.broker
def test_stopped_daemons_are_quick_and_leave_nothing_to_be_read_twice(
    fault_broker: Broker, tmp_path: Path
) -> None:
    """SIGTERM under load ends within daemon.shutdown_s with 0; the next daemon continues exactly there."""
    kept(lambda folder, seed: sigterm.run(folder, fault_broker, seed, sigterm.SHORT), tmp_path)


@pytest.mark.broker
def test_a_broker_that_stops_or_is_killed_loses_nothing(restarted_kafka: RealKafka, tmp_path: Path) -> None:
    """It comes back on its kept log: the same daemon continues, and the states are those of a replay."""
    kept(lambda folder, seed: broker_away.run(folder, restarted_kafka, seed, broker_away.SHORT), tmp_path)


@pytest.mark.broker
def test_a_store_that_is_away_slow_or_failing_loses_nothing(fault_broker: Broker, tmp_path: Path) -> None:
    """The daemon waits, says why, tries again; what was written without an answer is not counted twice."""
    kept(lambda folder, seed: store_away.run(folder, fault_broker, seed, store_away.SHORT), tmp_path)


@pytest.mark.broker
def test_workers_that_come_and_go_lose_and_double_nothing(fault_broker: Broker, tmp_path: Path) -> None:
    """Several workers on one store, one leaves and another joins under load: the states are those of a replay."""
    kept(lambda folder, seed: workers.run(folder, fault_broker, seed, workers.SHORT), tmp_path)


@pytest.mark.broker
def test_a_worker_frozen_beyond_its_session_overwrites_nothing(fault_broker: Broker, tmp_path: Path) -> None:
    """SIGSTOP with work in hand, SIGCONT after another took over: the states are those of a replay."""
    kept(lambda folder, seed: zombie.run(folder, fault_broker, seed, zombie.SHORT), tmp_path)


@pytest.mark.broker
def test_a_write_that_arrives_after_the_take_over_changes_nothing(
    fault_broker: Broker, tmp_path: Path
) -> None:
    """Frozen between a write and its answer: that write is refused once another worker has gone on."""
    kept(lambda folder, seed: frozen.run(folder, fault_broker, seed, frozen.SHORT, frozen.WRITE), tmp_path)


@pytest.mark.broker
def test_keys_placed_at_random_kills_and_late_requests_at_once_lose_and_double_nothing(
    fault_broker: Broker, tmp_path: Path
) -> None:
    """Every user at every worker, workers killed, updates carried out after they were given up: still a replay's states."""
    kept(lambda folder, seed: misplaced.run(folder, fault_broker, seed, misplaced.SHORT), tmp_path)


@pytest.mark.broker
def test_a_replay_beside_a_daemon_both_killed_loses_and_doubles_nothing(
    fault_broker: Broker, tmp_path: Path
) -> None:
    """History and stream of the same users at once, each killed and started again: the states of one replay of all."""
    kept(lambda folder, seed: beside_replay.run(folder, fault_broker, seed, beside_replay.SHORT), tmp_path)


@pytest.mark.broker
def test_exactly_the_poison_becomes_dead_letters(fault_broker: Broker, tmp_path: Path) -> None:
    """Every bad record once, with its bytes, position and reason; every good event is applied."""
    kept(lambda folder, seed: poison.run(folder, fault_broker, seed, poison.SHORT), tmp_path)
