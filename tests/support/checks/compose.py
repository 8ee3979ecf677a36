"""compose.yaml, read the way its tests need it: merged, with variables put in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from support.checks.dashboard import DOCKER

COMPOSE = DOCKER / "compose.yaml"
EXAMPLE = DOCKER / ".env.example"
FILLED = {"QDRANT_API_KEY": "qdrant-key-of-a-test", "GRAFANA_ADMIN_PASSWORD": "password-of-a-test"}
"""What someone who follows the README writes into .env."""

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|{(?P<name>\w+)(?::(?P<how>[-?])(?P<word>[^}]*))?})")


def services(environment: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """Services by name, as `docker compose` sees them with the example's variables and FILLED, or with these."""
    given = {**example(), **FILLED} if environment is None else environment
    found: dict[str, dict[str, Any]] = _filled(read()["services"], given)
    return found


def read() -> dict[str, Any]:
    """The file; YAML's merge keys applied, variables as they stand."""
    return dict(yaml.safe_load(COMPOSE.read_text(encoding="utf-8")))


def example() -> dict[str, str]:
    """The variables of .env.example."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line.strip() and not line.startswith("#"))


def variables() -> dict[str, str]:
    """Name -> default of each ${variable}; the default is "" where one must be given."""
    text = COMPOSE.read_text(encoding="utf-8")
    found = [match for match in _VARIABLE.finditer(text) if match["name"]]
    return {match["name"]: match["word"] if match["how"] == "-" else "" for match in found}


def seconds(duration: str) -> float:
    """A duration of compose: 30s, 1m30s."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    return sum(float(count) * units[unit] for count, unit in re.findall(r"(\d+)([hms])", duration))


def _filled(value: Any, given: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: _one(match, given), value)
    if isinstance(value, list):
        return [_filled(part, given) for part in value]
    if isinstance(value, dict):
        return {key: _filled(part, given) for key, part in value.items()}
    return value


def _one(match: re.Match[str], given: Mapping[str, str]) -> str:
    if match["dollar"]:
        return "$"
    found = given.get(match["name"], "")
    if not found and match["how"] == "?":
        raise KeyError(f"{match['name']}: {match['word']}")
    return found or (match["word"] or "" if match["how"] == "-" else "")
