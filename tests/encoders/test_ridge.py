"""The map from content to behaviour."""

from __future__ import annotations

import numpy as np

from encoders.ridge import PENALTIES, fit_ridge
from encoders.unit import unit_rows


def _linear(rows: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    content = unit_rows(rng.standard_normal((rows, 12)).astype(np.float32))
    target = content @ rng.standard_normal((12, 6)) + noise * rng.standard_normal((rows, 6))
    return content, unit_rows(target.astype(np.float32))


def test_a_linear_relation_is_found() -> None:
    """Content that was not in the fit is mapped to where it belongs, and the encoder knows how well."""
    content, target = _linear(400, 0.0)
    ridge = fit_ridge(content[:300], target[:300], np.ones(300))
    held_out = np.einsum("nd,nd->n", ridge.map(content[300:]), target[300:]).mean()
    assert held_out > 0.97
    assert abs(ridge.cosine - held_out) < 0.02


def test_noise_raises_the_penalty() -> None:
    """The penalty is chosen by held-out error: much where there is nothing to learn, little where there is."""
    sure, unsure = (fit_ridge(*_linear(60, noise), np.ones(60)).penalty for noise in (0.0, 20.0))
    assert sure == PENALTIES[0] < unsure


def test_the_weighted_solution_is_that_of_repeated_rows() -> None:
    """A row of weight 3 counts as three rows."""
    content, target = _linear(50, 0.5)
    weight = np.random.default_rng(2).integers(1, 4, 50)
    once = fit_ridge(content, target, weight.astype(np.float64))
    repeated = fit_ridge(
        np.repeat(content, weight, axis=0), np.repeat(target, weight, axis=0), np.ones(weight.sum())
    )
    assert once.penalty == repeated.penalty
    assert np.allclose(once.matrix, repeated.matrix, atol=1e-4)


def test_equal_contents_are_held_out_together() -> None:
    """Texts that many items share don't make a map of noise look good."""
    rng = np.random.default_rng(4)
    content = unit_rows(rng.standard_normal((30, 12)).astype(np.float32))
    target = unit_rows(rng.standard_normal((30, 6)).astype(np.float32))
    ridge = fit_ridge(np.repeat(content, 10, axis=0), np.repeat(target, 10, axis=0), np.ones(300))
    assert ridge.cosine < 0.3
