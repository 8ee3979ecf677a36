"""The fitted item encoder: what it knows, how it blends, and that a folder holds all of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encoders.behaviour import Behaviour
from encoders.config import FitConfig
from encoders.errors import EncoderError, EncoderMismatch
from encoders.item_encoder import ItemEncoder, fit_item_encoder
from encoders.joined import ContentSpace
from encoders.unit import unit_rows
from encoders.whitening import Whitening

ITEMS, DIM = 120, 6
RNG = np.random.default_rng(0)
CONTENT = unit_rows(RNG.standard_normal((ITEMS, DIM)).astype(np.float32))
TARGET = unit_rows(CONTENT @ np.linalg.qr(RNG.standard_normal((DIM, DIM)))[0].astype(np.float32))
KEYS = RNG.permutation(np.arange(1, ITEMS + 1, dtype=np.uint64) * np.uint64(977))
WHITENING = Whitening.projection(DIM + 4, DIM, "model")


def fitted(pull: float = 10.0, content: bool = True) -> ItemEncoder:
    """Items 0-99 have behaviour, met 0, 1, 2 ... times; those from 80 on no content."""
    vectors = TARGET.copy()
    vectors[100:] = 0
    has_content = np.arange(ITEMS) < 80
    return fit_item_encoder(
        KEYS,
        Behaviour(vectors, np.arange(ITEMS, dtype=np.float32)),
        CONTENT if content else None,
        has_content if content else None,
        ContentSpace.of_text(WHITENING) if content else None,
        FitConfig(pull=pull),
    )


def test_behaviour_wins_with_the_number_of_meetings() -> None:
    """An item that is met often keeps its behaviour, a rare one leans on its content; unit length either way."""
    encoder = fitted(pull=5.0)
    other = np.roll(CONTENT, 1, axis=0)
    vectors = encoder.vectors(KEYS, other, np.ones(ITEMS, np.bool_))
    near = np.einsum("nd,nd->n", vectors, TARGET)
    assert near[60:80].mean() > 0.99 > near[10:20].mean() > near[5:10].mean() > near[1:5].mean()
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_each_part_alone_is_enough() -> None:
    """Behaviour without content, content without behaviour; with neither there is a row of zeros."""
    encoder = fitted()
    has_content = np.zeros(ITEMS, np.bool_)
    has_content[110:] = True
    vectors = encoder.vectors(KEYS, CONTENT, has_content)
    assert np.allclose(vectors[:100], TARGET[:100], atol=1e-5)
    assert not vectors[100:110].any()
    assert (np.einsum("nd,nd->n", vectors[110:], TARGET[110:]) > 0.9).all()
    assert np.array_equal(encoder.has_behaviour(KEYS), np.arange(ITEMS) < 100)
    unknown = np.array([5], np.uint64)
    assert not encoder.has_behaviour(unknown).any()
    assert not encoder.vectors(unknown, CONTENT[:1], np.zeros(1, np.bool_)).any()


def test_a_prediction_is_as_sure_as_the_map_is() -> None:
    """An item known by its content alone is not nearer to everyone's interest than the items that are known."""
    rng = np.random.default_rng(1)
    noisy = unit_rows(TARGET + rng.standard_normal(TARGET.shape).astype(np.float32))
    noisy[100:] = 0
    encoder = fit_item_encoder(
        KEYS,
        Behaviour(noisy, np.full(ITEMS, 9.0, np.float32)),
        CONTENT,
        np.ones(ITEMS, np.bool_),
        ContentSpace.of_text(WHITENING),
        FitConfig(),
    )
    assert encoder.ridge is not None and encoder.ridge.cosine < 0.8
    content = np.repeat(CONTENT[110:111], 2000, axis=0)
    keys = np.arange(2000, dtype=np.uint64) + np.uint64(10**9)
    vectors = encoder.vectors(keys, content, np.ones(2000, np.bool_))
    near = vectors @ encoder.texts(content[:1])[0]
    assert abs(near.mean() - encoder.ridge.cosine) < 0.1
    assert np.array_equal(vectors, encoder.vectors(keys, content, np.ones(2000, np.bool_)))


def test_without_content_there_is_no_map() -> None:
    """A log whose items have no text has an encoder all the same; new contents still are near equal ones."""
    encoder = fitted(content=False)
    assert encoder.ridge is None and encoder.whitening is None
    vectors = encoder.vectors(KEYS, CONTENT, np.ones(ITEMS, np.bool_))
    assert np.allclose(vectors[:100], TARGET[:100], atol=1e-5)
    assert np.allclose(vectors[100:], CONTENT[100:], atol=1e-5)


def test_a_folder_holds_all_of_it(tmp_path: Path) -> None:
    """Saved and loaded it gives the same bits, whitening included; written again it replaces the older one."""
    encoder = fitted()
    folder = tmp_path / "deep" / "encoder"
    fitted(pull=1.0).save(folder)
    encoder.save(folder)
    loaded = ItemEncoder.load(folder)
    assert loaded.fingerprint == encoder.fingerprint
    everything = np.ones(ITEMS, np.bool_)
    assert np.array_equal(
        loaded.vectors(KEYS, CONTENT, everything), encoder.vectors(KEYS, CONTENT, everything)
    )
    assert loaded.whitening is not None and loaded.whitening.fingerprint == WHITENING.fingerprint
    assert loaded.config == encoder.config
    assert sorted(path.name for path in folder.parent.iterdir()) == ["encoder"]


def test_another_fit_has_another_fingerprint() -> None:
    """Equal fingerprints mean equal vectors: blend, map and behaviour all count."""
    prints = {fitted().fingerprint, fitted(pull=3.0).fingerprint, fitted(content=False).fingerprint}
    assert len(prints) == 3
    assert fitted().fingerprint == fitted().fingerprint


def test_damage_is_noticed(tmp_path: Path) -> None:
    """A changed byte, a missing file, another program's folder: an error that names the folder, never wrong vectors."""
    fitted().save(tmp_path / "encoder")
    file = tmp_path / "encoder" / "item_encoder.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(EncoderError, match="can be used"):
        ItemEncoder.load(tmp_path / "encoder")
    file.unlink()
    with pytest.raises(EncoderError, match="encoder"):
        ItemEncoder.load(tmp_path / "encoder")
    with pytest.raises(EncoderError, match="driftline fit"):
        ItemEncoder.load(tmp_path / "nothing")


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """An encoder is never written over other files."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(EncoderError, match=r"notes\.txt"):
        fitted().save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_content_of_another_width_is_refused() -> None:
    """The error says which encoder.dim would fit."""
    with pytest.raises(EncoderMismatch, match=r"encoder\.dim = 6"):
        fitted().texts(np.ones((1, 9), np.float32))
