"""Sounds to raw vectors: the packaged aisfx, or a folder of WavLM, Wav2Vec2 or CLAP."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import xxhash

from encoders.arrays import F32, I64
from encoders.decode_audio import decode_audio
from encoders.device import torch_device, torch_dtype
from encoders.errors import EncoderConfigError, MissingPackage
from encoders.folder import model_settings
from encoders.media_config import AISFX, AudioEncoderConfig, MediaConfig
from encoders.media_encoder import MediaEncoder
from encoders.media_network import (
    MediaNetwork,
    load_media_model,
    media_folder,
    media_folder_fingerprint,
    packaged_weights,
    preprocessor_settings,
    transformers_settings,
)
from encoders.mel import BLOCK_SAMPLES, RATE_HZ, mel_blocks

_KEY: Final = "encoder.audio.model"
_FORMAT: Final = "audio-1"
_AISFX_SHA256: Final = "499ea75909c932a2f94c35fa722fa4fabc5bcb7e84917209cc5f7402627b7eb5"
_AISFX_WIDTH: Final = 512
_WINDOW_S: Final = 5.0
"""WavLM and Wav2Vec2 hear so much at a time."""
_BLOCKS: Final = 32
"""Windows that go through a model together."""
_EXTRACTORS: Final = {
    "wavlm": "Wav2Vec2FeatureExtractor",
    "wav2vec2": "Wav2Vec2FeatureExtractor",
    "hubert": "Wav2Vec2FeatureExtractor",
    "clap": "ClapFeatureExtractor",
}
"""`model_type`s that are taken."""


def audio_encoder(config: AudioEncoderConfig, limits: MediaConfig, threads: int = 0) -> MediaEncoder[F32]:
    """The configured encoder; weights are loaded at the first sound.

    Raises:
        EncoderConfigError: there is no such model.
        MissingPackage: the packaged model is not installed.
    """
    network: MediaNetwork[F32]
    if config.model == AISFX:
        network, rate = Aisfx(config), RATE_HZ
    else:
        folder_network = AudioFolder(config)
        network, rate = folder_network, folder_network.rate_hz

    def decode(data: bytes) -> F32:
        return decode_audio(data, rate, config.seconds, limits)

    return MediaEncoder("audio", network, decode, config.batch, limits.max_bytes, threads)


class Aisfx:
    """A network for sound effects; (B, 512), the mean over blocks of 2.3 s.

    Ma & Lerch 2022, "Representation Learning for the Automatic Indexing of Sound Effects Libraries",
    https://doi.org/10.5281/zenodo.7316800; weights CC BY 4.0, by these authors.
    """

    raw_dim = _AISFX_WIDTH

    def __init__(self, config: AudioEncoderConfig) -> None:
        if importlib.util.find_spec("aisfx") is None:
            raise MissingPackage(
                f"{_KEY} {AISFX!r} needs aisfx, without the old versions that it pins: pip install --no-deps aisfx==0.1.2"
            )
        self._config = config
        self._loaded: tuple[Any, Any] | None = None

    @property
    def fingerprint(self) -> str:
        """Of the file that this release knows, and of how much is heard."""
        parts = f"{_FORMAT} {_AISFX_SHA256} {self._config.precision} {self._config.seconds!r}"
        return xxhash.xxh3_128_hexdigest(parts.encode())

    def vectors(self, contents: Sequence[F32]) -> F32:
        """B sounds (T,) float32 at 44.1 kHz to (B, 512) float32."""
        import torch

        model, device = self._loaded or self._load()
        windows, owner = _windows(contents, BLOCK_SAMPLES)
        found = np.zeros((len(windows), self.raw_dim), np.float32)
        with torch.inference_mode():
            for start in range(0, len(windows), _BLOCKS):
                part = _filled(windows[start : start + _BLOCKS])
                mel = mel_blocks(part).to(device, torch_dtype(self._config.precision))
                found[start : start + _BLOCKS] = model(mel).float().cpu().numpy()[: len(windows) - start]
        return _means(found, owner, len(contents))

    def _load(self) -> tuple[Any, Any]:
        from aisfx.models.cnn2d import EmbeddingNet

        spec = importlib.util.find_spec("aisfx.models")
        assert spec is not None
        assert spec.submodule_search_locations
        path = Path(spec.submodule_search_locations[0]) / "checkpoint.pth"
        # The checkpoint holds, beside tensors, numbers of classes as NumPy scalars.
        scalar, kind = np.int64(0).__reduce__()[0], np.dtype
        allowed = [scalar, (scalar, "numpy.core.multiarray.scalar"), kind, type(np.dtype(np.int64))]
        weights, _ = packaged_weights(path, _AISFX_SHA256, "aisfx", allowed)
        device = torch_device(self._config.device, "encoder.audio.device")
        model = EmbeddingNet("max", 3, 1, 64)
        prefix = "embedding_net."
        model.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
        self._loaded = model.to(device, torch_dtype(self._config.precision)).eval(), device
        return self._loaded


class AudioFolder:
    """A model of transformers in a folder of the user's: CLAP gives its projected vector, the others the mean of the last
    layer over what is no padding; both the mean over windows of equal length.

    Raises:
        EncoderConfigError: there is no such folder, or it holds another kind of model.
    """

    def __init__(self, config: AudioEncoderConfig) -> None:
        self._config = config
        self._folder = media_folder(config.model, _KEY)
        self._kind = str(model_settings(self._folder).get("model_type", ""))
        self._loaded: tuple[Any, Any, Any] | None = None
        if self._kind not in _EXTRACTORS:
            raise EncoderConfigError(
                f"{_KEY}: a {self._kind} model; it must be one of {', '.join(_EXTRACTORS)}"
            )
        self._preprocessor = preprocessor_settings(self._folder, _KEY)

    @cached_property
    def fingerprint(self) -> str:
        """Of config, weights, preprocessing, precision and how much is heard."""
        parts = json.dumps(
            [_FORMAT, media_folder_fingerprint(self._folder), self._config.precision, self._config.seconds]
        )
        return xxhash.xxh3_128_hexdigest(parts.encode())

    @property
    def rate_hz(self) -> int:
        """Sampling rate that it was trained on."""
        return int(self._preprocessor.get("sampling_rate", 48_000 if self._kind == "clap" else 16_000))

    @cached_property
    def raw_dim(self) -> int:
        """Columns of the vectors."""
        settings = transformers_settings(self._folder, _KEY, "audio")
        return int(settings.projection_dim if self._kind == "clap" else settings.hidden_size)

    def vectors(self, contents: Sequence[F32]) -> F32:
        """B sounds (T,) float32 at `rate_hz` to (B, raw_dim) float32."""
        import torch

        model, extractor, device = self._loaded or self._load()
        seconds = (
            float(getattr(extractor, "chunk_length_s", _WINDOW_S)) if self._kind == "clap" else _WINDOW_S
        )
        length = int(seconds * self.rate_hz)
        windows, owner = _windows(contents, length)
        heard = np.concatenate([_lengths(len(one), length) for one in contents])
        found = np.zeros((len(windows), self.raw_dim), np.float32)
        forward = self._clap if self._kind == "clap" else self._frames
        with torch.inference_mode():
            for start in range(0, len(windows), _BLOCKS):
                part = slice(start, start + _BLOCKS)
                found[part] = forward(model, extractor, device, windows[part], heard[part])
        return _means(found, owner, len(contents))

    def _clap(self, model: Any, extractor: Any, device: Any, windows: F32, heard: I64) -> F32:
        given = [window[:length] for window, length in zip(windows, heard.tolist(), strict=True)]
        inputs = extractor(given, sampling_rate=self.rate_hz, return_tensors="pt")
        features = inputs["input_features"].to(device, torch_dtype(self._config.precision))
        longer = inputs["is_longer"].to(device) if "is_longer" in inputs else None
        result: F32 = (
            model.get_audio_features(input_features=features, is_longer=longer)
            .pooler_output.float()
            .cpu()
            .numpy()
        )
        return result

    def _frames(self, model: Any, extractor: Any, device: Any, windows: F32, heard: I64) -> F32:
        import torch

        given = [window[:length] for window, length in zip(windows, heard.tolist(), strict=True)]
        inputs = extractor(
            given,
            sampling_rate=self.rate_hz,
            return_tensors="pt",
            padding="max_length",
            max_length=windows.shape[1],
            return_attention_mask=True,
        )
        values = inputs["input_values"].to(device, torch_dtype(self._config.precision))
        mask = inputs["attention_mask"].to(device)
        # Models normalised by group were trained without a mask: silence is as it was then.
        use_mask = mask if self._preprocessor.get("return_attention_mask", False) else None
        hidden = model(input_values=values, attention_mask=use_mask).last_hidden_state.float()
        weight = model._get_feature_vector_attention_mask(hidden.shape[1], mask).to(hidden.dtype)
        pooled = torch.einsum("btd,bt->bd", hidden, weight) / weight.sum(dim=1, keepdim=True).clamp(min=1)
        result: F32 = pooled.cpu().numpy()
        return result

    def _load(self) -> tuple[Any, Any, Any]:
        import transformers

        kind = getattr(transformers, _EXTRACTORS[self._kind])
        try:
            extractor = kind.from_pretrained(str(self._folder), local_files_only=True)
        except Exception as error:  # of transformers, several
            raise EncoderConfigError(f"{_KEY}: preprocessor_config.json can't be used ({error})") from error
        device = torch_device(self._config.device, "encoder.audio.device")
        model = load_media_model(self._folder, _KEY, torch_dtype(self._config.precision)).to(device)
        if self._kind == "clap" and not model.config.audio_config.enable_fusion:
            extractor.truncation = "rand_trunc"  # no window is longer than one, so that nothing is random
        self._loaded = model, extractor, device
        return self._loaded


def _lengths(samples: int, length: int) -> I64:
    """Samples of each window: whole ones, and a last one if half of it is heard, or it is the only one."""
    whole, rest = divmod(samples, length)
    lengths = [length] * whole + ([rest] if not whole or rest >= length / 2 else [])
    return np.array(lengths, np.int64)


def _windows(contents: Sequence[F32], length: int) -> tuple[F32, I64]:
    """(W, length) float32 windows, silence behind the last one's end, and (W,) whose they are."""
    lengths = [_lengths(len(one), length) for one in contents]
    owner = np.repeat(np.arange(len(contents)), [len(each) for each in lengths])
    windows = np.zeros((len(owner), length), np.float32)
    row = 0
    for samples, each in zip(contents, lengths, strict=True):
        for place, count in enumerate(each.tolist()):
            windows[row, :count] = samples[place * length : place * length + count]
            row += 1
    return windows, owner


def _filled(windows: F32) -> F32:
    """Up to `_BLOCKS` rows, or a power of two below, so that there are few shapes."""
    count = len(windows)
    return np.concatenate(
        [windows, np.zeros(((1 << (count - 1).bit_length()) - count, windows.shape[1]), np.float32)]
    )


def _means(found: F32, owner: I64, count: int) -> F32:
    sums = np.zeros((count, found.shape[1]), np.float64)
    np.add.at(sums, owner, found)
    return np.asarray(sums / np.bincount(owner, minlength=count)[:, None], np.float32)
