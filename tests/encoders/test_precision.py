"""encoder.precision = "auto": the fastest of the machine, and never two precisions in one store."""

from pathlib import Path

import numpy as np
import pytest

from encoders import precision
from encoders.behaviour import Behaviour
from encoders.config import EncoderConfig, FitConfig
from encoders.content import ContentEncoder
from encoders.errors import WhiteningMismatch
from encoders.item_encoder import ItemEncoder, fit_item_encoder
from encoders.joined import ContentSpace
from encoders.precision import automatic_precision, has_amx
from encoders.text import TextEncoder
from encoders.vectorizer import ItemVectorizer
from support.fakes.tiny_model import save_tiny_model

SAPPHIRE_RAPIDS = "processor : 0\nflags\t\t: fpu avx512f avx512_bf16 amx_bf16 amx_tile amx_int8\n"
ICE_LAKE = "processor : 0\nflags\t\t: fpu avx512f avx512_vnni\n"
ZEN_4 = "processor : 0\nflags\t\t: fpu avx512f avx512_bf16\n"
CATALOGUE = [
    f"{colour} {thing} {n}" for colour in ("red", "green") for thing in ("oil", "milk") for n in range(8)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


def configured(folder: Path, **changes: object) -> EncoderConfig:
    settings = {"model": str(folder), "max_length": 32, "dim": 16, "device": "cpu", **changes}
    return EncoderConfig.model_validate(settings)


def on(monkeypatch: pytest.MonkeyPatch, cpuinfo: str) -> None:
    """As on a machine with this processor."""
    monkeypatch.setattr(precision, "_cpuinfo", lambda: cpuinfo)


@pytest.mark.parametrize(
    ("cpuinfo", "found"), [(SAPPHIRE_RAPIDS, "bf16"), (ICE_LAKE, "fp32"), (ZEN_4, "fp32"), ("", "fp32")]
)
def test_auto_is_the_fastest_of_the_processor(
    monkeypatch: pytest.MonkeyPatch, cpuinfo: str, found: str
) -> None:
    """bf16 where AMX makes it faster than fp32; nowhere else, also where the processor could."""
    on(monkeypatch, cpuinfo)
    assert automatic_precision("cpu") == found
    assert has_amx(cpuinfo) == (found == "bf16")


def test_the_model_runs_in_what_auto_became(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Fingerprint, weights and report agree."""
    on(monkeypatch, SAPPHIRE_RAPIDS)
    fast = TextEncoder(configured(folder))
    assert fast.device == "cpu bfloat16" and fast.precision == "bf16"
    assert fast.fingerprint == TextEncoder(configured(folder, precision="bf16")).fingerprint
    on(monkeypatch, ICE_LAKE)
    plain = TextEncoder(configured(folder))
    assert plain.device == "cpu float32" and plain.precision == "fp32"
    assert plain.fingerprint != fast.fingerprint


def test_the_packaged_model_in_fp32_is_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores of the time when auto was fp32 on every CPU, and the model had another name, go on."""
    on(monkeypatch, ICE_LAKE)
    names = ("minilm", "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")
    found = {TextEncoder(EncoderConfig(model=name, device="cpu")).fingerprint for name in names}
    assert found == {"678f379144a26c180ae98a211126e616"}


@pytest.mark.parametrize("made_with", ["auto", "fp32"])
def test_auto_goes_on_with_a_store_of_fp32(
    monkeypatch: pytest.MonkeyPatch, folder: Path, made_with: str
) -> None:
    """A store made on a processor without AMX keeps its precision on one that has it: the vectors are the same."""
    on(monkeypatch, ICE_LAKE)
    before = ContentEncoder(configured(folder, precision=made_with))
    whitening = before.fit(CATALOGUE)
    on(monkeypatch, SAPPHIRE_RAPIDS)
    after = ContentEncoder(configured(folder), whitening)
    assert isinstance(after.encoder, TextEncoder) and after.encoder.precision == "fp32"
    assert after.fingerprint == before.fingerprint
    assert after.content_fingerprint("red oil") == before.content_fingerprint("red oil")
    np.testing.assert_allclose(after.encode(CATALOGUE), before.encode(CATALOGUE), atol=1e-5)


def test_auto_goes_on_with_a_store_of_bf16(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A worker without AMX joins a store that was made with it, in bf16."""
    on(monkeypatch, SAPPHIRE_RAPIDS)
    before = ContentEncoder(configured(folder))
    whitening = before.fit(CATALOGUE)
    on(monkeypatch, ICE_LAKE)
    after = ContentEncoder(configured(folder), whitening)
    assert isinstance(after.encoder, TextEncoder) and after.encoder.device == "cpu bfloat16"
    assert after.fingerprint == before.fingerprint


def test_another_precision_on_purpose_is_refused_by_name(folder: Path) -> None:
    """fp32 and bf16 never share a store in silence; the error gives the setting."""
    whitening = ContentEncoder(configured(folder, precision="bf16")).fit(CATALOGUE)
    with pytest.raises(WhiteningMismatch, match=r"set encoder\.precision = 'bf16', or 'auto'"):
        ContentEncoder(configured(folder, precision="fp32"), whitening)


def test_a_process_that_has_begun_stays_with_its_precision(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """Vectors that were made already are not followed by others of another precision."""
    whitening = ContentEncoder(configured(folder, precision="fp32")).fit(CATALOGUE)
    on(monkeypatch, SAPPHIRE_RAPIDS)
    begun = ContentEncoder(configured(folder))
    begun.encode(["red oil"])
    with pytest.raises(WhiteningMismatch, match=r"begun with bf16; set encoder\.precision = 'fp32'"):
        begun.use(whitening)


def test_fp32_may_be_said_of_a_store_that_auto_made(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """What auto chose may be written down later."""
    on(monkeypatch, ICE_LAKE)
    before = ContentEncoder(configured(folder))
    whitening = before.fit(CATALOGUE)
    assert ContentEncoder(configured(folder, precision="fp32"), whitening).fingerprint == before.fingerprint


def test_a_fitted_item_encoder_decides_too(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    """Texts beside an item encoder that was fitted in fp32 are encoded in fp32, wherever it is used."""
    on(monkeypatch, ICE_LAKE)
    content = ContentEncoder(configured(folder))
    texts = [f"{text} {n}" for text in CATALOGUE for n in ("red", "oil")]
    whitening, vectors = content.fit_encode(texts)
    keys = np.arange(1, len(texts) + 1, dtype=np.uint64)
    behaviour = Behaviour(vectors=np.roll(vectors, 1, axis=1), counts=np.ones(len(texts), np.float32))
    fit_item_encoder(
        keys, behaviour, vectors, np.ones(len(texts), np.bool_), ContentSpace.of_text(whitening), FitConfig()
    ).save(tmp_path / "encoder")
    on(monkeypatch, SAPPHIRE_RAPIDS)
    again = ContentEncoder(configured(folder))
    fitted = ItemEncoder.load(tmp_path / "encoder")
    assert fitted.ridge is not None
    found = ItemVectorizer(again, fitted).texts(texts)
    assert isinstance(again.encoder, TextEncoder) and again.encoder.precision == "fp32"
    np.testing.assert_allclose(found, fitted.texts(vectors), atol=1e-5)
