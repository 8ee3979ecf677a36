"""What does writing users to a server store cost the client? Baseline: qdrant-client's own upsert, in the same call.

    python benchmarks/server_sink.py [--points 2048] [--rounds 15] [--state-bytes 4096]

Ours is `Users.write` of users that are held, from the arrays of `UserPoints` to the acknowledgement: checks, payloads,
base64, encoding, sending, and having the points counted. The baseline makes `PointStruct`s with the same vectors and
payloads from the same arrays (base64 and ids included, checks and count not) and calls
`QdrantClient.upsert(..., wait=True)` with `prefer_grpc=True`, in batches of the same size. Rounds of both alternate;
processor time is that of this process alone, all its threads; the figures are medians.

`count` is what a write spends in having its points counted, against sending them: the same writes with both requests timed, by
the clock and in processor time of the client. `count_in_store` is the same at a server that stores: the small one of the tests,
or the real one.

The server is another process: a sink that takes the raw bytes of a request, decodes none but those that count, and
acknowledges. So the points/s are what the client could send, not what a Qdrant could take. Where
DRIFTLINE_TEST_QDRANT names a real one (and DRIFTLINE_TEST_QDRANT_API_KEY its key), both write to that instead. One JSON
line.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from binascii import b2a_base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from qdrant_client import QdrantClient
from qdrant_client import grpc as messages
from qdrant_client.models import PointStruct

from benchmarks.servers.store import API_KEY, REAL, running_store
from sinks.config import StoreConfig
from sinks.open import open_store
from sinks.point_stores import UserStore
from sinks.points import UserPoints, user_point_id
from sinks.server.channel import ServerChannel
from sinks.server.collection import ServerCollection
from sinks.users import Users

DIM = 128
TOKEN = 1234567890123
"""Under which the sink says that all users are held."""


def sample(n: int, state_bytes: int) -> UserPoints:
    """Users as the daemon writes them: four interests, three topics, three scenarios."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(5 * n, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    sources = [f"f3Kx9Qw2R7uT1zAbCdEfGh/{topic}/3" for topic in ("clicks", "purchases", "browses")]
    offsets = rng.integers(0, 10**9, (n, 3)).tolist()
    shares = rng.dirichlet(np.ones(3), n).tolist()
    return UserPoints(
        user_ids=[f"user-{number:08d}" for number in range(n)],
        fused=rows[:n],
        interests=rows[n:],
        interest_offsets=np.arange(0, 4 * n + 1, 4),
        states=[rng.bytes(state_bytes) for _ in range(n)],
        watermarks=[dict(zip(sources, row, strict=True)) for row in offsets],
        weights=[dict(zip(("groceries", "toys", "garden"), row, strict=True)) for row in shares],
        updated_at=rng.uniform(1.7e9, 1.8e9, n),
    )


def upsert_by_client(client: QdrantClient, collection: str, points: UserPoints, batch: int) -> None:
    """The same points as qdrant-client's documentation writes them."""
    offsets = points.interest_offsets.tolist()
    for start in range(0, len(points.user_ids), batch):
        structs = [
            PointStruct(
                id=user_point_id(points.user_ids[row]),
                vector={
                    "fused": points.fused[row].tolist(),
                    "interests": points.interests[offsets[row] : offsets[row + 1]].tolist(),
                },
                payload={
                    "user_id": points.user_ids[row],
                    "state": b2a_base64(points.states[row], newline=False).decode(),
                    "watermarks": points.watermarks[row],
                    "weights": points.weights[row],
                    "updated_at": float(points.updated_at[row]),
                },
            )
            for row in range(start, min(start + batch, len(points.user_ids)))
        ]
        client.upsert(collection, structs, wait=True)


def serve() -> None:
    """The sink: acknowledges every update, and counts every point that it is asked for."""
    update = messages.UpdateResult(operation_id=1, status=messages.UpdateStatus.Completed)
    acknowledged = messages.PointsOperationResponse(result=update).SerializeToString()
    received = 0

    def upsert(request: bytes, context: Any) -> bytes:
        nonlocal received
        received += len(request)
        return acknowledged

    def count(request: bytes, context: Any) -> bytes:
        asked = messages.CountPoints.FromString(request).filter.must
        number = sum(len(condition.has_id.has_id) for condition in asked)
        return messages.CountResponse(result=messages.CountResult(count=number)).SerializeToString()

    answers: dict[str, Callable[[bytes, Any], bytes]] = {
        "/qdrant.Points/Upsert": upsert,
        "/qdrant.Points/Count": count,
        "/sink/Received": lambda request, context: str(received).encode(),
    }

    class Sink(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            answer = answers.get(details.method)
            return None if answer is None else grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.server(
        ThreadPoolExecutor(2), handlers=[Sink()], options=[("grpc.max_receive_message_length", -1)]
    )
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(None)


@contextmanager
def sink() -> Iterator[tuple[UserStore, QdrantClient, str, Callable[[], int]]]:
    """Both clients of a sink, and how many bytes it has received."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        port = int(process.stdout.readline())
        config = StoreConfig(grpc_port=port)
        channel = ServerChannel("http://127.0.0.1", config)
        users = ServerCollection(channel, "users")
        client = QdrantClient(
            host="127.0.0.1", grpc_port=port, prefer_grpc=True, https=False, check_compatibility=False
        )
        received = channel.grpc.unary_unary("/sink/Received")
        yield (
            Users(users, config, DIM),
            client,
            "users",
            lambda: int(received.on_node[0](b"")),
        )
        channel.close()
        client.close()
        process.stdin.close()


@contextmanager
def real() -> Iterator[tuple[UserStore, QdrantClient, str, None]]:
    """Both clients of a real Qdrant, over one new store that is deleted afterwards."""
    prefix = f"driftline-bench-{uuid.uuid4().hex[:8]}-"
    client = QdrantClient(url=REAL, api_key=API_KEY, prefer_grpc=True)
    try:
        with open_store(REAL, StoreConfig(prefix=prefix, api_key=API_KEY), DIM, create=True) as store:
            yield store.users, client, f"{prefix}users", None
    finally:
        for name in ("users", "items", "meta"):
            client.delete_collection(prefix + name)
        client.close()


def timed(write: Callable[[], None], received: Callable[[], int] | None, n: int) -> dict[str, float]:
    """CPU milliseconds per 1,000 points, points per second, bytes per point."""
    bytes_before = received() if received else 0
    began, cpu = time.perf_counter(), time.process_time()
    write()
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    figures = {"cpu_ms_per_1000": 1e6 * cpu / n, "points_per_s": n / seconds}
    if received:
        figures["bytes_per_point"] = (received() - bytes_before) / n
    return figures


def written(users: UserStore, points: UserPoints, holds: list[int]) -> None:
    """Write users that nobody else has."""
    if not users.write(points, holds).all():
        raise RuntimeError("somebody else writes these users")


def counted(users: Users, points: UserPoints, holds: list[int], rounds: int) -> dict[str, float]:
    """Milliseconds a 1,000 points of sending and of counting, medians of the rounds, and their ratios."""
    spent: dict[str, list[float]] = {}

    def timed_call(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timing(*arguments: Any, **options: Any) -> Any:
            began, cpu = time.perf_counter(), time.process_time()
            answer = call(*arguments, **options)
            cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
            total = spent.setdefault(name, [0.0, 0.0])
            total[0], total[1] = total[0] + seconds, total[1] + cpu
            return answer

        return timing

    collection = users._collection
    collection.upsert = timed_call("upsert", collection.upsert)  # type: ignore[method-assign]
    collection.count = timed_call("count", collection.count)  # type: ignore[method-assign]
    runs = []
    try:
        for number in range(rounds + 1):
            spent.clear()
            written(users, points, holds)
            if number:
                runs.append((*spent["upsert"], *spent["count"]))
    finally:
        del collection.upsert, collection.count
    per = 1e6 / len(points.user_ids)
    upsert, upsert_cpu, count, count_cpu = (statistics.median(column) for column in zip(*runs, strict=True))
    return {
        "upsert_ms_per_1000": round(per * upsert, 1),
        "count_ms_per_1000": round(per * count, 2),
        "count_to_upsert": round(statistics.median(run[2] / run[0] for run in runs), 3),
        "cpu_count_to_upsert": round(count_cpu / upsert_cpu, 3),
    }


def counted_in_store(points: UserPoints, rounds: int) -> dict[str, float | str]:
    """`counted` in a server that stores."""
    with tempfile.TemporaryDirectory() as name, running_store(Path(name)) as server:
        config = StoreConfig(**server.flags())
        with open_store(server.url, config, DIM, create=True) as store:
            users = store.users
            if not isinstance(users, Users):
                raise TypeError(type(users).__name__)
            claim = users.claim(points.user_ids)
            users.write(points, claim.holds, token=claim.token)
            figures = counted(users, points, [claim.token] * len(points.user_ids), rounds)
    return {**figures, "server": server.words}


def measure(n: int, rounds: int, state_bytes: int) -> dict[str, Any]:
    """Alternating rounds, medians."""
    points, batch = sample(n, state_bytes), StoreConfig().batch_points
    runs: dict[str, list[dict[str, float]]] = {"driftline": [], "qdrant_client": []}
    with real() if REAL else sink() as (users, client, collection, received):
        holds = [TOKEN] * n
        if REAL:
            claim = users.claim(points.user_ids)
            users.write(points, claim.holds, token=claim.token)
            holds = [claim.token] * n
        writes: dict[str, Callable[[], None]] = {
            "driftline": lambda: written(users, points, holds),
            "qdrant_client": lambda: upsert_by_client(client, collection, points, batch),
        }
        for number in range(rounds + 1):
            for name in sorted(writes, reverse=bool(number % 2)):
                figures = timed(writes[name], received, n)
                if number:  # the first round connects and warms up
                    runs[name].append(figures)
        assert isinstance(users, Users)
        count = counted(users, points, holds, rounds)
    medians = {
        name: {key: round(statistics.median(run[key] for run in figures), 1) for key in figures[0]}
        for name, figures in runs.items()
    }
    ratios = [
        ours["cpu_ms_per_1000"] / theirs["cpu_ms_per_1000"]
        for ours, theirs in zip(runs["driftline"], runs["qdrant_client"], strict=True)
    ]
    return {
        **medians,
        "cpu_ratio_to_qdrant_client": round(statistics.median(ratios), 3),
        "cpu_ratios": [round(ratio, 3) for ratio in ratios],
        "count": count,
        "count_in_store": counted_in_store(points, min(rounds, 5)),
        "batch_points": batch,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--state-bytes", type=int, default=4096)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    figures = measure(options.points, options.rounds, options.state_bytes)
    print(
        json.dumps(
            {
                "benchmark": "server_sink",
                "points": options.points,
                "rounds": options.rounds,
                "dim": DIM,
                "state_bytes": options.state_bytes,
                **figures,
                "server": "Qdrant" if REAL else "sink that acknowledges",
                "device": platform.processor() or platform.machine(),
                "python": platform.python_version(),
                "qdrant_client_version": version("qdrant-client"),
                "grpcio_version": version("grpcio"),
            }
        )
    )


if __name__ == "__main__":
    main()
