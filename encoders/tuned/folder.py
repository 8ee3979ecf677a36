"""A tuned encoder in a folder: words.json, head.safetensors, and an adapter or all weights; written whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import xxhash
from pydantic import ValidationError

from encoders.errors import EncoderError, EncoderMismatch
from encoders.learned_from import LearnedFrom
from encoders.tuned.adapter import ADAPTER, WEIGHTS, Adaptation, adapted
from encoders.tuned.base_model import BaseFiles, base_files, is_packaged, load_base
from encoders.tuned.config import WordsConfig
from encoders.tuned.models import BiEncoder, CrossEncoder
from encoders.tuned.tower import TextTower, passes_in_bf16

FORMAT, VERSION = "driftline-words", 1
META, HEAD = "words.json", "head.safetensors"
DECISIVE = ("method", "latest", "title_chars", "max_length", "alpha")
"""Settings that change what the model says."""


@dataclass(frozen=True, slots=True)
class WordsAbout:
    """What a folder says of its model, without loading it."""

    base: str
    """name or path of the base"""
    base_fingerprint: str
    cross: bool
    config: WordsConfig
    learned: LearnedFrom | None
    """which events it was tuned on, validation included"""
    report: Mapping[str, Any]
    """for people, and the threshold of pairs: figures of validation"""
    fingerprint: str
    """changes with everything that changes what the model says"""


@dataclass(frozen=True, slots=True, eq=False)
class TunedWords:
    """A tuned model and what there is to say of it, before it is saved."""

    model: BiEncoder | CrossEncoder
    adaptation: Adaptation
    base: BaseFiles
    config: WordsConfig
    learned: LearnedFrom
    report: dict[str, Any]


def save_words(folder: Path, tuned: TunedWords) -> str:
    """Write the model; gives its fingerprint.

    Raises:
        EncoderError: the folder holds something else, or can't be written.
    """
    from safetensors.torch import save

    check_words_folder(folder)
    base = tuned.base
    meta = {
        "format": FORMAT,
        "version": VERSION,
        "base": base.name if is_packaged(base.name) else str(base.folder.resolve()),
        "base_fingerprint": base.fingerprint,
        "cross": isinstance(tuned.model, CrossEncoder),
        "config": tuned.config.model_dump(mode="json"),
        "learned": tuned.learned.as_dict(),
        "report": tuned.report,
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
            fresh, before = Path(temporary) / "words", Path(temporary) / "before"
            fresh.mkdir(0o750)
            tuned.adaptation.save(fresh)
            head = {name: value.detach().cpu().contiguous() for name, value in tuned.model.head().items()}
            (fresh / HEAD).write_bytes(save(head))
            meta["fingerprint"] = _fingerprint(fresh, meta)
            (fresh / META).write_text(json.dumps(meta, indent=1, ensure_ascii=False) + "\n", "utf-8")
            try:
                if folder.exists():
                    folder.rename(before)
                fresh.replace(folder)
            except BaseException:
                if before.exists() and not folder.exists():
                    before.rename(folder)
                raise
            shutil.rmtree(before, ignore_errors=True)
    except OSError as error:
        raise EncoderError(f"can't write {folder}: {error.strerror or error}") from error
    return str(meta["fingerprint"])


def check_words_folder(folder: Path) -> None:
    """Refuse, before the work, to put a tuned encoder in the place of something else.

    Raises:
        EncoderError: the folder holds something, and it is no tuned encoder.
    """
    if folder.exists() and not (folder / META).is_file() and any(folder.iterdir()):
        raise EncoderError(f"{folder} holds something other than a tuned encoder; choose another folder")


def about_words(folder: Path) -> WordsAbout:
    """What the folder says of itself.

    Raises:
        EncoderMismatch: a newer release wrote it.
        EncoderError: there is no tuned encoder, or it is damaged.
    """
    try:
        meta = json.loads((folder / META).read_text("utf-8"))
    except FileNotFoundError:
        raise EncoderError(
            f"{folder} holds no tuned encoder: no {META} there; `driftline tune-encoder` makes one"
        ) from None
    except (OSError, ValueError) as error:
        raise EncoderError(f"{folder / META} can't be read: {error}") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise EncoderError(f"{folder / META} is of another format; name what `driftline tune-encoder` wrote")
    if meta.get("version") != VERSION:
        raise EncoderMismatch(
            f"{folder} has format version {meta.get('version')!r}, this program reads {VERSION}; tune the encoder again"
        )
    try:
        about = WordsAbout(
            base=str(meta["base"]),
            base_fingerprint=str(meta["base_fingerprint"]),
            cross=bool(meta["cross"]),
            config=WordsConfig.model_validate(meta["config"]),
            learned=LearnedFrom.of(meta["learned"]),
            report=dict(meta["report"]),
            fingerprint=_fingerprint(folder, meta),
        )
    except (KeyError, TypeError, ValueError, ValidationError, OSError) as error:
        raise EncoderError(
            f"{folder} can't be read ({type(error).__name__}); tune the encoder again"
        ) from error
    if about.fingerprint != meta.get("fingerprint"):
        raise EncoderError(
            f"{folder} is damaged: its fingerprint doesn't match its files; tune the encoder again"
        )
    return about


def load_words(folder: Path, base: str | None = None, device: str = "cpu") -> BiEncoder | CrossEncoder:
    """The model with its adapter merged in. base: where its base is now, if not where it was.

    Raises:
        EncoderMismatch: the base is another one than the model was tuned on.
        EncoderError: the folder can't be used.
    """
    about = about_words(folder)
    files = base_files(base or about.base)
    if files.fingerprint != about.base_fingerprint:
        raise EncoderMismatch(
            f"{folder} was tuned on another base than {files.name!r} is now ({about.base_fingerprint[:12]} there, "
            f"{files.fingerprint[:12]} here); name the right one, or tune the encoder again"
        )
    loaded = load_base(files)
    merged = replace(loaded, network=adapted(loaded.network, folder, about.config.method))
    tower = TextTower(merged, about.config.max_length, passes_in_bf16(about.config.precision, device))
    model: BiEncoder | CrossEncoder = CrossEncoder(tower) if about.cross else BiEncoder(tower)
    _load_head(folder, model)
    return model.to(device).eval()


def _load_head(folder: Path, model: BiEncoder | CrossEncoder) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(folder / HEAD)
        with torch.no_grad():
            for name, value in model.head().items():
                value.copy_(tensors[name])
    except (OSError, KeyError, RuntimeError, SafetensorError) as error:
        raise EncoderError(
            f"{folder / HEAD} can't be used ({type(error).__name__}); tune the encoder again"
        ) from error


def _fingerprint(folder: Path, meta: Mapping[str, Any]) -> str:
    """`words-1-` and 16 hex digits."""
    decisive = [meta["version"], meta["base_fingerprint"], meta["cross"]]
    decisive += [meta["config"][name] for name in DECISIVE]
    digest = xxhash.xxh3_64(json.dumps(decisive).encode())
    for path in sorted([folder / HEAD, folder / WEIGHTS, *(folder / ADAPTER).glob("*")]):
        if path.is_file():
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return f"words-{meta['version']}-{digest.hexdigest()}"
