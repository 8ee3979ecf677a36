"""Which transfer model the settings name, and whether it is the one that a store's vectors were made by."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import numpy as np

from encoders.item_encoder import ItemEncoder
from encoders.vector_cache import ItemVectorCache
from sinks.errors import StoreMismatch
from sinks.point_stores import ItemStore
from sinks.protocols import BlobStore
from sinks.version_protocols import VersionStore
from sinks.versions import Version
from streams.errors import MissingExtra
from streams.workspace.item_encoder import stored_encoder
from transfer.analytic.model import AnalyticTransfer
from transfer.arrays import F32, I64, U64
from transfer.config import InterestConfig, TransferConfig
from transfer.errors import ModelError
from transfer.names import NameLookup
from transfer.protocols import ActionReader, ItemReader, ItemTower, TransferModel


def load_transfer_model(interest: InterestConfig, config: TransferConfig) -> TransferModel:
    """The trained model of `transfer.model`, or the analytic one.

    Raises:
        ModelError: the folder holds none, or one for states of other settings.
        MissingExtra: a trained model is named, and torch is not installed.
    """
    if config.model is None:
        return AnalyticTransfer(interest, config)
    # It brings torch, which the analytic model does without.
    try:
        from transfer.learned import folder
        from transfer.learned.int8 import in_8_bits
    except ModuleNotFoundError as error:
        raise MissingExtra(f"a trained model needs {error.name}: pip install 'driftline[learned]'") from error

    model = folder.load_model(config.model.expanduser())
    if model.interest.fingerprint() != interest.fingerprint():
        raise ModelError(
            f"the model in {config.model} was trained on states with half-lives {model.interest.half_lives_s} and dim "
            f"{model.interest.dim}, the settings [interest] say {interest.half_lives_s} and {interest.dim} (or "
            "other weights of actions); train it with these settings, or set them as they were"
        )
    model = in_8_bits(model) if config.int8 else model
    model.threads = config.threads
    model.read_states_of(interest)
    return model


def reading(model: TransferModel, interest: InterestConfig, config: TransferConfig) -> TransferModel:
    """The model for states of these settings, whose actions may be more than those it was loaded for.

    Raises:
        ModelError: an action has another weight than in training.
    """
    if isinstance(model, AnalyticTransfer):
        return AnalyticTransfer(interest, config)
    if isinstance(model, ActionReader):
        model.read_states_of(interest)
    return model


def bind_items(
    model: TransferModel,
    items: ItemStore,
    memory: ItemVectorCache | None = None,
    now: Callable[[], float] = time.time,
    names: NameLookup | None = None,
) -> None:
    """Let a model that reads items find those that its training has not seen: in memory, else in the store; and names of
    scenarios, by `streams.workspace.scenario_names.name_lookup`."""
    if not isinstance(model, ItemReader):
        return
    dim = model.interest.dim

    def lookup(keys: U64) -> tuple[F32, I64]:
        vectors = np.zeros((len(keys), dim), np.float32)
        known = np.zeros(len(keys), np.bool_)
        if memory is not None:
            vectors, known = memory.get(keys, now())
        missing = np.flatnonzero(~known)
        for row, record in zip(
            missing.tolist(), items.read(keys[missing].tolist(), with_vectors=True), strict=True
        ):
            if record is not None and record.vector is not None:
                vectors[row] = record.vector
        return vectors, np.zeros(len(keys), np.int64)

    model.bind(lookup, names)


def version_of(model: TransferModel, config: TransferConfig) -> Version:
    """The version of a store that this model makes; its name follows from the model.

    >>> version_of(AnalyticTransfer(InterestConfig()), TransferConfig()).name[:11]
    'analytic-1-'
    """
    return Version(
        name=re.sub(r"[^A-Za-z0-9._-]", "-", model.fingerprint)[:100],
        model=model.fingerprint,
        tower=isinstance(model, ItemTower),
        settings=config.weights_json() if config.model is None else "",
    )


def searched_vectors(model: TransferModel, keys: U64, base: F32) -> F32 | None:
    """What items are searched by, keys (N,) and base vectors (N, D) to (N, D); None where that is the base itself."""
    return model.item_vectors(keys, base) if isinstance(model, ItemTower) else None


def require_model(versions: VersionStore, wanted: Version, location: str) -> None:
    """Refuse a model that did not make the store's vectors.

    Raises:
        StoreMismatch: says which did, and both ways out.
    """
    there = versions.opened
    if there.model == wanted.model or (not there.model and not wanted.tower):
        return
    made_by = f"the model {there.model}" if there.model else "the analytic model"
    raise StoreMismatch(
        f"the vectors in the store {location} were made by {made_by}, the settings name {wanted.model}; set [transfer] as "
        "it was, or run `driftline rebuild MODEL` (a folder, or `analytic`) to make them again"
    )


def require_encoder(blobs: BlobStore, config: TransferConfig, location: str) -> None:
    """Refuse a trained model for other base vectors than the store's.

    Raises:
        StoreMismatch: it was trained with another item encoder.
    """
    if config.model is None:
        return
    from transfer.learned.folder import encoder_of

    trained, in_store = encoder_of(config.model.expanduser()), stored_encoder(blobs)
    if trained and trained != in_store:
        there = f"with the item encoder {in_store[:12]}" if in_store else "without a fitted item encoder"
        raise StoreMismatch(
            f"the model in {config.model} was trained on vectors of the item encoder {trained[:12]}, the store {location} "
            f"was made {there}; replay the log into a new store with encoder.fitted set, or train the model again"
        )


def require_encoder_of_settings(config: TransferConfig, fitted: ItemEncoder | None) -> None:
    """Refuse a trained model for other base vectors than those that the settings give, whatever the store.

    Raises:
        ModelError: it was trained with another item encoder.
    """
    if config.model is None:
        return
    from transfer.learned.folder import encoder_of

    trained = encoder_of(config.model.expanduser())
    if trained and trained != ("" if fitted is None else fitted.fingerprint):
        given = "the settings name none" if fitted is None else f"the settings name {fitted.fingerprint[:12]}"
        raise ModelError(
            f"the model in {config.model} was trained on vectors of the item encoder {trained[:12]}, {given}; set "
            "encoder.fitted to its folder, or train the model again"
        )


def settings_for_reading(versions: VersionStore, config: TransferConfig, location: str) -> TransferConfig:
    """The analytic model's weights that the store was made with, whatever the settings say now.

    Raises:
        StoreMismatch: a trained model made it, and the settings name none.
    """
    there = versions.opened
    if config.model is not None or not there.model:
        return config
    if not there.settings:
        raise StoreMismatch(
            f"the vectors in the store {location} were made by the trained model {there.model}; set transfer.model to its "
            "folder"
        )
    return TransferConfig.model_validate_json(there.settings)
