"""Tables of word pieces, distilled from an encoder."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from encoders import static
from encoders.config import EncoderConfig
from encoders.content import ContentEncoder
from encoders.distil import distil
from encoders.errors import EncoderConfigError
from encoders.folder import model_folder
from encoders.static import StaticEncoder
from encoders.text import TextEncoder
from support.data.title_triples import GERMAN
from support.fakes.tiny_model import save_tiny_model

KEPT_WORDS = 1200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged model with the real weights of its special pieces, letters and most frequent words only: quick to distil."""
    source, folder = model_folder(EncoderConfig()), tmp_path_factory.mktemp("english")
    tokenizer = json.loads((source / "tokenizer.json").read_text("utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    words = [word for word, rank in sorted(vocabulary.items(), key=lambda pair: pair[1]) if word.isascii()]
    common = [word for word in words if len(word) > 1 and not word.startswith(("##", "["))][:KEPT_WORDS]
    wanted = {
        *common,
        *["grapes", "fruit", "milk", "bread", "cheese", "engine", "oil", "motor", "brake", "wine"],
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
    }
    wanted |= {word for word in words if len(word.removeprefix("##")) == 1}
    kept = [word for word in words if word in wanted]
    tokenizer["model"]["vocab"] = {word: place for place, word in enumerate(kept)}
    places = {word: place for place, word in enumerate(kept)}
    tokenizer["added_tokens"] = [
        {**token, "id": places[token["content"]]}
        for token in tokenizer["added_tokens"]
        if token["content"] in places
    ]
    for special, about in tokenizer["post_processor"].get("special_tokens", {}).items():
        about["ids"] = [places[special]]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
    weights = load_file(source / "model.safetensors")
    name = "embeddings.word_embeddings.weight"
    weights[name] = weights[name][[vocabulary[word] for word in kept]]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((source / "config.json").read_text("utf-8")) | {"vocab_size": len(kept)}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return folder


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the table of `english` is kept."""
    return tmp_path_factory.mktemp("tables")


def configured(source: Path, cache: Path, **changes: object) -> EncoderConfig:
    settings = {"model": f"static:{source}", "dim": 16, "max_length": 32, "disk_cache": cache, **changes}
    return EncoderConfig.model_validate(settings)


def test_a_table_of_the_packaged_model_knows_what_is_alike(english: Path, tables: Path) -> None:
    """Related titles lie near each other as with the model itself, which isn't loaded any more once the table is there."""
    encoder = StaticEncoder(configured(english, tables))
    titles = ["red grapes", "green fruit", "motor oil", "engine and brake", "milk bread", "cheese"]
    table, model = (
        encoder.encode(titles),
        TextEncoder(EncoderConfig(model=str(english), precision="fp32")).encode(titles),
    )
    assert table.shape == (6, 256)
    for near, far in ((1, 2), (1, 3)):
        assert table[0] @ table[near] > table[0] @ table[far] + 0.1
        assert model[0] @ model[near] > model[0] @ model[far]
    assert table[4] @ table[5] > table[4] @ table[3]
    again = StaticEncoder(configured(english, tables))
    np.testing.assert_array_equal(again.encode(titles), table)
    assert again._source._loaded is None and again.fingerprint == encoder.fingerprint


def test_the_map_into_behaviour_is_nearly_as_good_as_the_models(english: Path, tables: Path) -> None:
    """On items whose behaviour follows the words of their titles, the held-out cosine is .95 of the model's at least."""
    from encoders.ridge import fit_ridge

    words = [
        word for word in StaticEncoder(configured(english, tables))._require()[0].get_vocab() if len(word) > 4
    ][:300]
    rng = np.random.default_rng(5)
    meaning = TextEncoder(EncoderConfig(model=str(english), precision="fp32", device="cpu"))
    kinds = meaning.encode(words)[:, :64]
    chosen = rng.integers(len(words), size=(400, 3))
    titles = [" ".join(words[word] for word in row) for row in chosen.tolist()]
    behaviour = kinds[chosen].sum(axis=1) + 0.3 * rng.standard_normal((400, 64)) * kinds.std()
    behaviour = (behaviour / np.linalg.norm(behaviour, axis=1, keepdims=True)).astype(np.float32)
    found = {}
    for config in (
        configured(english, tables, dim=128),
        EncoderConfig(model=str(english), disk_cache_mb=0),
    ):
        _, content = ContentEncoder(config).fit_encode(titles)
        found[config.model] = fit_ridge(content, behaviour, np.ones(400, np.float32)).cosine
    table, model = found.values()
    print(f"held-out cosine: table {table:.3f}, model {model:.3f}")
    assert table >= 0.95 * model > 0.3


def test_the_fingerprint_follows_the_source_and_the_lengths(folder: Path, tmp_path: Path) -> None:
    """Equal files give one table wherever they lie; other weights, pooling or lengths are another encoder."""
    base = StaticEncoder(configured(folder, tmp_path)).fingerprint
    same = save_tiny_model(tmp_path / "same")
    assert StaticEncoder(configured(same, tmp_path)).fingerprint == base
    others = {
        StaticEncoder(configured(save_tiny_model(tmp_path / "other", seed=8), tmp_path)).fingerprint,
        StaticEncoder(configured(folder, tmp_path, pooling="cls")).fingerprint,
        StaticEncoder(configured(folder, tmp_path, max_length=16)).fingerprint,
        TextEncoder(EncoderConfig(model=str(folder))).fingerprint,
    }
    assert len(others | {base}) == 5
    assert StaticEncoder(configured(folder, tmp_path, precision="bf16")).fingerprint == base


def test_unknown_pieces_say_nothing_and_long_texts_are_cut(folder: Path, tmp_path: Path) -> None:
    """A text of unknown pieces alone has zeros; beyond max_length nothing counts, and each cut text is counted once."""
    encoder = StaticEncoder(configured(folder, tmp_path))
    unknown, known, mixed = encoder.encode(["红酒", "red", "red 红酒"])
    assert not unknown.any()
    np.testing.assert_allclose(known, mixed, atol=1e-6)
    first, second = encoder.encode(["red " * 32 + "oil", "red " * 32 + "bread"])
    np.testing.assert_array_equal(first, second)
    assert encoder.truncated == 2


def test_a_damaged_table_is_made_again(folder: Path, tmp_path: Path) -> None:
    """A byte that changed on disk never reaches a vector."""
    expected = StaticEncoder(configured(folder, tmp_path)).encode(["red oil"])
    (path,) = (tmp_path / "static").glob("*.safetensors")
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    np.testing.assert_array_equal(StaticEncoder(configured(folder, tmp_path)).encode(["red oil"]), expected)
    assert path.read_bytes() != data


def test_whoever_comes_second_waits_for_the_table(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started together, on one machine, it is distilled once; what a killed one began to write is gone."""
    made = []
    monkeypatch.setattr(static, "distil", lambda source: made.append(1) or distil(source))
    encoders = [StaticEncoder(configured(folder, tmp_path)) for _ in range(3)]
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / f".{encoders[0]._table_fingerprint}.safetensors.dead").write_bytes(b"half a ta")
    with ThreadPoolExecutor(3) as pool:
        tables = list(pool.map(lambda encoder: encoder.encode(["red oil", "milk"]), encoders))
    assert made == [1]
    np.testing.assert_array_equal(tables[0], tables[1])
    np.testing.assert_array_equal(tables[0], tables[2])
    (path,) = (tmp_path / "static").glob("*[!k]")
    assert path.suffix == ".safetensors" and path.stat().st_mode & 0o077 == 0


def test_without_a_place_to_keep_it_the_table_is_made_each_time(folder: Path, tmp_path: Path) -> None:
    """A folder that can't be made costs seconds at start and nothing else."""
    (tmp_path / "file").write_text("in the way")
    assert StaticEncoder(configured(folder, tmp_path / "file" / "x")).encode(["red oil"]).any()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("static:multilingual", "use 'multilingual'"),
        ("static:", "static:minilm or static:FOLDER"),
        ("static:static:minilm", "static:minilm or static:FOLDER"),
        ("static:nowhere/at/all", "nowhere/at/all"),
    ],
)
def test_what_no_table_is_made_of_is_refused_with_a_way_out(model: str, said: str) -> None:
    """Found at start, before a text is encoded."""
    with pytest.raises(EncoderConfigError, match=said):
        ContentEncoder(EncoderConfig(model=model))


@pytest.mark.long
def test_the_table_of_the_whole_packaged_model(tmp_path: Path) -> None:
    """With its 30,522 pieces: near what is alike, in English; German it knows no better than the model does."""
    encoder = StaticEncoder(EncoderConfig(model="static:minilm", disk_cache=tmp_path))
    grapes, fruit, oil = encoder.encode(["red grapes", "green grapes fruit", "motor oil"])
    assert grapes @ fruit > grapes @ oil + 0.3
    assert encoder.encode([title for triple in GERMAN for title in triple]).any(axis=1).all()
