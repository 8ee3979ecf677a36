"""What every encoder of raw content promises; written once, subclassed per encoder."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from encoders.protocols import Encoder

TEXTS = (
    "red grapes",
    "motor oil",
    "bread",
    "a very long list of things: " + "milk, bread, oil, " * 12,
    "green grapes fruit",
    "red grapes",
    "",
    "x",
)


class EncoderContract:
    """Subclasses give the fixture `encoder`."""

    tolerance = 1e-5

    @pytest.fixture
    def encoder(self) -> Encoder:
        raise NotImplementedError

    def close(self, left: np.ndarray, right: np.ndarray) -> None:
        np.testing.assert_allclose(left, right, rtol=0, atol=self.tolerance)

    def test_rows_are_float32_of_the_announced_width(self, encoder: Encoder) -> None:
        """N texts give (N, raw_dim) finite float32 rows."""
        vectors = encoder.encode(TEXTS)
        assert vectors.shape == (len(TEXTS), encoder.raw_dim)
        assert vectors.dtype == np.float32
        assert np.isfinite(vectors).all()

    def test_no_texts_give_no_rows(self, encoder: Encoder) -> None:
        """An empty call is fine and keeps the width."""
        assert encoder.encode([]).shape == (0, encoder.raw_dim)

    def test_vector_does_not_depend_on_neighbours(self, encoder: Encoder) -> None:
        """A text's vector is the same alone and in any company, up to rounding."""
        together = encoder.encode(TEXTS)
        alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
        self.close(together, alone)

    def test_rows_follow_the_order_of_the_input(self, encoder: Encoder) -> None:
        """Permuting the texts permutes the rows."""
        order = np.random.default_rng(3).permutation(len(TEXTS))
        shuffled: Sequence[str] = [TEXTS[place] for place in order]
        self.close(encoder.encode(shuffled), encoder.encode(TEXTS)[order])

    def test_equal_texts_give_equal_rows(self, encoder: Encoder) -> None:
        """The same text twice in a call gives the very same vector."""
        vectors = encoder.encode(TEXTS)
        np.testing.assert_array_equal(vectors[0], vectors[5])

    def test_different_texts_give_different_rows(self, encoder: Encoder) -> None:
        """Content is told apart."""
        vectors = encoder.encode(["red grapes", "motor oil"])
        assert np.abs(vectors[0] - vectors[1]).max() > 1e-3

    def test_strange_text_is_encoded(self, encoder: Encoder) -> None:
        """NUL, lone surrogates, emoji, blanks and other scripts neither crash nor give other than numbers."""
        strange = ["a\0b", "a\ud800b", "\U0001f347", " \t\n ", "ぶどう", "\u202e", "0" * 20_000]
        assert np.isfinite(encoder.encode(strange)).all()

    def test_calls_from_threads_agree(self, encoder: Encoder) -> None:
        """Concurrent calls give what single ones give."""
        expected = encoder.encode(TEXTS)
        with ThreadPoolExecutor(4) as pool:
            for vectors in pool.map(lambda _: encoder.encode(TEXTS), range(8)):
                self.close(vectors, expected)

    def test_fingerprint_is_stable(self, encoder: Encoder) -> None:
        """The fingerprint is a short hex string that using the encoder doesn't change."""
        before = encoder.fingerprint
        encoder.encode(["red"])
        assert encoder.fingerprint == before
        assert 16 <= len(before) <= 64
        int(before, 16)
