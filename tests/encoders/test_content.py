"""The content encoder: whitening, memory of texts, fingerprints."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from encoders.config import EncoderConfig
from encoders.content import ContentEncoder
from encoders.errors import EncoderConfigError, WhiteningMismatch
from encoders.whitening import Whitening
from support.fakes.tiny_model import save_tiny_model

CATALOGUE = [
    f"{colour} {thing} {n}"
    for colour in ("red", "green")
    for thing in ("grapes", "oil", "milk")
    for n in range(8)
]


class Lengths:
    """An encoder of another kind: one axis for each length."""

    fingerprint = "lengths"
    raw_dim = 20

    def encode(self, texts: Sequence[str], progress: object = None) -> np.ndarray:
        return (np.array([len(text) % 20 for text in texts])[:, None] == np.arange(20)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


def config(folder: Path, **changes: object) -> EncoderConfig:
    return EncoderConfig.model_validate(
        {"model": str(folder), "max_length": 32, "dim": 16, "device": "cpu", "precision": "fp32", **changes}
    )


def test_vectors_are_unit_rows_in_the_order_of_the_input(folder: Path) -> None:
    """(N, dim) float32 of length 1; repeated texts give equal rows; no texts give none."""
    encoder = ContentEncoder(config(folder))
    vectors = encoder.encode(["oil", "grapes", "oil", ""])
    assert vectors.shape == (4, 16)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    np.testing.assert_allclose(vectors[1], encoder.encode(["grapes"])[0], atol=1e-5)
    assert encoder.encode([]).shape == (0, 16)


def test_each_text_goes_through_the_model_once(folder: Path) -> None:
    """Texts seen before, also with other blanks around, come from memory."""
    encoder = ContentEncoder(config(folder))
    first = encoder.encode(["oil", "grapes", "oil"])
    again = encoder.encode([" grapes\n", "milk", "oil"])
    assert (encoder.encoded, encoder.cached) == (3, 2)
    np.testing.assert_array_equal(again[0], first[1])
    np.testing.assert_array_equal(again[2], first[0])


def test_fitting_and_encoding_a_catalogue_is_one_pass(folder: Path) -> None:
    """The catalogue's vectors come with the fit, equal those of encode, and stay in memory."""
    encoder = ContentEncoder(config(folder))
    whitening, vectors = encoder.fit_encode(CATALOGUE + ["", CATALOGUE[0]])
    assert whitening.n_rows == len(CATALOGUE)
    assert encoder.encoded == len(CATALOGUE) + 1
    np.testing.assert_array_equal(encoder.encode(CATALOGUE), vectors[: len(CATALOGUE)])
    assert encoder.encoded == len(CATALOGUE) + 1
    fresh = ContentEncoder(config(folder), Whitening.from_bytes(whitening.to_bytes()))
    np.testing.assert_allclose(fresh.encode(CATALOGUE), vectors[: len(CATALOGUE)], atol=1e-4)
    assert fresh.fingerprint == encoder.fingerprint


def test_memory_of_texts_is_bounded_and_keeps_the_latest(folder: Path) -> None:
    """More texts than text_cache: the least recently used are encoded again, the result is the same."""
    encoder = ContentEncoder(config(folder, text_cache=4))
    first = encoder.encode(CATALOGUE)
    assert len(encoder._recent) == 4
    encoder.encode(CATALOGUE[-4:])
    assert encoder.encoded == len(CATALOGUE)
    encoder.encode(CATALOGUE[-4:-3] + CATALOGUE[:3])
    encoder.encode(CATALOGUE[-4:-3])
    assert encoder.encoded == len(CATALOGUE) + 3
    np.testing.assert_allclose(encoder.encode(CATALOGUE), first, atol=1e-5)
    none = ContentEncoder(config(folder, text_cache=0))
    np.testing.assert_allclose(none.encode(CATALOGUE), first, atol=1e-5)
    none.encode(CATALOGUE)
    assert none.cached == 0


def test_another_whitening_forgets_the_vectors_of_the_first(folder: Path) -> None:
    """After a change of whitening no vector of the old space is handed out."""
    encoder = ContentEncoder(config(folder))
    projected = encoder.encode(CATALOGUE)
    before = encoder.fingerprint
    whitening = encoder.fit(CATALOGUE)
    assert encoder.fingerprint != before
    fitted = encoder.encode(CATALOGUE)
    assert np.abs(fitted - projected).max() > 0.1
    encoder.use(Whitening.projection(32, 16, encoder.encoder.fingerprint))
    np.testing.assert_allclose(encoder.encode(CATALOGUE), projected, atol=1e-5)
    assert encoder.whitening.fingerprint != whitening.fingerprint


def test_whitening_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    """A store made with another model, or another dimension, is refused and says how to continue."""
    other = ContentEncoder(config(save_tiny_model(tmp_path, seed=8)))
    whitening = other.fit(CATALOGUE)
    with pytest.raises(
        WhiteningMismatch, match=r"configure the model that the store was made with, or make a new"
    ):
        ContentEncoder(config(folder), whitening)
    encoder = ContentEncoder(config(folder))
    with pytest.raises(WhiteningMismatch, match=r"set encoder\.dim = 8"):
        encoder.use(Whitening.projection(32, 8, encoder.encoder.fingerprint))
    assert encoder.encode(["oil"]).shape == (1, 16)


def test_content_fingerprint_names_text_and_space(folder: Path) -> None:
    """Equal for equal text whatever item has it; different for other text, model or whitening; "none" for blanks."""
    encoder = ContentEncoder(config(folder))
    assert encoder.content_fingerprint("") == encoder.content_fingerprint(" \n") == "none"
    oil = encoder.content_fingerprint("motor oil")
    assert (
        oil
        == encoder.content_fingerprint(" motor oil ")
        == ContentEncoder(config(folder)).content_fingerprint("motor oil")
    )
    assert oil != encoder.content_fingerprint("motor  oil")
    assert encoder.content_fingerprint("a\ud800") == encoder.content_fingerprint("a\ud800")
    assert oil != ContentEncoder(config(folder, pooling="cls")).content_fingerprint("motor oil")
    encoder.fit(CATALOGUE)
    assert oil != encoder.content_fingerprint("motor oil")


def test_long_calls_report_progress(folder: Path) -> None:
    """A catalogue of thousands of texts says how far it is, up to the last one."""
    done: list[int] = []
    ContentEncoder(config(folder), encoder=Lengths()).fit_encode(
        [f"item {n}" for n in range(3000)], done.append
    )
    assert len(done) >= 2
    assert done == sorted(done)
    assert done[-1] == 3000


def test_any_encoder_serves(folder: Path) -> None:
    """Whatever keeps the protocol can stand in for the text model."""
    encoder = ContentEncoder(config(folder), encoder=Lengths())
    assert encoder.encode(["a", "bb"]).shape == (2, 16)
    assert encoder.whitening.source_fingerprint == "lengths"


def test_warm_up_finds_a_model_that_can_not_be_used(folder: Path) -> None:
    """A daemon learns at start, not at the first event, that its model doesn't load; a good one counts nothing."""
    encoder = ContentEncoder(config(folder))
    encoder.warm_up()
    assert (encoder.encoded, encoder.cached) == (0, 0)
    with pytest.raises(EncoderConfigError, match="max_length"):
        ContentEncoder(config(folder, max_length=999)).warm_up()


def test_cut_texts_show_in_the_count(folder: Path) -> None:
    """Its metrics show how many texts were too long for it."""
    encoder = ContentEncoder(config(folder))
    encoder.encode(["oil", "milk " * 60])
    assert encoder.truncated == 1
    assert ContentEncoder(config(folder), encoder=Lengths()).truncated == 0
