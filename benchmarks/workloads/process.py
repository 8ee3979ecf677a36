"""Each run in a process of its own: no run inherits another's heap, caches or threads."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

Answer = TypeVar("Answer")


def in_own_process(call: Callable[..., Answer], *arguments: Any) -> Answer:
    """Call in a fresh interpreter and return what it returned; an exception there is raised here."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(call, *arguments).result()
