"""Loading tokenizer and weights; the only place that chooses device and precision."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.config import EncoderConfig
from encoders.device import torch_device
from encoders.errors import EncoderConfigError, MissingPackage
from encoders.folder import model_settings
from encoders.packaged import PACKAGED_NAMES, check_packaged
from encoders.precision import Precision

if TYPE_CHECKING:
    import torch

# Measured with the packaged model on two AVX-512 cores: 1024-2048 tokens a pass are the fastest (9.3k
# tokens/s, against 7.0k at 16k, which leaves the caches), and a pass costs about 48 tokens by itself.
_CPU_TOKENS, _CPU_PADDING = 2048, 48
# A card is bound by launches until a pass is large.
_CUDA_TOKENS, _CUDA_PADDING = 65_536, 8192


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """What `TextEncoder` works with once torch is in."""

    tokenizer: Any
    model: Any
    device: "torch.device"
    dtype: "torch.dtype"
    pad_id: int
    tokens_per_batch: int
    padding_tokens: int


def load_text_model(folder: Path, config: EncoderConfig, precision: Precision) -> LoadedModel:
    """Loads from `folder` alone, without network; `precision` is what that of `config` became.

    Raises:
        EncoderConfigError: model, device or length can't be used, or the packaged model is another one than this release's;
            says what to change.
        MissingPackage: transformers or torch is not installed.
    """
    try:
        from transformers import AutoModel, AutoTokenizer
    except ModuleNotFoundError as error:
        raise MissingPackage(f"encoding text needs {error.name}: pip install 'driftline[run]'") from error

    if config.model in PACKAGED_NAMES:
        check_packaged(folder)
    device = torch_device(config.device, "encoder.device")
    import torch

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    if model_settings(folder).get("is_encoder_decoder"):
        raise EncoderConfigError(
            f"encoder.model {config.model!r} is an encoder-decoder; use an encoder such as the packaged one"
        )
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(
                str(folder), local_files_only=True, use_fast=True, trust_remote_code=False
            )
            model, report = AutoModel.from_pretrained(
                str(folder),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=dtype,
                output_loading_info=True,
            )
    except Exception as error:  # transformers, tokenizers and safetensors each raise their own
        raise EncoderConfigError(
            f"encoder.model {config.model!r} can't be loaded ({type(error).__name__}: {error}); the folder "
            "needs config.json, a fast tokenizer (tokenizer.json) and safetensors weights that fit together"
        ) from error
    # transformers fills missing weights with random ones and only warns; the pooler is not used here.
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing or report["mismatched_keys"]:
        raise EncoderConfigError(
            f"encoder.model {config.model!r}: the weights lack {missing[0] if missing else 'layers'} and "
            f"{max(len(missing) - 1, 0)} more of what config.json describes; copy the model again"
        )
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise EncoderConfigError(
            f"encoder.model {config.model!r} has no fast tokenizer; save one with "
            "AutoTokenizer.from_pretrained(...).save_pretrained(folder)"
        )
    positions = getattr(model.config, "max_position_embeddings", None) or tokenizer.model_max_length
    limit = min(int(positions), int(tokenizer.model_max_length))
    if config.max_length > limit:
        raise EncoderConfigError(
            f"encoder.max_length {config.max_length} > {limit}, the most that {config.model!r} takes"
        )
    words, rows = backend.get_vocab_size(), getattr(model.config, "vocab_size", None)
    if rows is not None and words > rows:
        raise EncoderConfigError(
            f"encoder.model {config.model!r}: its tokenizer knows {words} words, its weights {rows}; the files are "
            "of different models, copy them again"
        )
    backend.no_padding()
    backend.enable_truncation(config.max_length)
    on_card = device.type == "cuda"
    return LoadedModel(
        tokenizer=backend,
        model=model.to(device).eval(),
        device=device,
        dtype=dtype,
        pad_id=tokenizer.pad_token_id or 0,
        tokens_per_batch=config.tokens_per_batch or (_CUDA_TOKENS if on_card else _CPU_TOKENS),
        padding_tokens=_CUDA_PADDING if on_card else _CPU_PADDING,
    )


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keeps transformers' progress bar and loading report off the terminal; errors still raise."""
    from transformers.utils import logging

    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
