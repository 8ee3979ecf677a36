"""Whitening: what it does to vectors, how it is kept, and what it refuses."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.errors import EncoderConfigError, EncoderError, WhiteningMismatch
from encoders.whitening import Whitening

SOURCE = "a" * 32
PINNED = [-0.03021596, -0.00425969, -0.05457846]


def catalogue(rows: int, raw_dim: int = 24, seed: int = 0) -> np.ndarray:
    """Unit rows with a strong common direction and uneven variances, as text embeddings are."""
    rng = np.random.default_rng(seed)
    raw = rng.standard_normal((rows, raw_dim)) * np.geomspace(1, 0.05, raw_dim) + 2.0
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)


def test_whitened_rows_are_centred_even_and_unit() -> None:
    """Raw rows all point the same way; whitened ones point everywhere, every direction as much."""
    raw = catalogue(4000)
    assert (raw @ raw[0]).mean() > 0.8
    white = Whitening.fit(raw, 8, SOURCE).transform(raw)
    assert white.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(white, axis=1), 1, atol=1e-5)
    assert np.abs(white.mean(axis=0)).max() < 0.03
    np.testing.assert_allclose(np.cov(white.T), np.eye(8) / 8, atol=0.02)


def test_fit_equals_the_formula() -> None:
    """mean, shrunk covariance, largest directions: written out plainly, the same up to rounding."""
    raw = catalogue(300)
    mean = raw.astype(np.float64).mean(axis=0)
    covariance = np.cov(raw.astype(np.float64).T, bias=True)
    weight = 24 / (300 + 24)
    shrunk = (1 - weight) * covariance + weight * np.trace(covariance) / 24 * np.eye(24)
    values, directions = np.linalg.eigh(shrunk)
    expected = (raw - mean) @ directions[:, ::-1][:, :6] / np.sqrt(values[::-1][:6])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    white = Whitening.fit(raw, 6, SOURCE).transform(raw)
    np.testing.assert_allclose(np.abs(white), np.abs(expected), atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(0, 40), dim=st.integers(1, 24), seed=st.integers(0, 99), flat=st.booleans())
def test_any_number_of_rows_gives_finite_unit_vectors(rows: int, dim: int, seed: int, flat: bool) -> None:
    """No catalogue is too small or too uniform: the result is always finite and of length 1."""
    raw = catalogue(rows, seed=seed)
    if flat and rows:
        raw = np.repeat(raw[:1], rows, axis=0)
    whitening = Whitening.fit(raw, dim, SOURCE)
    white = whitening.transform(catalogue(10, seed=seed + 1))
    assert np.isfinite(white).all()
    np.testing.assert_allclose(np.linalg.norm(white, axis=1), 1, atol=1e-5)
    if rows < 2 or flat:
        assert whitening.fingerprint == Whitening.projection(24, dim, SOURCE).fingerprint


def test_fit_does_not_depend_on_the_order_of_rows() -> None:
    """The same catalogue in another order gives the same space, signs included."""
    raw = catalogue(500)
    one = Whitening.fit(raw, 8, SOURCE).transform(raw)
    other = Whitening.fit(raw[::-1].copy(), 8, SOURCE).transform(raw)
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_projection_is_orthonormal_and_always_the_same() -> None:
    """Without a catalogue the projection is fixed and keeps angles roughly."""
    first, second = Whitening.projection(384, 128, SOURCE), Whitening.projection(384, 128, SOURCE)
    assert first.fingerprint == second.fingerprint
    np.testing.assert_allclose(first.matrix.T @ first.matrix, np.eye(128), atol=1e-5)
    np.testing.assert_allclose(first.matrix[0, :3], PINNED, atol=1e-6)
    rng = np.random.default_rng(1)
    raw = rng.standard_normal((50, 384)).astype(np.float32)
    raw /= np.linalg.norm(raw, axis=1, keepdims=True)
    white = first.transform(raw)
    assert np.abs(white @ white.T - raw @ raw.T).max() < 0.4


def test_row_at_the_mean_gets_a_fixed_unit_vector() -> None:
    """What whitening leaves nothing of is still a point that a store takes."""
    whitening = Whitening.fit(catalogue(100), 8, SOURCE)
    white = whitening.transform(np.stack([whitening.mean, whitening.mean]))
    np.testing.assert_array_equal(white, np.eye(1, 8, dtype=np.float32).repeat(2, axis=0))
    assert whitening.transform(np.zeros((0, 24), dtype=np.float32)).shape == (0, 8)


def test_bytes_give_the_same_whitening_back() -> None:
    """Written and read, it transforms to the bit as before and knows where it came from."""
    whitening = Whitening.fit(catalogue(100), 8, SOURCE)
    again = Whitening.from_bytes(whitening.to_bytes())
    assert again.fingerprint == whitening.fingerprint
    assert (again.source_fingerprint, again.n_rows, again.raw_dim, again.dim) == (SOURCE, 100, 24, 8)
    np.testing.assert_array_equal(again.transform(catalogue(9)), whitening.transform(catalogue(9)))


def test_fingerprint_follows_content_and_source() -> None:
    """Another catalogue or another encoder is another whitening."""
    fits = [
        Whitening.fit(catalogue(100), 8, SOURCE),
        Whitening.fit(catalogue(100, seed=1), 8, SOURCE),
        Whitening.fit(catalogue(100), 8, "b" * 32),
        Whitening.fit(catalogue(100), 7, SOURCE),
    ]
    assert len({whitening.fingerprint for whitening in fits}) == 4


def test_whitening_can_not_be_changed() -> None:
    """It is shared by threads and named by its fingerprint: its arrays are read-only."""
    whitening = Whitening.projection(24, 8, SOURCE)
    with pytest.raises(ValueError, match="read-only"):
        whitening.matrix[0, 0] = 1


def with_metadata(data: bytes, **changes: str) -> bytes:
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"].update(changes)
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    return struct.pack("<Q", len(encoded)) + encoded + data[8 + size :]


@pytest.mark.parametrize("data", [b"", b"x", b"{}" * 50, b"\xff" * 64, struct.pack("<Q", 2) + b"{}"])
def test_bytes_of_something_else_are_refused(data: bytes) -> None:
    """Garbage is an error that says what to do."""
    with pytest.raises(EncoderError, match="make a new store"):
        Whitening.from_bytes(data)


def test_damaged_bytes_are_refused() -> None:
    """A flipped bit, a cut end or a foreign safetensors file doesn't pass."""
    from safetensors.numpy import save

    data = Whitening.fit(catalogue(100), 8, SOURCE).to_bytes()
    flipped = bytearray(data)
    flipped[-5] ^= 0x10
    for damaged in (
        bytes(flipped),
        data[:-9],
        data[: len(data) // 2],
        save({"w": np.ones(3)}),
        with_metadata(data, format="x"),
    ):
        with pytest.raises(EncoderError, match="make a new store"):
            Whitening.from_bytes(damaged)


def test_another_version_is_refused() -> None:
    """A whitening of a later program names both versions."""
    data = with_metadata(Whitening.projection(24, 8, SOURCE).to_bytes(), version="2")
    with pytest.raises(WhiteningMismatch, match=r"version '2', this program reads 1"):
        Whitening.from_bytes(data)


def test_what_does_not_fit_is_refused() -> None:
    """Too many dimensions, another width and values that aren't finite each have their error."""
    with pytest.raises(EncoderConfigError, match=r"encoder\.dim 25 > 24"):
        Whitening.fit(catalogue(10), 25, SOURCE)
    with pytest.raises(EncoderConfigError, match=r"encoder\.dim 25 > 24"):
        Whitening.projection(24, 25, SOURCE)
    whitening = Whitening.fit(catalogue(10), 8, SOURCE)
    with pytest.raises(WhiteningMismatch, match="takes 24 dimensions, the encoder gives 23"):
        whitening.transform(catalogue(3, raw_dim=23))
    broken = catalogue(3)
    broken[1, 1] = np.nan
    with pytest.raises(EncoderError, match="not finite"):
        whitening.transform(broken)
    with pytest.raises(EncoderError, match="not finite"):
        Whitening.fit(broken, 8, SOURCE)
