"""Is a log the same whatever the borders of batches and the order of events? One JSON line.

    python benchmarks/parity.py events.parquet [--map scenario=department] [--events 300000] [--one-by-one 200]

The log goes through `apply_events` with the states packed after each batch and read again before the next, as in a store:
in batches of each size of `--borders`, sorted by user, and shuffled. Each run is compared with one event at a time, for
`--one-by-one` users (0: all; each wave holds the next event of each, which is the same, since users do not know of each
other); batches of less than 100 events hold those users' alone. Vectors are drawn, one for each item. Of each figure the
worst, and how many users are off by more than `--tolerance`:

    fused, weights, interests    largest difference of a component; the vectors are of length 1, the weights sum to 1
    sums                         largest distance of a sum (each half-life, each scenario), relative to its length
    counts                       largest difference of a scenario's counts, relative to the largest of its user
    own                          users whose own items are others, or have other counts; own_mass as counts
    top_half                     users whose heaviest `own_items` / 2 own items are others

Shuffled runs promise nothing of `own`; `top_half` says how near they come.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.workloads.report import where
from streams.event_log.log import open_logs
from streams.events.columns import EventColumns, concatenate
from streams.events.columns import take_events as events_of
from transfer.analytic.model import AnalyticTransfer
from transfer.arrays import F32, F64, I64
from transfer.config import InterestConfig
from transfer.protocols import Fusion
from transfer.rows import group_starts, owners, segment_shares, sizes_of
from transfer.state.packing import pack_states, unpack_states
from transfer.state.states import InterestStates, take_users
from transfer.state.terms import EventTerms
from transfer.state.update import apply_events

SMALL = 100


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What a run left, and how fast it was."""

    packed: list[bytes]
    events_per_cpu_s: float
    """per second of CPU"""


def read(path: Path, mapping: dict[str, str], events: int) -> EventColumns:
    """The log's first events, in its own order."""
    parts, rows = [], 0
    for batch in open_logs([path], mapping, now=time.time()):
        parts.append(batch.columns)
        rows += len(batch.columns)
        if events and rows >= events:
            break
    columns = concatenate(parts)
    return events_of(columns, np.arange(min(events or len(columns), len(columns))))


def batches(order: I64, size: int) -> Iterator[I64]:
    """Rows in batches of a size."""
    return (order[start : start + size] for start in range(0, len(order), size))


def waves(columns: EventColumns, chosen: I64) -> Iterator[I64]:
    """The first events of all users, then the second ones, ..."""
    order = chosen[np.argsort(columns.user[chosen], kind="stable")]
    starts = group_starts([columns.user[order]])
    place = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    by_place = np.argsort(place, kind="stable")
    bounds = np.flatnonzero(np.diff(place[by_place], prepend=-1))
    return (order[rows] for rows in np.split(by_place, bounds[1:]))


def run(columns: EventColumns, vectors: F32, config: InterestConfig, rows: Iterator[I64]) -> Run:
    """Apply the batches, through packed states."""
    packed: list[bytes] = [b""] * len(columns.users)
    events, started = 0, time.process_time()
    for chosen in rows:
        users, user = np.unique(columns.user[chosen], return_inverse=True)
        item = columns.item[chosen]
        terms = EventTerms(
            user=user.astype(np.int32),
            time=columns.time[chosen],
            key=columns.key[chosen],
            action=columns.action[chosen],
            item=(item + 1).astype(np.uint64),
            scenario=columns.scenario[chosen],
            scenario_names=tuple(columns.scenarios),
            vectors=vectors,
            vector=item,
        )
        states = unpack_states([packed[row] for row in users.tolist()], config)
        states, _ = apply_events(states, terms, config)
        for row, content in zip(users.tolist(), pack_states(states, config), strict=True):
            packed[row] = content
        events += len(chosen)
    return Run(packed, events / (time.process_time() - started))


def compare(a: Run, b: Run, users: I64, config: InterestConfig, tolerance: float) -> dict[str, object]:
    """Worst differences of two runs over some users."""
    x, y = (unpack_states([side.packed[user] for user in users.tolist()], config) for side in (a, b))
    model = AnalyticTransfer(config)
    f, g = model(x), model(y)
    figures = {
        "fused": np.abs(f.fused - g.fused).max(axis=1),
        "weights": _of_slots(x, y, f.weights[:, None], g.weights[:, None], 0.0),
        "interests": _interests(f, g),
        "sums": np.maximum(
            np.max([_distance(x.global_sum(k), y.global_sum(k)) for k in range(x.horizons)], axis=0),
            _of_slots(x, y, x.scenario_sums, y.scenario_sums, 1.0),
        ),
        "counts": _of_slots(x, y, _flat(x), _flat(y), 0.0),
    }
    own_x, own_y = _own(x), _own(y)
    half = config.own_items // 2
    same = [left[0] == right[0] for left, right in zip(own_x, own_y, strict=True)]
    masses = [
        float(np.abs(left[1] - right[1]).max(initial=0.0)) if equal else np.inf
        for left, right, equal in zip(own_x, own_y, same, strict=True)
    ]
    found: dict[str, object] = {
        name: {"worst": float(f"{values.max():.2g}"), "off": int((~(values <= tolerance)).sum())}
        for name, values in figures.items()
    }
    within = [mass for mass in masses if np.isfinite(mass)]
    found["own_mass"] = {
        "worst": float(f"{max(within, default=0.0):.2g}"),
        "off": sum(not mass <= tolerance for mass in within),
    }
    found["own"] = len(users) - sum(same)
    found["top_half"] = sum(
        set(left[2][:half]) != set(right[2][:half]) for left, right in zip(own_x, own_y, strict=True)
    )
    found["events_per_cpu_s"] = round(a.events_per_cpu_s)
    return found


def _flat(states: InterestStates) -> F64:
    """Counts relative to the largest of their user, (S, K A)."""
    counts = states.scenario_counts.reshape(len(states.scenario_counts), -1).astype(np.float64)
    total = np.maximum.reduceat(counts.max(axis=1), states.scenario_offsets[:-1])
    scaled: F64 = counts / total[states.slot_users()][:, None]
    return scaled


def _distance(x: F64, y: F64) -> F64:
    """Relative to the longer, (N,)."""
    norm = np.maximum(np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1))
    distance: F64 = np.linalg.norm(x - y, axis=1) / np.where(norm > 0, norm, 1.0)
    return distance


def _of_slots(
    x: InterestStates, y: InterestStates, left: F32 | F64, right: F32 | F64, relative: float
) -> F64:
    """Worst difference over each user's slots, (U,); inf where the slots are others."""
    worst = np.full(x.users, np.inf)
    for user in range(x.users):
        if x.slot_names(user) == y.slot_names(user):
            a = left[x.scenario_offsets[user] : x.scenario_offsets[user + 1]].astype(np.float64)
            b = right[y.scenario_offsets[user] : y.scenario_offsets[user + 1]].astype(np.float64)
            worst[user] = _distance(a, b).max() if relative else np.abs(a - b).max()
    return worst


def _interests(f: Fusion, g: Fusion) -> F64:
    worst = np.full(len(f.fused), np.inf)
    for user in range(len(worst)):
        a = f.interests[f.interest_offsets[user] : f.interest_offsets[user + 1]]
        b = g.interests[g.interest_offsets[user] : g.interest_offsets[user + 1]]
        if a.shape == b.shape:
            worst[user] = np.abs(a - b).max(initial=0.0)
    return worst


def _own(states: InterestStates) -> list[tuple[dict[int, int], F64, list[int]]]:
    """Of each user: item -> count; masses over the largest of each half-life; items, the heaviest first."""
    masses = states.own_masses()
    owner, weight = owners(states.own_offsets), segment_shares(masses, states.own_offsets).sum(axis=1)
    ranked = np.lexsort((states.own_item, -weight, owner))
    result = []
    for user in range(states.users):
        rows = slice(*states.own_offsets[user : user + 2].tolist())
        mass = masses[rows]
        result.append(
            (
                dict(zip(states.own_item[rows].tolist(), states.own_count[rows].tolist(), strict=True)),
                mass / np.maximum(mass.max(axis=0, initial=0.0), 1e-300),
                states.own_item[ranked[rows]].tolist(),
            )
        )
    return result


def main() -> None:
    """Run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("log", type=Path)
    parser.add_argument("--map", default="", help="field=column,... as in `driftline replay`")
    parser.add_argument("--events", type=int, default=0, help="0: all")
    parser.add_argument("--one-by-one", type=int, default=200, help="users compared; 0: all")
    parser.add_argument("--borders", type=int, nargs="*", default=[7, 500, 20000])
    parser.add_argument("--max-scenarios", type=int, default=32)
    parser.add_argument("--own-items", type=int, default=128)
    parser.add_argument("--tolerance", type=float, default=1e-6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    config = InterestConfig(max_scenarios=options.max_scenarios, own_items=options.own_items)
    mapping = dict(pair.split("=", 1) for pair in options.map.split(",") if pair)
    columns = read(options.log, mapping, options.events)
    vectors = rng.standard_normal((len(columns.items), config.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    everyone = np.arange(len(columns.users))
    users = everyone
    if options.one_by_one and options.one_by_one < len(users):
        users = np.sort(rng.choice(users, options.one_by_one, replace=False))
    every = np.arange(len(columns))
    mine = np.flatnonzero(np.isin(columns.user, users))
    exact = run(columns, vectors, config, waves(columns, mine))
    by_user = np.argsort(columns.user, kind="stable")
    runs = {
        f"borders {size}": run(columns, vectors, config, batches(mine if size < SMALL else every, size))
        for size in options.borders
    }
    runs["sorted by user"] = run(columns, vectors, config, batches(by_user, 20000))
    runs["shuffled"] = run(columns, vectors, config, batches(rng.permutation(every), 20000))
    states = take_users(unpack_states(exact.packed, config), users)
    events = np.bincount(columns.user, minlength=len(everyone))
    result = {
        "benchmark": "parity",
        "log": options.log.name,
        "events": len(columns),
        "users": len(everyone),
        "compared_users": len(users),
        "most_events_of_a_user": int(events.max()),
        "users_above_own_items": int((sizes_of(states.own_offsets) >= config.own_items).sum()),
        "bytes_per_user": round(float(np.mean([len(exact.packed[user]) for user in users.tolist()]))),
        "one_by_one_events_per_cpu_s": round(exact.events_per_cpu_s),
        "against_one_by_one": {
            name: compare(each, exact, users, config, options.tolerance) for name, each in runs.items()
        },
        **where(None),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
