"""Settings files and variables as people write them: read, or refused in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.errors import SettingsError
from streams.settings import Settings
from streams.settings_environment import CONFIG_VARIABLE
from support.data.mutated import AWKWARD, mutated

FILE = Path(__file__).parents[2] / "docs" / "settings.md"
SEEDS = [
    b"[interest]\nhalf_lives_s = [3600.0, 86400.0]\nown_items = 64\n[interest.actions]\nhide = -2.0\n",
    b'[broker]\nurl = "kafka:9092"\nsecurity_protocol = "SASL_SSL"\nusername = "u"\npassword = "hunter2hunter2"\n',
    b'[store]\nlocation = "./store"\napi_key = "hunter2hunter2"\n[daemon]\nport = 9464\nmax_future_s = 60\n',
    b'[topics]\nprefix = "shop-"\nclicks = "c"\n[encoder]\ndim = 64\n[log]\nlevel = "info"\n',
]
SECRET = "hunter2hunter2"
VARIABLES = [
    f"DRIFTLINE_{section}__{key}".upper()
    for section, field in Settings.model_fields.items()
    for key in getattr(field.annotation, "model_fields", {})
]
one_line = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def _nothing_else_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("DRIFTLINE_"):
            monkeypatch.delenv(name)


def _load(file: Path | None) -> str | None:
    """What is refused, None where nothing is."""
    try:
        Settings.load(file)
    except SettingsError as error:
        return str(error)
    return None


@one_line
@given(content=mutated(SEEDS))
def test_any_file_is_read_or_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    """No other exception, however the file is damaged; a secret in it is never shown."""
    file = tmp_path / "d.toml"
    file.write_bytes(content)
    refused = _load(file)
    if refused is not None:
        assert refused and "Traceback" not in refused and len(refused) < 20_000
        assert SECRET not in refused


@one_line
@given(
    st.sampled_from(VARIABLES),
    st.one_of(
        st.sampled_from([text.decode("utf-8", "replace").replace("\x00", "") for text in AWKWARD]),
        st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30),
        st.sampled_from(
            ["60,600", "[1,2", '{"a": 1}', "inf", "-1", "1e400", "true", "None", '""', "[[[[", "1" * 500]
        ),
    ),
)
def test_any_variable_is_read_or_refused_by_name(name: str, text: str) -> None:
    """The error names the setting or the variable."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, text)
        refused = _load(None)
    if refused is not None:
        key = name.removeprefix("DRIFTLINE_").lower().replace("__", ".")
        assert name in refused or key.partition(".")[0] in refused.lower()
        assert "Traceback" not in refused


@one_line
@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_name_of_a_file_is_read_or_refused(text: str) -> None:
    """A settings file that isn't there, is a folder, or has a name that no file can have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CONFIG_VARIABLE, text)
        _load(None)
