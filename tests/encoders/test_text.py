"""The text encoder with the packaged model and with small models from folders."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from encoders.batching import length_buckets
from encoders.config import EncoderConfig
from encoders.errors import EncoderError
from encoders.folder import model_folder
from encoders.text import TextEncoder
from support.fakes.tiny_model import save_tiny_model

TEXTS = [
    "red grapes",
    "green grapes, seedless fruit",
    "motor oil 5W-30",
    "BREAD:ITALIAN/FRENCH. BREAD; PASTRY; Private brand",
    "prélavage ぶどう \U0001f347",
    "one " * 40,
]


@pytest.fixture(scope="module")
def packaged() -> TextEncoder:
    return TextEncoder(EncoderConfig(device="cpu", precision="fp32"))


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


def tiny_config(folder: Path, **changes: object) -> EncoderConfig:
    return EncoderConfig.model_validate(
        {"model": str(folder), "max_length": 32, "dim": 16, "device": "cpu", "precision": "fp32", **changes}
    )


def one_by_one(folder: Path, texts: list[str], pooling: str, max_length: int) -> np.ndarray:
    """The plain form: one text at a time through transformers' own tokenizer, nothing padded."""
    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    model = AutoModel.from_pretrained(str(folder), local_files_only=True).eval()
    rows = []
    with torch.inference_mode():
        for text in texts:
            tokens = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
            hidden = model(**tokens).last_hidden_state[0]
            rows.append(hidden[0] if pooling == "cls" else hidden.mean(dim=0))
    return torch.nn.functional.normalize(torch.stack(rows)).numpy()


def test_packaged_model_equals_the_plain_form(packaged: TextEncoder) -> None:
    """Batches, buckets and padding change nothing: the vectors are those of transformers, text by text."""
    expected = one_by_one(model_folder(EncoderConfig()), TEXTS, "mean", 128)
    np.testing.assert_allclose(packaged.encode(TEXTS), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_folder_model_equals_the_plain_form(tiny_folder: Path, pooling: str) -> None:
    """Any encoder in a folder serves, with either pooling and with texts that are cut."""
    encoder = TextEncoder(tiny_config(tiny_folder, pooling=pooling))
    expected = one_by_one(tiny_folder, TEXTS, pooling, 32)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, rtol=0, atol=1e-5)


def test_packaged_model_knows_what_is_alike(packaged: TextEncoder) -> None:
    """Grapes are nearer to other grapes than to motor oil: the real weights are in use."""
    red, green, oil = packaged.encode(["red grapes", "green grapes fruit", "motor oil"])
    assert red @ green > 0.6 > red @ oil + 0.2


def test_packaged_model_runs_in_float32_with_fused_attention(packaged: TextEncoder) -> None:
    """Float32 on request, with scaled-dot-product attention."""
    packaged.load()
    assert packaged.device == "cpu float32"
    assert packaged._loaded is not None
    assert packaged._loaded.model.config._attn_implementation == "sdpa"


def test_encoding_needs_no_more_than_transformers(packaged: TextEncoder) -> None:
    """The package that brings the weights isn't asked to load them, and no CUDA context is made on the way."""
    packaged.load()
    assert not {"sentence_transformers", "torchvision"} & set(sys.modules)
    assert not torch.cuda.is_initialized() or torch.cuda.is_available()


def test_varying_lengths_use_a_bounded_set_of_shapes(tiny_folder: Path) -> None:
    """Many calls with texts of all lengths pad to the buckets only, so memory doesn't follow the lengths."""
    encoder = TextEncoder(tiny_config(tiny_folder))
    rng = np.random.default_rng(5)
    for _ in range(25):
        encoder.encode(["a " * int(length) for length in rng.integers(0, 60, size=20)])
    assert encoder.shapes <= set(length_buckets(32).tolist())
    assert len(encoder.shapes) > 5


def test_small_batches_give_the_same_vectors(tiny_folder: Path) -> None:
    """The bound of tokens decides speed and memory, never the result."""
    texts = [f"bread {'milk ' * (n % 11)}{n}" for n in range(90)]
    few = TextEncoder(tiny_config(tiny_folder, tokens_per_batch=64)).encode(texts)
    many = TextEncoder(tiny_config(tiny_folder, tokens_per_batch=100_000)).encode(texts)
    np.testing.assert_allclose(few, many, rtol=0, atol=1e-5)


def test_cut_texts_are_counted_once_each(tiny_folder: Path) -> None:
    """A text above max_length tokens or max_chars characters is cut and counted; the others are not."""
    encoder = TextEncoder(tiny_config(tiny_folder, max_chars=100))
    encoder.encode(["red grapes", "red " * 31, "red " * 31, "oil" + " " * 200 + "x", "fruit" + " " * 300])
    assert encoder.truncated == 2
    encoder.encode(["red", "b" * 500])
    assert encoder.truncated == 3


def test_text_beyond_the_limit_does_not_matter(tiny_folder: Path) -> None:
    """Two texts that agree up to the limits have one vector."""
    encoder = TextEncoder(tiny_config(tiny_folder, max_chars=50))
    first, second = encoder.encode(["grapes " * 8 + "oil", "grapes " * 8 + "bread"])
    np.testing.assert_array_equal(first, second)


def test_fingerprint_follows_content_not_place(tiny_folder: Path, tmp_path: Path) -> None:
    """The same files elsewhere are the same encoder; other weights, vocabulary, pooling or lengths are another."""
    same = save_tiny_model(tmp_path / "same")
    other = save_tiny_model(tmp_path / "other", seed=8)
    cased = save_tiny_model(tmp_path / "cased")
    vocabulary = json.loads((cased / "tokenizer.json").read_text("utf-8"))
    vocabulary["normalizer"]["lowercase"] = False
    (cased / "tokenizer.json").write_text(json.dumps(vocabulary), "utf-8")
    base = TextEncoder(tiny_config(tiny_folder)).fingerprint
    assert TextEncoder(tiny_config(same)).fingerprint == base
    different = {
        TextEncoder(config).fingerprint
        for config in (
            tiny_config(other),
            tiny_config(cased),
            tiny_config(tiny_folder, pooling="cls"),
            tiny_config(tiny_folder, max_length=16),
            tiny_config(tiny_folder, max_chars=10),
            tiny_config(tiny_folder, precision="bf16"),
        )
    }
    assert len(different) == 6
    assert base not in different


def test_where_and_how_fast_do_not_change_the_fingerprint(tiny_folder: Path) -> None:
    """Device, batch size and caches may differ between workers of one store."""
    base = TextEncoder(tiny_config(tiny_folder)).fingerprint
    for changes in ({"device": "cuda"}, {"tokens_per_batch": 4096}, {"text_cache": 3, "cache_rows": 9}):
        assert TextEncoder(tiny_config(tiny_folder, **changes)).fingerprint == base


def test_half_precision_stays_near_single(tiny_folder: Path) -> None:
    """bf16 on request gives nearly the vectors of fp32."""
    single = TextEncoder(tiny_config(tiny_folder)).encode(TEXTS)
    half = TextEncoder(tiny_config(tiny_folder, precision="bf16")).encode(TEXTS)
    assert (single * half).sum(axis=1).min() > 0.995


def test_values_that_are_not_finite_are_an_error(tmp_path: Path) -> None:
    """A broken model is reported, never stored."""
    from safetensors.numpy import load_file, save_file

    folder = save_tiny_model(tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.LayerNorm.bias"][:] = np.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match="not finite"):
        TextEncoder(tiny_config(folder)).encode(["red"])


@pytest.mark.parametrize(("threads", "taken"), [(0, 3), (2, 2)])
def test_texts_take_the_threads_of_the_settings(tiny_folder: Path, threads: int, taken: int) -> None:
    """One less than torch would take unless they say otherwise; and what else uses torch takes as many as before."""
    encoder = TextEncoder(tiny_config(tiny_folder, threads=threads))
    encoder.load()
    assert encoder._loaded is not None
    found: list[int] = []
    encoder._loaded.model.register_forward_hook(lambda *_: found.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        encoder.encode(TEXTS)
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
    assert found and set(found) == {taken}
