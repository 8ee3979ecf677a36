"""A real Apache Kafka on the loopback, for benchmarks and tests, from an installation that is already there."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from streams.broker.config import BrokerConfig
from streams.broker.embedded import HOST, dying_with_us, free_port

START_S = 90.0
REPOSITORY = Path(__file__).parents[2]


class KafkaMissing(Exception):
    """No Apache Kafka, or no Java to run it; the text says which."""


class RealKafka:
    """One node of Apache Kafka (KRaft) on the loopback. Its log stays in the folder over stop and kill."""

    def __init__(
        self,
        folder: Path,
        *,
        member: tuple[int, RealKafka] | None = None,
        heap_mb: int = 384,
        **properties: str,
    ) -> None:
        """`properties` are more lines of server.properties, with _ for the dots of a key.

        member: a node number and the first node of the cluster that this one joins as a broker; the first is the controller.
        """
        self.folder = folder
        self._member = member
        self._heap_mb = heap_mb
        self.cluster_id = _cluster_id() if member is None else member[1].cluster_id
        self.port = free_port()
        self._controller_port = free_port()
        self._properties = {key.replace("_", "."): value for key, value in properties.items()}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def config(self) -> BrokerConfig:
        return BrokerConfig(url=self.url)

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start, or continue from the log that is there; return when it serves."""
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()
        log = self.folder / "out.log"
        began = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                dying_with_us(
                    [
                        *self._java(),
                        f"-Xmx{self._heap_mb}m",
                        "kafka.Kafka",
                        str(self.folder / "server.properties"),
                    ]
                ),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end = time.monotonic() + START_S
        while not (b"Kafka Server started" in log.read_bytes()[began:] and self._answers()):
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"Kafka did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """SIGTERM and wait; SIGKILL where that takes too long."""
        self._end(signal.SIGTERM, 30.0)

    def kill(self) -> None:
        """SIGKILL and wait."""
        self._end(signal.SIGKILL, 10.0)

    def _end(self, number: signal.Signals, wait_s: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0

    def _java(self) -> list[str]:
        java, libs = kafka_parts()
        return [
            java,
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
            "-cp",
            f"{libs}/*",
        ]

    def _membership(self) -> dict[str, str]:
        if self._member is None:
            return {}
        number, first = self._member
        return {
            "process.roles": "broker",
            "node.id": str(number),
            "controller.quorum.voters": f"1@{HOST}:{first._controller_port}",
            "listeners": f"PLAINTEXT://{HOST}:{self.port}",
        }

    def _format(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "log4j2.properties").write_text(LOG4J)
        properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{HOST}:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,"
            "SASL_PLAINTEXT:SASL_PLAINTEXT",
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
            "num.network.threads": "2",
            "num.io.threads": "2",
            "background.threads": "2",
            "log.cleaner.dedupe.buffer.size": "8388608",
            "log.cleaner.backoff.ms": "1000",
            "log.retention.ms": "-1",
            **self._membership(),
            **self._properties,
        }
        settings = self.folder / "server.properties"
        settings.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        done = subprocess.run(
            [*self._java(), "kafka.tools.StorageTool", "format", "-t", self.cluster_id, "-c", str(settings)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")


LOG4J = """\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1} %m%n
rootLogger.level=INFO
rootLogger.appenderRef.out.ref=out
"""


def kafka_parts() -> tuple[str, Path]:
    """The java program and the folder of Kafka's jars: $KAFKA_HOME/libs, else shared/kafka/libs beside the repository.

    Raises:
        KafkaMissing: one of the two is not there.
    """
    home = os.environ.get("KAFKA_HOME")
    libs = Path(home) / "libs" if home else REPOSITORY.parent / "shared" / "kafka" / "libs"
    if not any(libs.glob("kafka_*.jar")):
        raise KafkaMissing(f"no Apache Kafka: no jars in {libs} (KAFKA_HOME names an installation)")
    java_home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{java_home}/bin") if java_home else None
    java = java or shutil.which("java")
    if java is None:
        raise KafkaMissing("no Java runtime for Apache Kafka (apt-get install default-jre-headless)")
    return java, libs


def kafka_version(libs: Path) -> str:
    """As the name of its jar says: kafka_2.13-4.4.0.jar is 4.4.0."""
    return next(libs.glob("kafka_*.jar")).stem.rpartition("-")[2]


def _cluster_id() -> str:
    """22 characters of URL-safe base64, as Kafka wants it; a leading dash would look like an option."""
    return "D" + base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")[1:]
