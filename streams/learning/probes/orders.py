"""Simple orders of items to ask about, as they are known; `greedy` is compared with them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transfer.arrays import F64, I64, U64

ORDERS = ("most liked", "popularity", "entropy", "random")


def simple_orders(
    known: I64, likes: I64, users: int, keys: U64, rng: np.random.Generator
) -> Mapping[str, I64]:
    """Columns of M items by name of the order, the first to be asked first; ties by item key.

    *popularity*: what most users know; *most liked*: what most like; *entropy*: the answers that are spread most over like,
    dislike and not known, where not known counts half (Entropy0: Rashid, Karypis and Riedl, SIGKDD Explorations 2008);
    *random*: any order.
    """
    by_key = np.argsort(keys)

    def falling(value: F64 | I64) -> I64:
        found: I64 = by_key[np.argsort(-value[by_key], kind="stable")]
        return found

    return {
        "most liked": falling(likes),
        "popularity": falling(known),
        "entropy": falling(_entropy(known / max(users, 1), likes / max(users, 1))),
        "random": by_key[rng.permutation(len(by_key))],
    }


def _entropy(known: F64, likes: F64) -> F64:
    """(M,) in nats; shares of the users."""
    shares = np.stack([1 - known, known - likes, likes])
    weights = np.array([0.5, 1.0, 1.0])[:, None]
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    found: F64 = -(weights * shares * logs).sum(axis=0) / weights.sum()
    return found
