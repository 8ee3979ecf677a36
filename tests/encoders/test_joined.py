"""Vectors of several modalities in one space."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from encoders.behaviour import Behaviour
from encoders.config import FitConfig
from encoders.errors import EncoderMismatch
from encoders.item_encoder import ItemEncoder, fit_item_encoder
from encoders.joined import ContentSpace, ModalityVectors, blended_contents
from encoders.unit import unit_rows
from encoders.whitening import Whitening

GOLDEN = Path(__file__).parent / "golden" / "item_encoder_v1.json"
DIM, ITEMS = 12, 400
RNG = np.random.default_rng(0)
SPACE = ContentSpace(
    {"text": Whitening.projection(20, DIM, "text"), "image": Whitening.projection(24, DIM, "image")},
    {"text": 1.0, "image": 1.0},
)
KEYS = np.arange(1, ITEMS + 1, dtype=np.uint64)


def random_units(count: int = ITEMS, dim: int = DIM) -> np.ndarray:
    return unit_rows(RNG.standard_normal((count, dim)).astype(np.float32))


TEXT, IMAGE = random_units(), random_units()
TARGET = unit_rows(TEXT @ random_units(DIM) + 0.5 * IMAGE @ random_units(DIM))
ALL = np.ones(ITEMS, np.bool_)


def fitted(has_text: np.ndarray = ALL, has_image: np.ndarray = ALL) -> ItemEncoder:
    rows = SPACE.rows(
        {"text": ModalityVectors(TEXT, has_text), "image": ModalityVectors(IMAGE, has_image)}, ITEMS
    )
    behaviour = Behaviour(TARGET, np.full(ITEMS, 20.0, np.float32))
    return fit_item_encoder(KEYS, behaviour, rows, has_text | has_image, SPACE, FitConfig())


def test_a_row_has_what_is_there_and_says_so() -> None:
    """Zeros for what is absent, unit length over what is there, one bit a modality behind it."""
    has_text, has_image = np.array([1, 1, 0, 0], np.bool_), np.array([1, 0, 1, 0], np.bool_)
    contents = {
        "text": ModalityVectors(TEXT[:4], has_text),
        "image": ModalityVectors(IMAGE[:4], has_image),
    }
    rows = SPACE.rows(contents, 4)
    assert rows.shape == (4, SPACE.width) == (4, 2 * DIM + 2)
    np.testing.assert_allclose(np.linalg.norm(rows[:, : 2 * DIM], axis=1), [1, 1, 1, 0], atol=1e-6)
    np.testing.assert_array_equal(rows[:, -2:], np.stack([has_text, has_image], 1))
    np.testing.assert_allclose(rows[1, :DIM], TEXT[1], atol=1e-6)
    assert not rows[2, :DIM].any()
    assert [SPACE.pattern_of(int(code)) for code in SPACE.pattern_codes(rows)] == [
        ("text", "image"),
        ("text",),
        ("image",),
        (),
    ]
    np.testing.assert_allclose(
        SPACE.masked(rows[:1], ("image",)), SPACE.rows({"image": contents["image"]}, 4)[:1], atol=1e-6
    )


def test_without_a_map_a_text_alone_keeps_its_vector_bit_by_bit() -> None:
    """Pictures beside it change the vectors of the items that have one, and no other."""
    has_image = np.arange(ITEMS) % 2 == 0
    contents = {"text": ModalityVectors(TEXT, ALL), "image": ModalityVectors(IMAGE, has_image)}
    vectors = blended_contents(contents, {"text": 1.0, "image": 1.0}, DIM)
    np.testing.assert_array_equal(vectors[1::2], TEXT[1::2])
    assert np.abs(vectors[::2] - TEXT[::2]).max() > 0.1
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_without_a_map_pictures_are_as_near_to_each_other_as_they_were() -> None:
    """Their turn keeps their cosines, and leads away from the texts."""
    alone = {"text": ModalityVectors(TEXT, ~ALL), "image": ModalityVectors(IMAGE, ALL)}
    vectors = blended_contents(alone, {"text": 1.0, "image": 2.0}, DIM)
    np.testing.assert_allclose(vectors @ vectors.T, IMAGE @ IMAGE.T, atol=1e-4)
    assert abs(float(np.einsum("nd,nd->n", vectors, IMAGE).mean())) < 0.3


def test_the_map_knows_what_each_pattern_is_worth() -> None:
    """Text says most here, an image less, both together the most; each is held out, and near what is found on new items."""
    encoder = fitted()
    assert encoder.joined is not None
    cosines = encoder.joined.cosines
    assert cosines[("text", "image")] > cosines[("text",)] > cosines[("image",)] + 0.1 > 0.3
    assert cosines[("text", "image")] > 0.9


def test_an_image_alone_is_trusted_as_far_as_images_were() -> None:
    """The cosine of such an item's vector to the map's is the held-out cosine of its pattern."""
    encoder = fitted()
    assert encoder.joined is not None
    assert encoder.ridge is not None
    image = SPACE.rows({"image": ModalityVectors(IMAGE[:1], ALL[:1])}, 1)
    many = np.repeat(image, 2000, axis=0)
    keys = np.arange(10_000, 12_000, dtype=np.uint64)
    vectors = encoder.vectors(keys, many, np.ones(2000, np.bool_))
    near = vectors @ encoder.ridge.map(image)[0]
    assert abs(float(near.mean()) - encoder.joined.cosines[("image",)]) < 0.1


def test_shuffled_images_are_worth_nothing() -> None:
    """Of pictures that have nothing to do with their items the held-out cosine is about 0."""
    rows = SPACE.rows({"image": ModalityVectors(random_units(), ALL)}, ITEMS)
    behaviour = Behaviour(random_units(), np.full(ITEMS, 20.0, np.float32))
    encoder = fit_item_encoder(KEYS, behaviour, rows, ALL, SPACE, FitConfig())
    assert encoder.joined is not None
    assert abs(encoder.joined.cosines[("image",)]) < 0.1


def test_equal_texts_are_held_out_together() -> None:
    """Items that share a text but not their pictures don't flatter the map: their behaviour is by text, at random."""
    texts = np.repeat(random_units(20), 20, axis=0)
    target = np.repeat(random_units(20), 20, axis=0)
    rows = SPACE.rows({"text": ModalityVectors(texts, ALL), "image": ModalityVectors(IMAGE, ALL)}, ITEMS)
    behaviour = Behaviour(target, np.full(ITEMS, 20.0, np.float32))
    encoder = fit_item_encoder(KEYS, behaviour, rows, ALL, SPACE, FitConfig())
    assert encoder.joined is not None
    assert encoder.joined.cosines[("text",)] < 0.5


def test_typed_texts_are_mapped_as_items_with_a_text_alone() -> None:
    """What a user types has no picture."""
    encoder = fitted()
    assert encoder.ridge is not None
    rows = SPACE.rows({"text": ModalityVectors(TEXT[:5], ALL[:5])}, 5)
    np.testing.assert_array_equal(encoder.texts(TEXT[:5]), encoder.ridge.map(rows))


def test_a_folder_of_format_2_comes_back_as_it_was(tmp_path: Path) -> None:
    """Same fingerprint, same vectors, same trust; what is changed in it is noticed."""
    encoder = fitted(has_image=np.arange(ITEMS) % 3 > 0)
    encoder.save(tmp_path / "e")
    again = ItemEncoder.load(tmp_path / "e")
    assert json.loads((tmp_path / "e" / "item_encoder.json").read_text())["version"] == 2
    assert again.fingerprint == encoder.fingerprint
    rows = SPACE.rows({"image": ModalityVectors(IMAGE, ALL)}, ITEMS)
    new = KEYS + np.uint64(10**6)
    np.testing.assert_array_equal(again.vectors(new, rows, ALL), encoder.vectors(new, rows, ALL))
    assert again.joined is not None
    assert encoder.joined is not None
    assert again.joined.cosines == encoder.joined.cosines
    other = replace(encoder.joined, cosines={**encoder.joined.cosines, ("image",): 0.9})
    assert replace(encoder, joined=other).fingerprint != encoder.fingerprint


def test_content_of_texts_alone_is_refused_by_an_encoder_of_several() -> None:
    """It names the settings that differ."""
    with pytest.raises(EncoderMismatch, match=r"takes content of text and image"):
        fitted().vectors(KEYS + np.uint64(9**9), TEXT, ALL)


def test_a_folder_of_format_1_loads_as_text_only_with_its_vectors(tmp_path: Path) -> None:
    """What an earlier release wrote: same fingerprint, and of the same texts the same vectors to the last bit or two."""
    golden = json.loads(GOLDEN.read_text())
    (tmp_path / "item_encoder.json").write_text(golden["item_encoder.json"])
    (tmp_path / "item_encoder.safetensors").write_bytes(base64.b64decode(golden["item_encoder.safetensors"]))
    encoder = ItemEncoder.load(tmp_path)
    assert encoder.joined is None
    assert encoder.space is not None
    assert encoder.space.modalities == ("text",)

    def array(name: str) -> np.ndarray:
        return np.frombuffer(base64.b64decode(golden[name]), "<f4").reshape(-1, encoder.dim)

    keys = np.array(golden["keys"], np.uint64)
    vectors = encoder.vectors(keys, array("content"), np.ones(len(keys), np.bool_))
    np.testing.assert_array_max_ulp(vectors, array("vectors"), 8)
    np.testing.assert_array_max_ulp(encoder.texts(array("content")[:2]), array("texts"), 8)
    encoder.save(tmp_path / "again")
    written = json.loads((tmp_path / "again" / "item_encoder.json").read_text())
    assert written == json.loads(golden["item_encoder.json"])
