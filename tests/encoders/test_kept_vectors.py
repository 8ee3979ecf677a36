"""Vectors of catalogue texts on disk."""

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xxhash

from encoders.config import EncoderConfig
from encoders.content import ContentEncoder
from encoders.kept_vectors import KeptVectors
from support.fakes.tiny_model import save_tiny_model

MIB = 1 << 20


def digests(*texts: str) -> list[bytes]:
    return [xxhash.xxh3_128_digest(text.encode()) for text in texts]


def vectors(count: int, width: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


def test_what_was_put_is_found_again_by_another_process(tmp_path: Path) -> None:
    """Bit by bit, in the order asked for; what was not put is not known."""
    put = vectors(3)
    KeptVectors(tmp_path, "f", 4, MIB).put(digests("a", "b", "c"), put)
    found, known = KeptVectors(tmp_path, "f", 4, MIB).get(digests("c", "x", "a"))
    np.testing.assert_array_equal(found, [put[2], np.zeros(4), put[0]])
    assert known.tolist() == [True, False, True]
    assert not KeptVectors(tmp_path, "other", 4, MIB).get(digests("a"))[1].any()


def test_the_folder_is_the_owners_alone(tmp_path: Path) -> None:
    """A catalogue may be nobody else's business."""
    KeptVectors(tmp_path / "new", "f", 4, MIB).put(digests("a"), vectors(1))
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_many_texts_and_threads_are_no_trouble(tmp_path: Path) -> None:
    """Thousands of digests a call, from several threads with a connection each way."""
    names = digests(*(f"item {n}" for n in range(3000)))
    put = vectors(3000)
    stores = [KeptVectors(tmp_path, "f", 4, MIB) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda store: store.put(names, put), stores))
        for found, known in pool.map(lambda store: store.get(names), stores):
            np.testing.assert_array_equal(found, put)
            assert known.all()


def test_the_bound_takes_other_models_first_then_the_older_half(tmp_path: Path) -> None:
    """The folder stays about as large as it may be, and the latest vectors are there."""
    width = 256
    for number, name in enumerate(("old", "newer")):
        store = KeptVectors(tmp_path, name, width, MIB)
        store.put(digests(*(f"{name}{n}" for n in range(400))), vectors(400, width))
        store.close()
        os.utime(tmp_path / f"{name}.vectors", (number, number))
    mine = KeptVectors(tmp_path, "mine", width, MIB)
    for part in range(20):
        mine.put(digests(*(f"{part} {n}" for n in range(100))), vectors(100, width, part))
    assert not (tmp_path / "old.vectors").exists()
    found, known = mine.get(digests(*(f"19 {n}" for n in range(100))))
    assert known.all() and (found == vectors(100, width, 19)).all()
    assert not mine.get(digests("0 0"))[1].any()
    mine.close()
    assert (tmp_path / "mine.vectors").stat().st_size < 1.5 * MIB


def test_a_damaged_file_is_begun_again(tmp_path: Path) -> None:
    """Neither an error nor a wrong vector: what can't be read was never there."""
    (tmp_path / "f.vectors").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    store = KeptVectors(tmp_path, "f", 4, MIB)
    assert not store.get(digests("a"))[1].any()
    store.put(digests("a"), vectors(1))
    assert store.get(digests("a"))[1].all()


def test_a_vector_of_another_width_is_not_taken(tmp_path: Path) -> None:
    """A row that was tampered with counts as unknown."""
    store = KeptVectors(tmp_path, "f", 4, MIB)
    store.put(digests("a"), vectors(1))
    with sqlite3.connect(tmp_path / "f.vectors") as connection:
        connection.execute("UPDATE vectors SET vector = x'00'")
    assert not store.get(digests("a"))[1].any()


def test_without_a_place_to_write_everything_works(tmp_path: Path) -> None:
    """A folder that can't be made keeps nothing and stops nothing."""
    (tmp_path / "file").write_text("in the way")
    store = KeptVectors(tmp_path / "file" / "vectors", "f", 4, MIB)
    store.put(digests("a"), vectors(1))
    assert not store.get(digests("a"))[1].any()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


def configured(folder: Path, cache: Path, **changes: object) -> EncoderConfig:
    settings = {
        "model": str(folder),
        "dim": 16,
        "max_length": 32,
        "device": "cpu",
        "disk_cache": cache,
        **changes,
    }
    return EncoderConfig.model_validate(settings)


def test_a_catalogue_is_encoded_by_the_first_command_only(folder: Path, tmp_path: Path) -> None:
    """Another encoder of the same model takes the vectors from disk, the very same ones; one of another precision does not."""
    texts = [f"red oil {n}" for n in range(50)]
    first = ContentEncoder(configured(folder, tmp_path, precision="fp32"))
    whitening, made = first.fit_encode(texts)
    again = ContentEncoder(configured(folder, tmp_path, precision="fp32"), whitening)
    np.testing.assert_allclose(again.encode(texts, keep=True), made, atol=1e-6)
    assert (first.encoded, again.encoded) == (50, 0)
    half = ContentEncoder(configured(folder, tmp_path, precision="bf16"))
    half.fit_encode(texts)
    assert half.encoded == 50


def test_texts_of_users_are_not_kept(folder: Path, tmp_path: Path) -> None:
    """What people type, and what nobody said is a catalogue's, leaves nothing on disk; nor does a bound of 0."""
    encoder = ContentEncoder(configured(folder, tmp_path))
    encoder.encode(["what is wrong with me"])
    ContentEncoder(configured(folder, tmp_path, disk_cache_mb=0)).fit_encode(["red oil", "milk"])
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from encoders.config import EncoderConfig
from encoders.content import ContentEncoder
config = EncoderConfig(model=sys.argv[1], dim=16, max_length=32, device="cpu", disk_cache=Path(sys.argv[2]))
def killed(done):
    if done >= 2500:
        os.kill(os.getpid(), signal.SIGKILL)
ContentEncoder(config).fit_encode([f"red oil {n}" for n in range(4000)], killed)
"""


def test_a_killed_fit_keeps_what_it_encoded(folder: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle: the next run encodes the rest, and the result is that of a run in peace."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), str(tmp_path)], timeout=120, check=False
    )
    assert done.returncode == -9
    texts = [f"red oil {n}" for n in range(4000)]
    encoder = ContentEncoder(configured(folder, tmp_path))
    _, found = encoder.fit_encode(texts)
    assert encoder.encoded == 4000 - 2048
    _, expected = ContentEncoder(configured(folder, tmp_path, disk_cache_mb=0)).fit_encode(texts)
    assert (found * expected).sum(axis=1).min() > 0.999
