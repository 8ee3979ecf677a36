"""What every encoder of pictures or sounds promises; written once, subclassed per encoder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from encoders.media import Media, Modality
from encoders.media_encoder import MediaEncoder


class MediaEncoderContract:
    """Subclasses give `encoder` and `contents`: four different good ones, as bytes."""

    modality: Modality
    tolerance = 1e-5

    @pytest.fixture
    def encoder(self) -> MediaEncoder[Any]:
        raise NotImplementedError

    @pytest.fixture
    def contents(self) -> list[bytes]:
        raise NotImplementedError

    @pytest.fixture
    def media(self, contents: list[bytes]) -> list[Media]:
        return [Media.of_bytes(self.modality, data, 1 << 24) for data in contents]

    def test_rows_are_unit_float32_of_the_announced_width(
        self, encoder: MediaEncoder[Any], media: list[Media]
    ) -> None:
        """N contents give (N, raw_dim) unit rows, and none gives none."""
        done = encoder.encode(media)
        assert done.vectors.shape == (len(media), encoder.raw_dim)
        assert done.vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(done.vectors, axis=1), 1, atol=1e-5)
        assert done.results == ["ok"] * len(media)
        assert encoder.encode([]).vectors.shape == (0, encoder.raw_dim)

    def test_a_vector_depends_on_its_content_alone(
        self, encoder: MediaEncoder[Any], media: list[Media]
    ) -> None:
        """In any order and company, up to rounding; other contents have other vectors."""
        together = encoder.encode(media).vectors
        alone = np.concatenate([encoder.encode([one]).vectors for one in reversed(media)])[::-1]
        np.testing.assert_allclose(together, alone, rtol=0, atol=self.tolerance)
        apart = np.abs(together[:, None] - together[None]).max(axis=2)
        assert apart[~np.eye(len(media), dtype=bool)].min() > 1e-4

    def test_a_broken_one_costs_its_own_row(self, encoder: MediaEncoder[Any], media: list[Media]) -> None:
        """Zeros and a result in its place, the others as without it."""
        cut = media[2].read(1 << 24)[:24]
        with_broken = [media[0], Media.of_bytes(self.modality, cut, 1 << 24), *media[1:]]
        done = encoder.encode(with_broken)
        assert done.results == ["ok", "broken", *["ok"] * (len(media) - 1)]
        assert not done.vectors[1].any()
        rest = np.delete(done.vectors, 1, axis=0)
        np.testing.assert_allclose(rest, encoder.encode(media).vectors, rtol=0, atol=self.tolerance)

    def test_progress_tells_how_many_are_done(self, encoder: MediaEncoder[Any], media: list[Media]) -> None:
        """Ascending, up to all of them."""
        told: list[int] = []
        encoder.encode(media, told.append)
        assert told == sorted(told)
        assert told[-1] == len(media)

    def test_shapes_are_few(self, encoder: MediaEncoder[Any], media: list[Media]) -> None:
        """Batches of any size go through as powers of two."""
        for count in (1, 3, 4):
            encoder.encode(media[:count])
        assert encoder.shapes <= {1, 2, 4, 8, 16, 32}

    def test_calls_from_threads_agree(self, encoder: MediaEncoder[Any], media: list[Media]) -> None:
        """Concurrent calls give what single ones give."""
        expected = encoder.encode(media[:2]).vectors
        with ThreadPoolExecutor(2) as pool:
            for done in pool.map(lambda _: encoder.encode(media[:2]), range(2)):
                np.testing.assert_allclose(done.vectors, expected, rtol=0, atol=self.tolerance)

    def test_fingerprint_is_known_before_weights_are_loaded(self, encoder: MediaEncoder[Any]) -> None:
        """And it stays the same."""
        assert encoder.fingerprint == encoder.fingerprint
        assert len(encoder.fingerprint) == 32
