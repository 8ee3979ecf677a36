"""The example of docs/transport.md, run as its reader would run it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kafka import KafkaProducer

from streams.broker.embedded import EmbeddedBroker, dying_with_us
from streams.broker.topics import ensure_topics

PAGE = Path(__file__).parents[3] / "docs" / "transport.md"
QUICK = {"BROKER_SESSION_TIMEOUT": "3", "BROKER_HEARTBEAT_INTERVAL": "0.5"}
"""The embedded broker takes half of the session timeout to let a member join."""


def example() -> str:
    """The first block of code of the page."""
    block = re.search(r"\n\n((?:    .*\n|\n)+)", PAGE.read_text())
    assert block is not None
    return "\n".join(line.removeprefix("    ") for line in block[1].splitlines())


def run_until(folder: Path, count: int) -> list[int]:
    """Start `faust worker` on the example in `folder`, stop it when so many records are through; their numbers."""
    seen = folder / "seen"
    already = len(seen.read_text().split()) if seen.exists() else 0
    command = [sys.executable, "-m", "faust", "-A", "example", "worker", "--without-web"]
    with (folder / "worker.log").open("ab") as log:
        worker = subprocess.Popen(
            dying_with_us(command), cwd=folder, stdout=log, stderr=log, env={**os.environ, **QUICK}
        )
        try:
            end = time.monotonic() + 60
            while not seen.exists() or len(seen.read_text().split()) < already + count:
                assert worker.poll() is None and time.monotonic() < end, (folder / "worker.log").read_text()[
                    -3000:
                ]
                time.sleep(0.1)
            worker.send_signal(signal.SIGTERM)
            worker.wait(30)
        finally:
            worker.kill()
            worker.wait()
    return [int(number) for number in seen.read_text().split()[already:]]


@pytest.mark.broker
def test_the_example_works(embedded_broker: EmbeddedBroker, topic_prefix: str, tmp_path: Path) -> None:
    """Whole fetches reach the agent; a second start begins behind what the first one marked."""
    topic = topic_prefix + "views"
    ensure_topics(embedded_broker.config, {topic: 1})
    writing = (
        "async def write_somewhere(pages):\n"
        "    with open('seen', 'a') as file:\n"
        "        file.writelines(f'{page}\\n' for page in pages)\n"
    )
    code = example().replace("127.0.0.1:9092", embedded_broker.url).replace('"views"', f'"{topic}"')
    assert topic in code and embedded_broker.url in code
    (tmp_path / "example.py").write_text(f"{writing}\n\n{code}\n")

    def send(pages: range) -> None:
        producer = KafkaProducer(**embedded_broker.config.kafka_python(), acks="all", linger_ms=20)
        for future in [producer.send(topic, value=json.dumps({"page": page}).encode()) for page in pages]:
            future.get(10)
        producer.close()

    send(range(300))
    assert run_until(tmp_path, 300) == list(range(300))
    send(range(300, 400))
    assert run_until(tmp_path, 100) == list(range(300, 400))
