"""Sums in 32 bits: exact to a billionth of their length, and rounded only once."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from transfer.state.blocks import from_blocks, to_blocks

sums = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=3, max_side=6),
    elements=st.floats(-1e200, 1e200, allow_subnormal=False),
)


@settings(deadline=None, max_examples=60)
@given(sums)
def test_rounding_is_a_billionth_of_the_largest_component(vectors: np.ndarray) -> None:
    """Each vector by its own scale, whatever stands beside it."""
    back = from_blocks(*to_blocks(vectors))
    largest = np.abs(vectors).reshape(len(vectors), -1).max(axis=1)
    error = np.abs(back - vectors).reshape(len(vectors), -1).max(axis=1)
    assert (error <= largest * 1e-9 + 1e-260).all()


@settings(deadline=None, max_examples=60)
@given(sums)
def test_what_was_rounded_once_stays(vectors: np.ndarray) -> None:
    """To the bit."""
    exponent, whole = to_blocks(from_blocks(*to_blocks(vectors)))
    np.testing.assert_array_equal(exponent, to_blocks(vectors)[0])
    np.testing.assert_array_equal(whole, to_blocks(vectors)[1])


def test_the_largest_number_below_a_power_of_two_does_not_spill() -> None:
    """It rounds to the largest whole number there is, with either sign."""
    near = np.nextafter(1.0, 0.0)
    exponent, whole = to_blocks(np.array([[near, -near], [-1.0, 1.0], [0.0, -0.0]]))
    assert exponent.tolist() == [0, 1, 0]
    assert whole.tolist() == [[2**31 - 1, 1 - 2**31], [-(2**30), 2**30], [0, 0]]


def test_nothing_adds_up_over_thousands_of_writes() -> None:
    """A sum that decays and is written after each of 20,000 events is right to 1e-7 of its length."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((64, 16)) / 4
    left = np.exp2(-rng.uniform(0, 1e-4, 64))
    exact, kept = np.zeros((1, 16)), np.zeros((1, 16))
    for n in range(20_000):
        exact = exact * left[n % 64] + vectors[n % 64]
        kept = from_blocks(*to_blocks(kept * left[n % 64] + vectors[n % 64]))
    assert np.linalg.norm(kept - exact) < 1e-7 * np.linalg.norm(exact)
