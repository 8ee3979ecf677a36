"""Mel spectrograms as the packaged sound model was trained on them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from encoders.arrays import F32

if TYPE_CHECKING:
    import torch

RATE_HZ: Final = 44_100
_FRAME: Final = 2048
_HOP: Final = 1024
_BANDS: Final = 96
BLOCK_FRAMES: Final = 100
"""Frames that the model sees at a time: 2.3 seconds"""
BLOCK_SAMPLES: Final = _FRAME + (BLOCK_FRAMES - 1) * _HOP
_LARGEST: Final = 9.457798957824707
"""Largest value of the training set; aisfx.preprocessing."""


def mel_blocks(blocks: F32) -> torch.Tensor:
    """(B, BLOCK_SAMPLES) float32 samples at RATE_HZ to (B, BLOCK_FRAMES, 96) float32, about 0 to 1.

    log10(1 + 10,000 x) of the power in triangular bands on HTK's mel scale, each band's weights of sum 1 (Essentia's
    MelBands, "unit_sum", over a Hann window), divided by the largest value of the model's training set.
    """
    import torch

    frames = torch.from_numpy(blocks).unfold(1, _FRAME, _HOP)
    spectrum = torch.fft.rfft(frames * torch.hann_window(_FRAME, periodic=False))
    power = spectrum.real**2 + spectrum.imag**2
    bands = power @ torch.from_numpy(_bands())
    return torch.log10(1.0 + 1e4 * bands) / _LARGEST


@lru_cache(maxsize=1)
def _bands() -> F32:
    """(1025, 96) float32 weights of each frequency in each band."""
    mel = 1127.0 * np.log1p(np.arange(_FRAME // 2 + 1) * RATE_HZ / _FRAME / 700.0)
    edges = np.linspace(0.0, mel[-1], _BANDS + 2)
    rising = (mel[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mel[:, None]) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0.0, np.minimum(rising, falling))
    total = weights.sum(axis=0)
    return np.asarray(np.divide(weights, total, out=np.zeros_like(weights), where=total > 0), np.float32)
