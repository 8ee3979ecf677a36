"""What 8 bits cost and save: a trained model beside its quantised copy, on the states of a store.

    python benchmarks/int8.py MODEL --store STORE [--users 4096] [--repeats 5]

One JSON line: milliseconds to fuse 1,024 users on one thread (median of interleaved runs), their ratio, and the loss: cosine
of the fused vectors (mean and least), share of the top 10 of all the model's items that are the same, and bytes of the
network's weights.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from sinks.open import open_store
from streams.settings import Settings
from transfer.learned.folder import load_model
from transfer.learned.int8 import in_8_bits
from transfer.learned.model import USERS_AT_A_TIME, LearnedModel
from transfer.state.packing import unpack_states
from transfer.state.states import InterestStates, take_users


def states_of(location: str, model: LearnedModel, users: int) -> InterestStates:
    """The first users of the store, whatever model made their vectors."""
    with open_store(location, Settings.load().store, model.interest.dim, create=False) as store:
        pages = islice(store.users.scan(512), -(-users // 512))
        states = [user.state for page in pages for user in page][:users]
    return unpack_states(states, model.interest)


def top(model: LearnedModel, fused: np.ndarray, k: int = 10) -> np.ndarray:
    """(U, k) rows of the model's items, best first."""
    vectors = model.item_vectors(model.items.keys, model.items.vectors)
    return np.argsort(-(fused @ vectors.T), axis=1, kind="stable")[:, :k]


def weight_bytes(model: LearnedModel) -> int:
    """Of the network without the items' ids, as saved."""
    total = 0
    for name, value in model.network.state_dict().items():
        if isinstance(value, torch.Tensor) and not name.startswith("ids"):
            total += value.numel() * value.element_size()
        elif isinstance(value, tuple):  # a packed matrix and its bias
            total += sum(
                part.numel() * part.element_size() for part in value if isinstance(part, torch.Tensor)
            )
    return total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--store", required=True)
    parser.add_argument("--users", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    exact = load_model(options.model)
    small = in_8_bits(exact)
    states = states_of(options.store, exact, options.users)
    batch = take_users(states, np.arange(min(USERS_AT_A_TIME, states.users)))
    taken: dict[str, list[float]] = {"float32": [], "int8": []}
    for _ in range(options.repeats):
        for name, model in (("float32", exact), ("int8", small)):
            start = time.perf_counter()
            model(batch)
            taken[name].append(1000 * (time.perf_counter() - start) * USERS_AT_A_TIME / batch.users)
    before, after = exact(states).fused, small(states).fused
    cosine = (before * after).sum(axis=1)
    same = [
        len(np.intersect1d(one, other)) / len(one)
        for one, other in zip(top(exact, before), top(small, after), strict=True)
    ]
    medians = {name: float(np.median(values)) for name, values in taken.items()}
    line = {
        "benchmark": "int8",
        "model": exact.fingerprint,
        "users": states.users,
        "ms_per_1024_float32": round(medians["float32"], 2),
        "ms_per_1024_int8": round(medians["int8"], 2),
        "speedup": round(medians["float32"] / medians["int8"], 3),
        "cosine_mean": round(float(cosine.mean()), 5),
        "cosine_least": round(float(cosine.min()), 5),
        "same_of_top_10": round(float(np.mean(same)), 4),
        "weights_bytes": {"float32": weight_bytes(exact), "int8": weight_bytes(small)},
        "torch": torch.__version__,
        "device": platform.processor() or platform.machine(),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
