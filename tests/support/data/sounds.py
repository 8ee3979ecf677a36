"""Seven kinds of sound made by formula, each one another time."""

from __future__ import annotations

from typing import Any

import numpy as np

RATE = 44_100
KINDS = ("tone", "chord", "sweep", "noise", "clicks", "beats", "rumble")


def synthetic(kind: str, rng: np.random.Generator, seconds: float = 2.5) -> np.ndarray[Any, Any]:
    """(T,) float32: pitch, tempo, loudness and phase are drawn from `rng`, the kind is not."""
    time = np.arange(int(seconds * RATE)) / RATE
    pitch = rng.uniform(300, 900)
    if kind == "tone":
        wave = np.sin(2 * np.pi * pitch * time + rng.uniform(0, 6))
    elif kind == "chord":
        wave = sum(np.sin(2 * np.pi * pitch * ratio * time) for ratio in (1, 1.25, 1.5, 2, 3)) / 5
    elif kind == "sweep":
        end = pitch * rng.uniform(6, 12)
        wave = np.sin(2 * np.pi * (pitch * time + (end - pitch) * time**2 / (2 * seconds)))
    elif kind == "noise":
        wave = rng.normal(0, 0.5, len(time))
    elif kind == "clicks":
        wave = np.zeros(len(time))
        wave[:: int(RATE / rng.uniform(8, 16))] = 1
        wave = np.convolve(wave, np.exp(-np.arange(200) / 30), "same")
    elif kind == "beats":
        tempo = rng.uniform(2, 4)
        wave = np.sin(2 * np.pi * 80 * time) * np.exp(-((time * tempo) % 1) * 8)
    else:
        wave = np.cumsum(rng.normal(0, 1, len(time)))
        wave -= np.convolve(wave, np.ones(4000) / 4000, "same")
        wave /= np.abs(wave).max()
    noisy = wave + rng.normal(0, 0.003, len(time))
    return np.asarray(noisy * rng.uniform(0.2, 0.7), np.float32)
