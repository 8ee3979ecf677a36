"""What transfer and fusion cost: milliseconds for a batch of users, the learned model beside the analytic one, on an idle
machine and beside one busy process.

Users have full rings, many own items and ten scenarios each, as after a long history; the network has the sizes of
`driftline train` unless told otherwise, and random weights, which cost the same. Prints one JSON line: medians over rounds in
which the models take turns.

`ms` are those of an idle machine with the threads that ship, `beside_ms` with a busy process beside it. `ratio_to_share`
compares that with the fair share: what an idle machine takes with as many threads as the busy process leaves cores. `spinning`
are the same figures as the libraries come, with a thread a core that spins while it waits. Others on the machine spoil all but
the ratios, and the ratios too if they come and go.

    python benchmarks/fusion.py [--users 1024] [--rounds 20] [--model MODEL] [--int8]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from benchmarks.workloads.neighbour import MOST_RATIO, busy_neighbour, cores, measured, share_left
from transfer.analytic.model import AnalyticTransfer
from transfer.config import InterestConfig, TransferConfig
from transfer.learned.config import NetworkConfig
from transfer.learned.folder import load_model
from transfer.learned.int8 import in_8_bits
from transfer.learned.model import LearnedModel, TrainedItems
from transfer.learned.network import TransferNetwork
from transfer.protocols import TransferModel
from transfer.state.states import InterestStates, empty_states
from transfer.state.terms import EventTerms
from transfer.state.update import apply_events
from transfer.training.config import TrainConfig

ITEMS, SCENARIOS, EVENTS = 20_000, 10, 120
WARM = 2


def long_histories(users: int, config: InterestConfig, rng: np.random.Generator) -> InterestStates:
    """States of users with `EVENTS` events each over `SCENARIOS` scenarios."""
    count = users * EVENTS
    vectors = rng.standard_normal((ITEMS, config.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    item = rng.integers(ITEMS, size=count)
    terms = EventTerms(
        user=np.repeat(np.arange(users, dtype=np.int32), EVENTS),
        time=1.7e9 + rng.uniform(0, 90 * 86400, count),
        key=np.arange(1, count + 1, dtype=np.uint64),
        action=rng.integers(0, 3, count).astype(np.uint8),
        item=item.astype(np.uint64) + 1,
        scenario=rng.integers(0, SCENARIOS, count).astype(np.int32),
        scenario_names=tuple(f"scenario {number}" for number in range(SCENARIOS)),
        vectors=vectors,
        vector=item.astype(np.int32),
    )
    return apply_events(empty_states(users, config), terms, config)[0]


def random_model(config: InterestConfig, rng: np.random.Generator) -> LearnedModel:
    """A network of the default sizes."""
    sizes = TrainConfig()
    shape = NetworkConfig(
        dim=config.dim,
        horizons=len(config.half_lives_s),
        width=sizes.width,
        heads=sizes.heads,
        layers=sizes.layers,
        feed_forward=sizes.feed_forward,
        ring=sizes.ring,
        gap_edges_s=tuple(float(edge) for edge in np.geomspace(1, 1e6, 15)),
    )
    vectors = rng.standard_normal((ITEMS, config.dim)).astype(np.float32)
    keys = np.arange(1, ITEMS + 1, dtype=np.uint64)
    return LearnedModel(
        TransferNetwork(shape, ITEMS),
        None,
        config,
        TrainedItems(keys, vectors, np.arange(1, ITEMS + 1)),
        {},
        "random",
    )


def medians(
    models: Mapping[str, TransferModel], states: InterestStates, rounds: int, threads: int
) -> dict[str, float]:
    """Milliseconds by model."""
    found: dict[str, list[float]] = {name: [] for name in models}
    torch.set_num_threads(threads)
    for number in range(WARM + rounds):
        for name, model in models.items():
            begin = time.perf_counter()
            model(states)
            if number >= WARM:
                found[name].append(1000 * (time.perf_counter() - begin))
    return {name: round(statistics.median(values), 1) for name, values in found.items()}


def measure(args: argparse.Namespace) -> dict[str, object]:
    """What one process finds."""
    rng = np.random.default_rng(args.seed)
    learned = load_model(args.model) if args.model else None
    config = (
        learned.interest if learned else InterestConfig(half_lives_s=(3600.0, 86400.0, 604800.0, 2592000.0))
    )
    learned = learned or random_model(config, rng)
    states = long_histories(args.users, config, rng)
    models: dict[str, TransferModel] = {"analytic": AnalyticTransfer(config), "learned": learned}
    if args.int8:
        models["int8"] = in_8_bits(learned)
    found: dict[str, object] = {
        "threads": args.threads,
        "ms": medians(models, states, args.rounds, args.threads),
        "share_ms": medians(models, states, args.rounds, share_left()),
    }
    with busy_neighbour():
        found["beside_ms"] = medians(models, states, args.rounds, args.threads)
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=TransferConfig().threads)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--int8", action="store_true", help="also the learned model with int8 weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one-process", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one_process:
        print(json.dumps(measure(args)))
        return
    given = [*sys.argv[1:], "--one-process"]
    ours = measured(__file__, given, asleep=True)
    spinning = measured(__file__, [*given, "--threads", str(cores())], asleep=False)
    ratio = {name: round(value / ours["share_ms"][name], 2) for name, value in ours["beside_ms"].items()}
    analytic = ours["ms"]["analytic"]
    line = {
        "benchmark": "fusion",
        "users": args.users,
        "cores": cores(),
        "torch": torch.__version__,
        **ours,
        "ratio_to_analytic": {name: round(value / analytic, 2) for name, value in ours["ms"].items()},
        "ratio_to_share": ratio,
        "most_ratio": MOST_RATIO,
        "met": ratio["learned"] <= MOST_RATIO,
        "spinning": {name: spinning[name] for name in ("threads", "ms", "beside_ms")},
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
