"""Text to raw vectors by a Hugging Face encoder."""

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import xxhash

from encoders.arrays import F32, I64
from encoders.batching import length_buckets, plan_batches
from encoders.config import EncoderConfig
from encoders.device import encoder_threads
from encoders.errors import EncoderConfigError, EncoderError
from encoders.folder import files_fingerprint, hidden_width, model_folder
from encoders.loading import LoadedModel, load_text_model
from encoders.precision import MARKS, PrecisionChoice
from encoders.prepare import prepare_text
from encoders.progress import OnProgress

_FORMAT = "text-1"


class TextEncoder:
    """An encoder through transformers: mean or CLS pooling, then unit length.

    Construction finds the model's folder and nothing more; torch is imported and the weights are loaded at
    the first `encode`. `fingerprint` and `raw_dim` read files only. Thread-safe: tokenising runs in parallel,
    the model takes one call at a time (its own threads use the cores).

    Raises:
        EncoderConfigError: there is no such model.
    """

    costly: Literal[True] = True

    def __init__(self, config: EncoderConfig) -> None:
        self._config = config
        self._folder = model_folder(config)
        self._buckets = length_buckets(config.max_length)
        self._lock = threading.Lock()
        self._loaded: LoadedModel | None = None
        self._choice = PrecisionChoice(config.precision, config.device)
        self.truncated = 0
        """Distinct texts of a call, summed over calls, that were cut at `max_chars` or `max_length`."""
        self.shapes: set[int] = set()
        """Padded lengths used so far; never more than the buckets."""

    @property
    def fingerprint(self) -> str:
        """Hash over model files, pooling, lengths and precision: of `auto`, what it became."""
        return self._fingerprint_in(self._choice.mark)

    @property
    def precision(self) -> str:
        """fp32, bf16 or fp16."""
        return self._choice.precision

    def adopt(self, fingerprint: str) -> None:
        """Go on with vectors of this model that have the fingerprint, in their precision; others change nothing.

        Raises:
            WhiteningMismatch: they are of this model in another precision than is set, or in use already.
        """
        with self._lock:
            for mark in MARKS:
                if self._fingerprint_in(mark) == fingerprint:
                    self._choice.adopt(mark)
                    return

    def _fingerprint_in(self, mark: str) -> str:
        config = self._config
        parts = (
            _FORMAT,
            self.files,
            config.pooling,
            str(config.max_length),
            str(config.max_chars),
            mark,
        )
        return xxhash.xxh3_128_hexdigest("\n".join(parts).encode())

    @cached_property
    def files(self) -> str:
        """Hash over the model's files."""
        return files_fingerprint(self._folder)

    @cached_property
    def raw_dim(self) -> int:
        """Width of the model's last layer."""
        return hidden_width(self._folder)

    def encode(self, texts: Sequence[str], progress: OnProgress | None = None) -> F32:
        """Texts (N) to (N, raw_dim) float32 unit rows, in the order of the input; equal texts once.

        A text without any token (only for tokenizers without special tokens) gets zeros.

        Raises:
            EncoderConfigError: model or device can't be used (at the first call).
            EncoderError: the model gave a value that is not finite.
        """
        if not texts:
            return np.zeros((0, self.raw_dim), dtype=np.float32)
        place: dict[str, int] = {}
        max_chars = self._config.max_chars
        prepared = [prepare_text(text, max_chars) for text in texts]
        rows = np.fromiter(
            (place.setdefault(text, len(place)) for text in prepared), dtype=np.int64, count=len(prepared)
        )
        # A text cut by characters counts as truncated even where few tokens are left of it.
        cut = {text for text, whole in zip(prepared, texts, strict=True) if len(whole.strip()) > max_chars}
        vectors = self._encode_distinct(list(place), cut, progress)
        return vectors if len(place) == len(prepared) else vectors[rows]

    def encode_ids(self, ids: Sequence[Sequence[int]]) -> F32:
        """Texts (N) as ids of the tokenizer, special ones included and none empty, to (N, raw_dim) float32 unit rows.

        Raises:
            EncoderError: the model can't be used, or gave a value that is not finite.
        """
        lengths = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
        return self._vectors_of(self._require(), [list(one) for one in ids], lengths, None)

    def load(self) -> None:
        """Loads tokenizer and weights now, so that a daemon finds a wrong model at start.

        Raises:
            EncoderConfigError: model or device can't be used; says what to change.
        """
        with self._lock:
            if self._loaded is None:
                self._loaded = load_text_model(self._folder, self._config, self._choice.precision)

    @property
    def tokenizer(self) -> Any:
        """That of the `tokenizers` library; loads the model."""
        return self._require().tokenizer

    @property
    def device(self) -> str:
        """Device and precision in use; loads the model."""
        loaded = self._require()
        return f"{loaded.device} {str(loaded.dtype).removeprefix('torch.')}"

    def _require(self) -> LoadedModel:
        if self._loaded is None:
            self.load()
        assert self._loaded is not None
        return self._loaded

    def _encode_distinct(self, texts: list[str], cut: set[str], progress: OnProgress | None) -> F32:
        loaded = self._require()
        encodings = loaded.tokenizer.encode_batch_fast(texts)
        lengths = np.fromiter((len(encoding) for encoding in encodings), dtype=np.int64, count=len(texts))
        truncated = sum(
            1 for text, encoding in zip(texts, encodings, strict=True) if encoding.overflowing or text in cut
        )
        with self._lock:
            self.truncated += truncated
        return self._vectors_of(loaded, [encoding.ids for encoding in encodings], lengths, progress)

    def _vectors_of(
        self, loaded: LoadedModel, ids: list[list[int]], lengths: I64, progress: OnProgress | None
    ) -> F32:
        vectors = np.zeros((len(ids), self.raw_dim), dtype=np.float32)
        present = np.flatnonzero(lengths)
        with self._lock, encoder_threads(self._config.threads):
            done = len(ids) - len(present)
            for batch in plan_batches(
                lengths[present], self._buckets, loaded.tokens_per_batch, loaded.padding_tokens
            ):
                rows = present[batch.rows]
                self.shapes.add(batch.length)
                vectors[rows] = self._forward(loaded, [ids[row] for row in rows], lengths[rows], batch.length)
                done += len(rows)
                if progress is not None:
                    progress(done)
        if not np.isfinite(vectors).all():
            raise EncoderError(
                f"encoder.model {self._config.model!r} gave values that are not finite; "
                "set encoder.precision = 'fp32'"
            )
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, norms, out=vectors, where=norms > 0)
        return vectors

    def _forward(self, loaded: LoadedModel, ids: list[list[int]], lengths: I64, width: int) -> F32:
        import torch

        mask = np.arange(width) < lengths[:, None]
        tokens = np.full(mask.shape, loaded.pad_id, dtype=np.int64)
        tokens[mask] = np.fromiter(
            (token for row in ids for token in row), dtype=np.int64, count=int(lengths.sum())
        )
        with torch.inference_mode():
            attention = torch.from_numpy(mask.astype(np.int64)).to(loaded.device)
            hidden = loaded.model(
                input_ids=torch.from_numpy(tokens).to(loaded.device), attention_mask=attention
            ).last_hidden_state.float()
            if self._config.pooling == "cls":
                pooled = hidden[:, 0]
            else:
                weight = attention.to(hidden.dtype)
                pooled = torch.einsum("rld,rl->rd", hidden, weight) / weight.sum(dim=1, keepdim=True)
            result: F32 = pooled.cpu().numpy()
        if result.shape[1] != self.raw_dim:
            raise EncoderConfigError(
                f"encoder.model: config.json says {self.raw_dim} dimensions, the model gives "
                f"{result.shape[1]}; copy the model again"
            )
        return result
