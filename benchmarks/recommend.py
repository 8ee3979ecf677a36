"""What an answer costs: milliseconds of `recommend` by the analytic model over an embedded store, p50 and p95.

Vectors are random; each user has 120 events over ten scenarios: a full ring, and as many own items as are kept. The ranker is
held, as a service holds it; `first_ms` is its very first answer, which reads the sample of items. The ratio is to reading the
user alone. Prints one JSON line.

    python benchmarks/recommend.py [--items 20000] [--users 200] [--k 10]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.workloads.report import where
from sinks.points import ItemPoints, UserPoints, item_key
from sinks.writer import NEW
from streams.serving.model_ranker import ranker_of
from streams.serving.recommend import read_state, recommend
from streams.settings import Settings
from streams.workspace.workspace import Workspace, open_workspace
from transfer.arrays import F32
from transfer.state.packing import pack_states
from transfer.state.states import InterestStates, empty_states
from transfer.state.terms import EventTerms
from transfer.state.update import apply_events

SCENARIOS, EVENTS, AT_A_TIME = 10, 120, 1000


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    with (
        tempfile.TemporaryDirectory() as name,
        open_workspace(str(Path(name) / "store"), Settings(), create=True) as workspace,
    ):
        users = filled(workspace, args.items, args.users, rng)
        ranker = ranker_of(workspace)
        first = timed(lambda: recommend(workspace, users[0], args.k, ranker=ranker))
        answers = {
            "read": [timed(lambda user=user: read_state(workspace, user)) for user in users],
            "open": [
                timed(lambda user=user: recommend(workspace, user, args.k, ranker=ranker)) for user in users
            ],
            "scenario": [
                timed(lambda user=user: recommend(workspace, user, args.k, "scenario 3", ranker=ranker))
                for user in users
            ],
        }
    medians = {request: statistics.median(values) for request, values in answers.items()}
    line = {
        "benchmark": "recommend",
        "items": args.items,
        "users": args.users,
        "k": args.k,
        "first_ms": round(first, 1),
        "p50_ms": {request: round(value, 2) for request, value in medians.items()},
        "p95_ms": {
            request: round(float(np.quantile(values, 0.95)), 2) for request, values in answers.items()
        },
        "ratio_to_read": {request: round(value / medians["read"], 1) for request, value in medians.items()},
        **where(None),
    }
    print(json.dumps(line))


def timed(call: Callable[[], object]) -> float:
    """Milliseconds."""
    begin = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - begin)


def filled(workspace: Workspace, items: int, users: int, rng: np.random.Generator) -> list[str]:
    """Write the items, and users who met some of them; their ids."""
    ids = [f"item {number}" for number in range(items)]
    belongs = [f"scenario {number % SCENARIOS}" for number in range(items)]
    vectors = rng.standard_normal((items, workspace.interest.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for begin in range(0, items, AT_A_TIME):
        part = slice(begin, begin + AT_A_TIME)
        some = ids[part]
        workspace.store.items.write(
            ItemPoints(some, vectors[part], some, belongs[part], ["made up"] * len(some))
        )
    states = histories(workspace, ids, vectors, users, rng)
    fusion = workspace.model(states)
    names = [f"user {number}" for number in range(users)]
    points = UserPoints(
        user_ids=names,
        fused=fusion.fused,
        interests=fusion.interests,
        interest_offsets=fusion.interest_offsets,
        states=pack_states(states, workspace.interest),
        watermarks=[{}] * users,
        weights=[{}] * users,
        updated_at=states.t_ref,
    )
    workspace.store.users.write(points, [NEW] * users)
    workspace.store.optimize()
    return names


def histories(
    workspace: Workspace, ids: list[str], vectors: F32, users: int, rng: np.random.Generator
) -> InterestStates:
    """`EVENTS` events of each user over `SCENARIOS` scenarios."""
    count = users * EVENTS
    item = rng.integers(len(ids), size=count)
    keys = np.array([item_key(item_id) for item_id in ids], np.uint64)
    terms = EventTerms(
        user=np.repeat(np.arange(users, dtype=np.int32), EVENTS),
        time=1.7e9 + rng.uniform(0, 90 * 86400, count),
        key=np.arange(1, count + 1, dtype=np.uint64),
        action=rng.integers(0, 3, count).astype(np.uint8),
        item=keys[item],
        scenario=(item % SCENARIOS).astype(np.int32),
        scenario_names=tuple(f"scenario {number}" for number in range(SCENARIOS)),
        vectors=vectors,
        vector=item.astype(np.int32),
    )
    return apply_events(empty_states(users, workspace.interest), terms, workspace.interest)[0]


if __name__ == "__main__":
    main()
