"""Probabilities from an order: the order stays, they sum to one, and the likeliest mixture is never worse than a guess."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from transfer.learned.temperatures import OWN, doubling, likeliest_weights, log_mixture, mixed


@given(st.integers(0, 2**32 - 1), st.integers(2, 10), st.sampled_from([0.0, 1e-3, 1.0, 30.0]))
def test_the_order_of_the_scores_is_the_order_of_the_probabilities(
    seed: int, rungs: int, size: float
) -> None:
    """Whatever the weights; what does not compete has none, and the rest sums to one."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn((3, 40), generator=generator) * size
    scores[:, :5] = OWN
    weights = torch.softmax(torch.randn((3, 1 + 3 * rungs), generator=generator), dim=1)
    found = mixed(scores, weights, (1, 4, 128))
    assert (found[:, :5] == 0).all() and (found >= 0).all()
    torch.testing.assert_close(found.sum(dim=1), torch.ones(3))
    by_score = torch.gather(found, 1, scores.argsort(dim=1, stable=True))
    assert (by_score.diff(dim=1) >= 0).all()


def test_training_and_ranking_say_the_same_of_each_rung() -> None:
    """The logs that weights are fitted on are those of what is ranked."""
    scores = torch.tensor([[3.0, 1.0, -2.0, OWN], [0.0, 0.0, 0.0, 50.0]])
    weights = torch.tensor([[0.1, 0.2, 0.3, 0.2, 0.2], [0.4, 0.3, 0.1, 0.1, 0.1]])
    row, column, ladder = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 1, 2, 0, 3]), doubling((1, 2), 2)
    logs = ladder.log_parts(scores, row, column)
    torch.testing.assert_close(
        log_mixture(logs, weights.log()[row]).exp(), mixed(scores, weights, (1, 2))[row, column]
    )
    assert ladder.log_parts(scores, torch.tensor([0]), torch.tensor([3])).exp().max() == 0


def test_the_best_may_count_alike() -> None:
    """Where the scores of the first lie far apart and the first are equally likely, the part of equal ones says so."""
    scores = torch.tensor([[100.0, 50.0, 0.0, -50.0]])
    found = mixed(scores, torch.tensor([[0.0, 0.0, 1.0]]), (1, 3))
    torch.testing.assert_close(found, torch.tensor([[1 / 3, 1 / 3, 1 / 3, 0.0]]))


def test_who_has_all_there_is_gets_nothing_new() -> None:
    """No candidate is left: all probabilities are 0, none is not a number."""
    assert mixed(torch.full((1, 3), OWN), torch.tensor([[0.5, 0.5]]), (1,)).tolist() == [[0.0, 0.0, 0.0]]


def test_the_likeliest_mixture_is_never_worse_than_a_guess() -> None:
    """Scores that order the wrong way round, and far too loudly, cost nothing: all weight goes to the uniform part."""
    scores = torch.linspace(-40, 40, 100).repeat(50, 1)
    lowest = torch.arange(50) % 10
    logs = doubling((1, 16), 4).log_parts(scores, torch.arange(50), lowest)
    assert -logs[:, 1].mean() > 10 * math.log(100)
    weights = likeliest_weights(logs, pseudo=0.0)
    assert -log_mixture(logs, weights).mean() == pytest.approx(math.log(100), rel=1e-3)


def test_what_is_always_first_is_nearly_certain() -> None:
    """Scores that are always right go to the sharpest part."""
    scores = torch.eye(20)
    logs = doubling((1, 16), 6).log_parts(scores, torch.arange(20), torch.arange(20))
    assert -log_mixture(logs, likeliest_weights(logs)).mean() < 0.2
