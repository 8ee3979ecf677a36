"""What an evaluation is of, as plain values: two are the same where these are."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from streams.learning.evaluation.plan import Plan
from streams.learning.history import History
from streams.learning.split import Split

FORMAT = 1
SETTINGS = ("interest", "counts", "fit", "train", "encoder", "words", "serving", "transfer")
"""Sections that methods read."""
OF_NO_ACCOUNT = ("threads", "device", "probes")
"""Settings that change how fast a figure comes, or what users are asked who have not acted, and no figure."""


def head_of(history: History, split: Split, plan: Plan) -> dict[str, Any]:
    """The log, the split, what is asked, and the settings; methods and seeds may grow.

    `history` is a hash of the events as read, so that another description of the same log counts as another; so do other texts
    or scenarios of the items.
    """
    setup, settings = plan.setup, plan.setup.settings
    return {
        "format": FORMAT,
        "log": history.identity,
        "events": len(history),
        "history": _hash(
            history.user, history.item, history.time, history.scenario, history.action, history.item_scenario
        ),
        "texts": _hash(*history.item_texts),
        **_of_media(history),
        "split": split.name,
        "train": len(split.train),
        "validation": len(split.validation),
        "test": len(split.test),
        "rows": _hash(split.train, split.validation, split.test),
        "tasks": list(plan.tasks),
        "sample": plan.sample,
        "dormant_s": plan.dormant_s,
        "cold_items": plan.cold_items,
        "max_seconds": setup.max_seconds,
        "model": _of_folder(setup.model),
        "encoder": _of_folder(setup.encoder),
        "words": _of_folder(setup.words),
        **{
            f"{section}.{name}": value
            for section in SETTINGS
            for name, value in getattr(settings, section).model_dump(mode="json").items()
            if name not in OF_NO_ACCOUNT
        },
    }


def _of_media(history: History) -> dict[str, Any]:
    """What items' pictures and sounds are called, or hold; of histories that have any."""
    if history.media is None:
        return {}
    named = [one for each in history.media.values() for one in each]
    return {"media": _hash(*("" if one is None else one.text or one.data for one in named))}


def _of_folder(folder: Path | None) -> str | None:
    """A hash of what a folder holds."""
    if folder is None:
        return None
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return _hash(*(part for path in files for part in (path.name, path.read_bytes())))


def _hash(*parts: np.ndarray | str | bytes) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        held = (
            part.encode()
            if isinstance(part, str)
            else part
            if isinstance(part, bytes)
            else np.ascontiguousarray(part).tobytes()
        )
        digest.update(len(held).to_bytes(8, "little"))
        digest.update(held)
    return digest.hexdigest()
