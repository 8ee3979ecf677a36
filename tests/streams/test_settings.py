"""Settings: file, then environment, then flags; unknown keys refused, secrets hidden."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.errors import SettingsError
from streams.settings import Settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_flags_win_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is nearest to the user counts, key by key."""
    file = tmp_path / "d.toml"
    file.write_text('[daemon]\nport = 1\ngroup = "file"\nbatch_events = 7\n')
    monkeypatch.setenv("DRIFTLINE_DAEMON__PORT", "2")
    monkeypatch.setenv("DRIFTLINE_DAEMON__GROUP", "environment")
    daemon = Settings.load(file, {"daemon": {"port": 3, "group": None}}).daemon
    assert (daemon.port, daemon.group, daemon.batch_events) == (3, "environment", 7)


def test_driftline_toml_in_the_working_folder_is_read(tmp_path: Path) -> None:
    """No flag is needed for the file at its usual place."""
    (tmp_path / "driftline.toml").write_text("[interest]\nhalf_lives_s = [10.0, 600.0]\n")
    assert Settings.load().interest.half_lives_s == (10.0, 600.0)


@pytest.mark.parametrize("text", ["[daemon]\nprot = 1\n", "[demon]\nport = 1\n", "daemon = 3\n"])
def test_an_unknown_key_in_the_file_is_refused(tmp_path: Path, text: str) -> None:
    """A typing error is an error, not a default."""
    file = tmp_path / "d.toml"
    file.write_text(text)
    with pytest.raises(SettingsError):
        Settings.load(file)


def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is in the environment, by name."""
    monkeypatch.setenv("DRIFTLINE_DAEMON__PROT", "1")
    with pytest.raises(SettingsError, match="DRIFTLINE_DAEMON__PROT"):
        Settings.load()


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("[tables]\nkeep = false\n", "counts"),
        ("[daemon]\ntables_s = 1.0\n", r"daemon\.counts_s"),
        ("[train]\ntable_blocks = 1\n", r"train\.count_blocks"),
    ],
)
def test_a_renamed_setting_names_its_new_name(tmp_path: Path, text: str, new: str) -> None:
    """A settings file of an earlier build fails with what to write instead."""
    file = tmp_path / "d.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=rf"the name is {new} now"):
        Settings.load(file)


@pytest.mark.parametrize(
    ("old", "new"),
    [("TABLES__KEEP", "COUNTS__KEEP"), ("DAEMON__TABLES_S", "DAEMON__COUNTS_S")],
)
def test_a_renamed_variable_names_its_new_name(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    """So does the environment of an earlier build."""
    monkeypatch.setenv(f"DRIFTLINE_{old}", "1")
    with pytest.raises(SettingsError, match=rf"DRIFTLINE_{old} \(the name is DRIFTLINE_{new} now\)"):
        Settings.load()


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(SettingsError, match=r"gone\.toml"):
        Settings.load(tmp_path / "gone.toml")
    (tmp_path / "broken.toml").write_text("[daemon\n")
    with pytest.raises(SettingsError, match=r"broken\.toml"):
        Settings.load(tmp_path / "broken.toml")


def test_secrets_are_in_no_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing or dumping the settings never shows a password or a key."""
    monkeypatch.setenv("DRIFTLINE_STORE__API_KEY", "very-secret")
    settings = Settings.load()
    assert "very-secret" not in repr(settings) + str(settings.model_dump()) + settings.model_dump_json()
    assert settings.store.api_key is not None and settings.store.api_key.get_secret_value() == "very-secret"


def test_dimensions_must_agree() -> None:
    """Encoder and interest share one dimension."""
    with pytest.raises(SettingsError, match="dim"):
        Settings.load(flags={"interest": {"dim": 64}})


def test_a_home_that_nobody_has_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`~nobody-here/...`: in the variable that names the file, and for a store."""
    monkeypatch.setenv("DRIFTLINE_CONFIG", "~nobody-here/driftline.toml")
    with pytest.raises(SettingsError, match="no home folder for '~nobody-here'"):
        Settings.load()
    file = tmp_path / "d.toml"
    file.write_text('[store]\nlocation = "~nobody-here/store"\n')
    with pytest.raises(SettingsError, match="no home folder for '~nobody-here'"):
        Settings.load(file)
