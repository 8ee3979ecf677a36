"""A trained model in a folder: model.json and model.safetensors; written whole or not at all, no pickle."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from transfer.config import InterestConfig
from transfer.counts.config import CountsConfig
from transfer.errors import ModelError
from transfer.learned.config import NetworkConfig
from transfer.learned.mixture import DeclaredPowers, Mixture, MixtureConfig
from transfer.learned.model import LearnedModel, TrainedItems
from transfer.learned.network import TransferNetwork
from transfer.names import NameSource

VERSION = 3
READ = (2, 3)
"""Versions that can be read; those of 2 have one temperature of *new*."""
ONE_TEMPERATURE = (-1e9, 0.0)
"""Log weights of the uniform distribution and of the softmax itself."""
META, TENSORS = "model.json", "model.safetensors"


def save_model(
    folder: Path,
    model: LearnedModel,
    counts: CountsConfig,
    report: Mapping[str, Any],
    encoder: str = "",
    beside: Callable[[Path], object] | None = None,
) -> str:
    """Write the model; gives its fingerprint.

    counts: settings of the counts that the mixture was fitted on. encoder: fingerprint of the item encoder whose base
    vectors it was trained on. report: anything for people, as JSON: data, seed, metrics. beside: writes more into the
    folder that it is given, before the folder takes its place.

    Raises:
        ModelError: the folder exists and is no model.
    """
    check_model_folder(folder)
    names = sorted(model.names)
    tensors = {f"network.{name}": value for name, value in model.network.state_dict().items()}
    if model.mixture is not None:
        tensors |= {f"mixture.{name}": value for name, value in model.mixture.state_dict().items()}
    tensors["items.keys"] = torch.from_numpy(model.items.keys.view(np.int64).copy())
    tensors["items.vectors"] = torch.from_numpy(model.items.vectors.astype(np.float16))
    tensors["items.ids"] = torch.from_numpy(model.items.ids.astype(np.int32))
    table = np.array([model.names[name] for name in names], np.float32).reshape(
        len(names), model.interest.dim
    )
    tensors["names.vectors"] = torch.from_numpy(table)
    meta = {
        "version": VERSION,
        "network": model.config.model_dump(mode="json"),
        "mixture": _mixture_meta(model.mixture.config) if model.mixture is not None else None,
        "interest": model.interest.model_dump(mode="json"),
        "tables": counts.model_dump(mode="json"),  # the name that stored models have
        "encoder": encoder,
        "names": names,
        "name_source": asdict(model.name_source),
        "report": dict(report),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        fresh = Path(temporary) / "model"
        fresh.mkdir(0o750)
        # Not save_file, which gives its file to the owner alone: a daemon often runs as another user of the group.
        (fresh / TENSORS).write_bytes(save({name: value.contiguous() for name, value in tensors.items()}))
        (fresh / META).write_text(json.dumps(meta, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        if beside is not None:
            beside(fresh)
        before = Path(temporary) / "before"
        try:
            if folder.exists():
                folder.rename(before)
            fresh.replace(folder)
        except BaseException:
            if before.exists() and not folder.exists():
                before.rename(folder)
            raise
        shutil.rmtree(before, ignore_errors=True)
    return fingerprint_of(folder)


def check_model_folder(folder: Path) -> None:
    """Refuse, before the work, to put a model in the place of something else.

    Raises:
        ModelError: the folder holds something, and it is no model.
    """
    if folder.exists() and not (folder / META).is_file() and any(folder.iterdir()):
        raise ModelError(f"{folder} holds something other than a model; choose another folder")


def fingerprint_of(folder: Path) -> str:
    """`learned-3-` and 16 hex digits over everything that changes answers (not the report); 3 is the folder's version."""
    meta = _meta(folder)
    decisive = {
        key: meta[key] for key in ("version", "network", "mixture", "interest", "tables", "encoder", "names")
    }
    if _name_source(meta).words:
        decisive["name_source"] = meta["name_source"]
    digest = xxhash.xxh3_64(json.dumps(decisive, sort_keys=True).encode())
    digest.update((folder / TENSORS).read_bytes())
    return f"learned-{meta['version']}-{digest.hexdigest()}"


def load_model(folder: Path | str) -> LearnedModel:
    """Read a model that `save_model` wrote.

    Raises:
        ModelError: there is none, it is damaged, or a newer release wrote it.
    """
    folder = Path(folder)
    meta = _meta(folder)
    try:
        tensors = load_file(folder / TENSORS)
        config = NetworkConfig.model_validate(meta["network"])
        network = TransferNetwork(config, len(tensors["network.ids.weight"]) - 1)
        network.load_state_dict(_under(tensors, "network."))
        mixture = None if meta["mixture"] is None else _mixture(meta, _under(tensors, "mixture."))
        items = TrainedItems(
            keys=tensors["items.keys"].numpy().view(np.uint64),
            vectors=tensors["items.vectors"].numpy().astype(np.float32),
            ids=tensors["items.ids"].numpy().astype(np.int64),
        )
        names = dict(zip(meta["names"], tensors["names.vectors"].numpy(), strict=True))
        interest = InterestConfig.model_validate(meta["interest"])
        source = _name_source(meta)
    except (
        KeyError,
        ValueError,
        TypeError,
        RuntimeError,
        SafetensorError,
        ValidationError,
        OSError,
    ) as error:
        raise ModelError(
            f"the model in {folder} can't be read ({type(error).__name__}); train it again"
        ) from error
    return LearnedModel(network, mixture, interest, items, names, fingerprint_of(folder), name_source=source)


def counts_config_of(folder: Path | str) -> CountsConfig:
    """Settings of the counts that the model's mixture was fitted on."""
    return CountsConfig.model_validate(_meta(Path(folder))["tables"])


def report_of(folder: Path | str) -> dict[str, Any]:
    """What training wrote down for people."""
    report: dict[str, Any] = _meta(Path(folder))["report"]
    return report


def encoder_of(folder: Path | str) -> str:
    """Fingerprint of the item encoder that the model was trained with, "" for none."""
    return str(_meta(Path(folder))["encoder"])


def _meta(folder: Path) -> dict[str, Any]:
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder} holds no model: no {META} there; `driftline train` makes one") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / META} can't be read: {error}") from error
    if not isinstance(meta, dict) or meta.get("version") not in READ:
        raise ModelError(f"the model in {folder} is of another version than {VERSION}; train it again")
    return meta


def _mixture_meta(config: MixtureConfig) -> dict[str, Any]:
    """As releases have it that know nothing of declared interests, unless these have a power."""
    without = {"declared"} if config.declared == DeclaredPowers() else set()
    return config.model_dump(mode="json", exclude=without)


def _name_source(meta: Mapping[str, Any]) -> NameSource:
    """Of models without the entry: made before names had words."""
    return NameSource(**meta.get("name_source", {}))


def _mixture(meta: Mapping[str, Any], tensors: dict[str, torch.Tensor]) -> Mixture:
    config = meta["mixture"]
    if meta["version"] == 2:
        config = config | {"rungs": 1, "heads": [1]}
        last = max(int(name.split(".")[1]) for name in tensors if name.startswith("gate."))
        for name in (f"gate.{last}.weight", f"gate.{last}.bias"):
            of_rungs = tensors[name].new_zeros((len(ONE_TEMPERATURE), *tensors[name].shape[1:]))
            tensors[name] = torch.cat([tensors[name], of_rungs])
        tensors["rungs"] = torch.tensor([ONE_TEMPERATURE, ONE_TEMPERATURE])
    mixture = Mixture(MixtureConfig.model_validate(config))
    mixture.load_state_dict(tensors)
    return mixture


def _under(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
