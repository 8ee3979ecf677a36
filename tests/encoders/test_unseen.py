"""Vectors of items without content."""

import subprocess
import sys

import numpy as np
import pytest

from encoders.unseen import unseen_vectors


def test_vectors_are_unit_rows_of_the_id_alone() -> None:
    """An id's vector is the same alone, in any batch, and has length 1."""
    ids = [f"p{n}" for n in range(50)]
    vectors = unseen_vectors(ids, 128)
    assert vectors.shape == (50, 128)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(vectors[17], unseen_vectors(["p17"], 128)[0])
    np.testing.assert_array_equal(vectors[::-1], unseen_vectors(ids[::-1], 128))


@pytest.mark.parametrize(
    ("item_id", "dim", "start"),
    [
        ("p25671", 128, [0.05775126, 0.02195855, 0.04589926]),
        ("p25671", 3, [-0.38008216, -0.41568413, 0.8262834]),
        ("", 128, [-0.18686728, -0.11535662, -0.04536235]),
        ("プ", 128, [-0.02828684, -0.00492792, 0.01344964]),
    ],
)
def test_vectors_never_change(item_id: str, dim: int, start: list[float]) -> None:
    """Stored states hold sums of these vectors: a change of a single one would break them."""
    np.testing.assert_allclose(unseen_vectors([item_id], dim)[0, :3], start, rtol=0, atol=1e-6)


def test_another_process_gives_the_same_vectors() -> None:
    """Neither hash seed nor process has a say."""
    program = "from encoders.unseen import unseen_vectors as u; print(u(['a', 'b'], 16).tobytes().hex())"
    out = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert out.stdout.strip() == unseen_vectors(["a", "b"], 16).tobytes().hex()


def test_vectors_of_different_ids_are_nearly_orthogonal() -> None:
    """Unknown items neither attract nor repel each other: cosines are centred on 0 with spread 1 / sqrt(dim)."""
    vectors = unseen_vectors([f"item-{n}" for n in range(600)], 128).astype(np.float64)
    cosines = (vectors @ vectors.T)[np.triu_indices(600, 1)]
    assert abs(cosines.mean()) < 0.001
    assert abs(cosines.std() - 128**-0.5) < 0.001
    assert np.abs(cosines).max() < 0.6


def test_any_id_and_no_id_serve() -> None:
    """Lone surrogates and empty lists are fine; odd dimensions too."""
    assert unseen_vectors([], 7).shape == (0, 7)
    assert np.isfinite(unseen_vectors(["\ud800", "x" * 10_000], 7)).all()
