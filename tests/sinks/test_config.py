"""Settings of the store."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from sinks.config import StoreConfig


@pytest.mark.parametrize(
    "settings",
    [
        {"unknown": 1},
        {"prefix": "a/b"},
        {"timeout_s": 0},
        {"batch_points": 0},
        {"grpc_port": 70_000},
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object]) -> None:
    """Unknown keys and senseless values are errors."""
    with pytest.raises(ValidationError):
        StoreConfig.model_validate(settings)


def test_api_key_is_not_shown() -> None:
    """Printing the settings does not print the key."""
    config = StoreConfig.model_validate({"api_key": "hush-hush"})
    assert "hush" not in repr(config) + str(config) + config.model_dump_json()


def test_engines_are_loaded_when_needed() -> None:
    """Importing the package's front door loads no engine: light commands stay quick."""
    program = (
        "import sys, sinks.open, sinks.config, sinks.points, sinks.protocols;"
        "print(*sorted({'grpc', 'qdrant_client', 'qdrant_edge'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == ""
