"""compose.yaml: valid, closed to the outside, pinned, and in the daemon's own words."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from streams.metrics import Metrics
from streams.settings import Settings
from streams.settings_environment import unknown_variables
from streams.worker.http import HttpServer, http_app
from support.checks.compose import COMPOSE, EXAMPLE, FILLED, example, read, seconds, services, variables
from support.checks.dashboard import DOCKER
from support.servers.brokers import kafka_parts

DAEMONS = ("daemon", "daemon-cuda")
SERVICES = sorted(read()["services"])
KEYS = {
    *("build", "cap_drop", "command", "depends_on", "deploy", "entrypoint", "environment", "healthcheck"),
    *("image", "init", "networks", "ports", "profiles", "read_only", "restart", "security_opt"),
    *("stop_grace_period", "tmpfs", "volumes"),
}
HEALTH_KEYS = {"test", "interval", "timeout", "retries", "start_period", "start_interval"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}

each_service = pytest.mark.parametrize("name", SERVICES)
each_daemon = pytest.mark.parametrize("name", DAEMONS)


def test_every_key_and_reference_is_known():
    """No service has an unknown key, waits for one that isn't there, or uses a network or volume nobody declares."""
    whole, found = read(), services()
    assert {key for key in whole if not key.startswith("x-")} == {"name", "services", "networks", "volumes"}
    for name, service in found.items():
        assert set(service) <= KEYS, name
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] in CONDITIONS, name
            assert "healthcheck" in found[other] or how["condition"] != "service_healthy", (name, other)
        assert set(service.get("networks", {})) <= set(whole["networks"]), name
        health = service.get("healthcheck", {})
        assert set(health) <= HEALTH_KEYS, name
        for key in set(health) - {"test", "retries"}:
            assert re.fullmatch(r"\d+[smh]", health[key]), (name, key)
        for value in service.get("environment", {}).values():
            assert isinstance(value, (str, int)) and not isinstance(value, bool), (name, value)


@each_service
def test_every_image_is_pinned(name):
    """What is pulled has a tag with its patch version; what is built has a Dockerfile."""
    service = services()[name]
    if "build" in service:
        assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    else:
        assert re.search(r":v?\d+\.\d+\.\d+(-unprivileged)?(@sha256:[0-9a-f]{64})?$", service["image"])


@each_service
def test_ports_are_published_on_the_loopback_only(name):
    """Nothing of the stack can be reached from another machine."""
    for port in services()[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_no_two_services_publish_the_same_port():
    """All services of a profile can be up at once."""
    for left_out in DAEMONS:
        ports = [
            port.split(":")[1]
            for name, service in services().items()
            if name != left_out
            for port in service.get("ports", [])
        ]
        assert len(ports) >= 6
        assert len(ports) == len(set(ports))


@each_daemon
def test_settings_of_the_daemon_are_known_and_valid(name, monkeypatch):
    """Every DRIFTLINE_ variable of the daemon's container is a setting, with a value that it accepts."""
    given = {key: str(value) for key, value in services()[name]["environment"].items()}
    assert not unknown_variables(given, Settings)
    assert all(key.startswith("DRIFTLINE_") for key in given)
    for key in [key for key in os.environ if key.startswith("DRIFTLINE_")]:
        monkeypatch.delenv(key)
    for key, value in given.items():
        monkeypatch.setenv(key, value)
    settings = Settings.load()
    assert settings.broker.url == "kafka:9092"
    assert settings.store.location == "http://qdrant:6333"
    assert settings.daemon.host == "0.0.0.0"
    assert settings.encoder.device == ("cuda" if name == "daemon-cuda" else "cpu")
    (port,) = services()[name]["ports"]
    assert settings.daemon.port == int(port.rsplit(":", 1)[1])


@each_daemon
def test_server_and_daemon_share_the_key(name):
    """The daemon sends the key that the server asks for."""
    key = services()[name]["environment"]["DRIFTLINE_STORE__API_KEY"]
    assert key == services()["qdrant"]["environment"]["QDRANT__SERVICE__API_KEY"] == FILLED["QDRANT_API_KEY"]


@each_daemon
def test_the_daemon_has_time_to_stop(name):
    """The container is killed only after the daemon's own deadline for an orderly stop."""
    assert seconds(services()[name]["stop_grace_period"]) > Settings().daemon.shutdown_s


@each_daemon
def test_the_daemon_has_no_more_rights_than_it_needs(name):
    """No capability, no new privileges, a file system that is read only but for two temporary places."""
    service = services()[name]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["read_only"] is True
    assert [place.split(":")[0] for place in service["tmpfs"]] == ["/tmp", "/var/lib/driftline"]
    assert "volumes" not in service


def test_a_profile_chooses_one_daemon():
    """The CPU's daemon or the GPU's, never both, never none; only the second asks for a GPU."""
    found = services()
    assert {name: found[name]["profiles"] for name in DAEMONS} == {"daemon": ["cpu"], "daemon-cuda": ["cuda"]}
    assert all("profiles" not in service for name, service in found.items() if name not in DAEMONS)
    assert example()["COMPOSE_PROFILES"] == "cpu"
    assert "deploy" not in found["daemon"]
    (device,) = found["daemon-cuda"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


def test_prometheus_scrapes_the_daemon_and_grafana_asks_prometheus():
    """Each address in the provisioned files is a service of the file, on a port that it listens on."""
    found = services()
    scraped = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    (target,) = scraped["scrape_configs"][0]["static_configs"][0]["targets"]
    host, port = target.split(":")
    for name in DAEMONS:
        assert host in found[name]["networks"]["default"]["aliases"]
        assert found[name]["ports"][0].endswith(f":{port}")
    provisioned = yaml.safe_load(
        (DOCKER / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text(encoding="utf-8")
    )
    assert provisioned["datasources"][0]["url"] == "http://prometheus:9090"
    assert found["prometheus"]["ports"] == ["127.0.0.1:9090:9090"]


@each_service
def test_what_is_mounted_exists_and_what_is_kept_is_a_volume(name):
    """Files of this folder are mounted read only; all data lies in a declared volume."""
    for volume in services()[name].get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("."):
            assert (DOCKER / source).exists()
            assert volume.endswith(":ro")
        else:
            assert source in read()["volumes"]


def test_secrets_must_be_given_and_have_no_default():
    """Compose refuses to start without the two passwords; the example names every variable and holds no secret."""
    assert set(variables()) | {"COMPOSE_PROFILES"} == set(example())
    for name in FILLED:
        assert variables()[name] == ""
        assert example()[name] == ""
        with pytest.raises(KeyError, match=name):
            services({**FILLED, name: ""})
    assert ".env" in (DOCKER / ".gitignore").read_text(encoding="utf-8").split()
    assert EXAMPLE.name != ".env"


@pytest.mark.parametrize("name", ["kafka", "topics"])
def test_scripts_parse(name):
    """The shell accepts the scripts in the file as Compose hands them over."""
    ran = subprocess.run(
        ["bash", "-n", "-c", services()[name]["command"][-1]], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def stand_in(file: Path, text: str) -> str:
    """A program of the image, played by a few lines of shell."""
    file.write_text(f"#!/bin/bash\n{text}\n")
    file.chmod(0o755)
    return str(file)


def test_created_topics_are_those_of_the_settings(tmp_path):
    """The one-shot service creates the daemon's five topics, the three event topics with equal partition counts."""
    service, calls = services()["topics"], tmp_path / "calls"
    assert service["image"] == services()["kafka"]["image"]
    tool = stand_in(tmp_path / "kafka-topics.sh", f'echo "$@" >> {calls}')
    script = service["command"][0].replace("/opt/kafka/bin/kafka-topics.sh", tool)
    given = {key: str(value) for key, value in service["environment"].items()}
    subprocess.run([*service["entrypoint"], script], env={**os.environ, **given}, check=True, timeout=20)

    created = {}
    for line in calls.read_text().splitlines():
        match = re.fullmatch(
            r"--bootstrap-server kafka:9092 --create --if-not-exists --topic (\S+) --partitions (\d+)", line
        )
        assert match, line
        created[match[1]] = int(match[2])
    topics = Settings().topics
    assert set(created) == set(topics.all_names())
    assert {created[name] for name in topics.by_action().values()} == {int(example()["TOPIC_PARTITIONS"])}


def test_a_topic_that_cannot_be_created_fails_the_service(tmp_path):
    """The daemon is not started on half of the topics."""
    service = services()["topics"]
    tool = stand_in(tmp_path / "kafka-topics.sh", "exit 1")
    script = service["command"][0].replace("/opt/kafka/bin/kafka-topics.sh", tool)
    ran = subprocess.run(
        [*service["entrypoint"], script], env={**os.environ, "PARTITIONS": "1"}, timeout=20, check=False
    )
    assert ran.returncode != 0


def start_kafka(folder: Path, storage_tool: str, run: str) -> str:
    """What the container's start prints, with the image's programs played by these lines of shell."""
    service = services()["kafka"]
    *shell, script = service["command"]
    given = {key: str(value) for key, value in service["environment"].items()}
    data = given["KAFKA_LOG_DIRS"]
    given["KAFKA_LOG_DIRS"] = str(folder / "data")
    for inside, here in {
        "/opt/kafka/bin/kafka-storage.sh": stand_in(folder / "kafka-storage.sh", storage_tool),
        "/etc/kafka/docker/run": stand_in(folder / "run", run),
        data: given["KAFKA_LOG_DIRS"],
    }.items():
        assert inside in script
        script = script.replace(inside, here)
    ran = subprocess.run(
        [*shell, script],
        cwd=folder,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_a_new_broker_volume_gets_its_own_cluster_id_and_keeps_it(tmp_path):
    """Watermarks name the cluster, so a broker that starts over must not pass for the old one."""
    (tmp_path / "data").mkdir()
    assert start_kafka(tmp_path, "echo new-id", 'echo "$CLUSTER_ID"') == "new-id\n"
    (tmp_path / "data" / "meta.properties").write_text("node.id=1\nversion=1\ncluster.id=kept-id\n")
    assert start_kafka(tmp_path, "echo new-id", 'echo "$CLUSTER_ID"') == "kept-id\n"


@pytest.mark.broker
def test_a_real_kafka_accepts_the_settings_of_the_broker(tmp_path):
    """Kafka's own program for containers turns the environment into a valid configuration, at both starts."""
    java, libs = kafka_parts()
    program = f'{java} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "{libs}/*"'
    for folder in ("data", "default", "mounted", "final"):
        (tmp_path / folder).mkdir()
    (tmp_path / "final" / "server.properties").touch()

    def start() -> Mapping[str, str]:
        # The lines of the image's own launch script that matter here.
        start_kafka(
            tmp_path,
            f'exec {program} kafka.tools.StorageTool "$@"',
            f"result=$({program} kafka.docker.KafkaDockerWrapper setup --default-configs-dir default "
            "--mounted-configs-dir mounted --final-configs-dir final 2>&1) "
            '|| grep -i "already formatted" <<< "$result" || { echo "$result"; exit 1; }',
        )
        lines = (tmp_path / "data" / "meta.properties").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if not line.startswith("#"))

    first = start()
    assert first["node.id"] == "1"
    written = (tmp_path / "final" / "server.properties").read_text()
    assert "advertised.listeners=INTERNAL://kafka:9092,HOST://127.0.0.1:9092" in written
    assert start() == first


def test_the_published_kafka_port_is_that_of_the_advertised_listener():
    """A client on the host is sent back to the address that it came by, one in a container to the broker's name."""
    service = services()["kafka"]
    listeners = dict(part.split("://") for part in service["environment"]["KAFKA_LISTENERS"].split(","))
    advertised = dict(
        part.split("://") for part in service["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    )
    assert service["ports"] == [f"{advertised['HOST']}{listeners['HOST']}"]
    assert advertised["INTERNAL"] == f"kafka{listeners['INTERNAL']}"
    assert listeners["CONTROLLER"].startswith("localhost:")


def test_store_health_check_follows_the_answer():
    """Qdrant is healthy when its readiness answers 200, not when its port is merely open or closed."""
    *_, script = services()["qdrant"]["healthcheck"]["test"]

    async def check(port: int) -> int:
        here = script.replace("/6333", f"/{port}").replace("/readyz", "/ready")
        process = await asyncio.create_subprocess_exec("bash", "-c", here, stderr=asyncio.subprocess.DEVNULL)
        return await asyncio.wait_for(process.wait(), 10)

    async def checks() -> list[int]:
        reason: str | None = None
        server = HttpServer(http_app(Metrics(), lambda: reason), "127.0.0.1", 0)
        await server.start()
        codes = [await check(server.port)]
        reason = "recovering"
        codes.append(await check(server.port))
        await server.stop()
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            codes.append(await check(unused.getsockname()[1]))
        return codes

    ready, recovering, closed = asyncio.run(checks())
    assert ready == 0
    assert recovering != 0
    assert closed != 0


def test_the_schema_of_compose_accepts_the_file():
    """An implementation of the Compose specification reads the file without complaint."""
    specification = pytest.importorskip("compose_spec", reason="no compose-spec here (PyPI)")
    specification.PyCompose.from_yaml(yaml.safe_dump(read(), width=10_000)).validate()


@pytest.mark.parametrize("profile", ["cpu", "cuda"])
def test_compose_itself_accepts_the_file(profile):
    """`docker compose config` resolves the file for each profile, with that profile's daemon alone."""
    plugin = ["docker", "compose"]
    if (
        shutil.which("docker") is None
        or subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no docker compose here")
    ran = subprocess.run(
        [*plugin, "-f", str(COMPOSE), "--profile", profile, "config", "--services"],
        env={**os.environ, **example(), **FILLED, "COMPOSE_PROFILES": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert len(set(ran.stdout.split()) & set(DAEMONS)) == 1
