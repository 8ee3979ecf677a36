"""Text to raw vectors by a Hugging Face encoder."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import numpy as np
import xxhash

from encoders.arrays import F32, I64
from encoders.batching import length_buckets, plan_batches
from encoders.config import EncoderConfig
from encoders.errors import EncoderConfigError, EncoderError
from encoders.folder import files_fingerprint, hidden_width, model_folder
from encoders.loading import LoadedModel, load_text_model
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

    def __init__(self, config: EncoderConfig) -> None:
        self._config = config
        self._folder = model_folder(config)
        self._buckets = length_buckets(config.max_length)
        self._lock = threading.Lock()
        self._loaded: LoadedModel | None = None
        self.truncated = 0
        """Distinct texts of a call, summed over calls, that were cut at `max_chars` or `max_length`."""
        self.shapes: set[int] = set()
        """Padded lengths used so far; never more than the buckets."""

    @cached_property
    def fingerprint(self) -> str:
        """Hex over model files, pooling, lengths and the configured precision.

        `auto` is a precision of its own here: vectors from a CPU (fp32) and a card (bf16) differ by rounding
        and may share a store.
        """
        config = self._config
        parts = (
            _FORMAT,
            files_fingerprint(self._folder),
            config.pooling,
            str(config.max_length),
            str(config.max_chars),
            config.precision,
        )
        return xxhash.xxh3_128_hexdigest("\n".join(parts).encode())

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

    def load(self) -> None:
        """Loads tokenizer and weights now, so that a daemon finds a wrong model at start.

        Raises:
            EncoderConfigError: model or device can't be used; says what to change.
        """
        with self._lock:
            if self._loaded is None:
                self._loaded = load_text_model(self._folder, self._config)

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
        vectors = np.zeros((len(texts), self.raw_dim), dtype=np.float32)
        present = np.flatnonzero(lengths)
        with self._lock, _threads(self._config.threads):
            self.truncated += truncated
            done = len(texts) - len(present)
            for batch in plan_batches(
                lengths[present], self._buckets, loaded.tokens_per_batch, loaded.padding_tokens
            ):
                rows = present[batch.rows]
                self.shapes.add(batch.length)
                vectors[rows] = self._forward(
                    loaded, [encodings[row].ids for row in rows], lengths[rows], batch.length
                )
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


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Within it this thread's work in torch takes so many threads; 0: one less than it would take, at least one."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or max(1, before - 1))
    try:
        yield
    finally:
        torch.set_num_threads(before)
