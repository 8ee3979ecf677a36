"""Settings of every form: what is understood, and what is refused in one line that names it and shows no value."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from streams.errors import SettingsError
from streams.settings import Settings
from streams.settings_environment import models_of, parts_of

INFINITE = {"counts.half_lives_s", "counts.pair_half_life_s", "serving.popular_half_life_s"}
"""All time: what means something."""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _encodable(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def refused(file: Path | None = None) -> str:
    """The one line that the settings are refused with."""
    with pytest.raises(SettingsError) as raised:
        Settings.load(file)
    text = str(raised.value)
    assert "\n" not in text and len(text) < 600
    return text


@pytest.mark.parametrize("text", ["60,600", " 60 , 600 ", "[60, 600]", "[60.0,600.0]", "60,600,"])
def test_a_list_in_the_environment_has_commas_or_is_json(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of writing a list mean the same."""
    monkeypatch.setenv("DRIFTLINE_INTEREST__HALF_LIVES_S", text)
    assert Settings.load().interest.half_lives_s == (60.0, 600.0)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("INTEREST__HALF_LIVES_S", "[60, 600"),
        ("INTEREST__HALF_LIVES_S", "60;600"),
        ("INTEREST__HALF_LIVES_S", "sixty,600"),
        ("INTEREST__HALF_LIVES_S", "{}"),
        ("INTEREST__HALF_LIVES_S", "600,60"),
        ("INTEREST__HALF_LIVES_S", "60,nan"),
        ("INTEREST__HALF_LIVES_S", "60,inf"),
        ("DAEMON__PORT", "many"),
        ("DAEMON__PORT", "3.5"),
        ("DAEMON__PORT", "[1]"),
        ("DAEMON__FLUSH_S", "inf"),
        ("DAEMON__FLUSH_S", "NaN"),
        ("DAEMON__ON_UNREADABLE", "perhaps"),
        ("DAEMON__ACKNOWLEDGE_LOSS", "maybe"),
        ("DAEMON", "5"),
        ("DAEMON", "{broken"),
        ("DAEMON", '["a"]'),
        ("DAEMON", '{"prot": 1}'),
        ("LOG__LEVEL", "loud"),
        ("BROKER__URL", ":1"),
        ("STORE__LOCATION", "ftp://x"),
    ],
)
def test_a_variable_that_makes_no_sense_is_named(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, and the name of the variable, whatever is wrong with its value."""
    monkeypatch.setenv(f"DRIFTLINE_{name}", text)
    assert f"DRIFTLINE_{name}" in refused()


@pytest.mark.parametrize(
    "name", ["DAEMON__PORT", "STORE__API_KEY", "INTEREST__HALF_LIVES_S", "DAEMON", "CONFIG"]
)
def test_an_empty_variable_sets_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As compose files write what is not given."""
    monkeypatch.setenv(f"DRIFTLINE_{name}", "")
    assert Settings.load() == Settings()


def test_a_section_may_be_json_and_its_keys_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearer name counts."""
    monkeypatch.setenv("DRIFTLINE_DAEMON", '{"port": 1, "group": "json"}')
    monkeypatch.setenv("DRIFTLINE_DAEMON__PORT", "2")
    daemon = Settings.load().daemon
    assert (daemon.port, daemon.group) == (2, "json")


def test_two_variables_for_one_setting_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Upper and lower case name the same setting."""
    monkeypatch.setenv("DRIFTLINE_DAEMON__PORT", "1")
    monkeypatch.setenv("driftline_daemon__port", "2")
    assert "driftline_daemon__port" in refused()


@pytest.mark.parametrize(
    "content",
    [
        b"daemon = 5\n",
        b"[daemon]\nport = 1\nport = 2\n",
        b"[daemon]\n[daemon]\n",
        b"[daemon]\nport = \n",
        b"[daemon]\nport = [1]\n",
        b"[daemon]\nflush_s = inf\n",
        b"[daemon]\nflush_s = nan\n",
        b"[daemon]\nflush_s = 2026-11-01\n",
        b"[interest]\nhalf_lives_s = 60\n",
        b"[interest]\nhalf_lives_s = 'abc'\n",
        b"[store]\nca_file = ''\n",
        b"[store]\napi_key = ''\n",
        b"[store]\napi_key = 'a\\\nb'\n",
        b"[store]\napi_key_file = 'none'\n",
        b"[store]\nlocation = 'qdrant:6333'\n",
        b"[[daemon]]\nport = 1\n",
        b"\xff\xfe[\x00d\x00",
        b"x = " + b"[" * 5000,
        b"x = " + b"9" * 5000,
        b"\x00",
    ],
)
def test_a_file_that_makes_no_sense_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    """Nothing that can stand in a file ends in a traceback."""
    file = tmp_path / "d.toml"
    file.write_bytes(content)
    refused(file)


def test_a_folder_and_a_file_that_may_not_be_read_are_no_settings(tmp_path: Path) -> None:
    """The message names it."""
    (tmp_path / "d.toml").mkdir()
    assert "d.toml" in refused(tmp_path / "d.toml")
    assert "gone" in refused(tmp_path / "gone" / "d.toml")


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    """Some editors write one."""
    (tmp_path / "d.toml").write_bytes(b"\xef\xbb\xbf[daemon]\nport = 7\n")
    assert Settings.load(tmp_path / "d.toml").daemon.port == 7


def floats(model: type[BaseModel], at: str = "") -> Iterator[tuple[str, bool]]:
    """Each setting that is a number with a fraction, and whether it is a list of them."""
    for name, field in model.model_fields.items():
        parts, models = list(parts_of(field.annotation)), list(models_of(field.annotation))
        for nested in models if parts == models else ():
            yield from floats(nested, f"{at}{name}.")
        for part in parts_of(field.annotation):
            inner = [
                one for arg in getattr(part, "__args__", ()) if arg is not Ellipsis for one in parts_of(arg)
            ]
            if part is float or (getattr(part, "__origin__", None) is tuple and float in inner):
                yield f"{at}{name}", part is not float


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
def test_no_number_is_infinite_where_that_means_nothing(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting of every section is tried."""
    tried = 0
    for key, listed in floats(Settings):
        tried += 1
        if key in INFINITE and value == "inf":
            continue
        monkeypatch.setenv(
            name := f"DRIFTLINE_{key.replace('.', '__').upper()}", f"1,{value}" if listed else value
        )
        assert key in refused()
        monkeypatch.delenv(name)
    assert tried > 40
    assert Settings().counts.half_lives_s[-1] == math.inf


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DAEMON__SHUTDOWN_S", "1e300"),
        ("STORE__TIMEOUT_S", "1e10"),
        ("INTEREST__HALF_LIVES_S", "60,1e18"),
        ("DAEMON__BATCH_EVENTS", "9" * 30),
        ("TRAIN__SEED", f"-{'9' * 30}"),
    ],
)
def test_what_no_clock_and_no_counter_holds_is_refused(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name, and not by an overflow later."""
    monkeypatch.setenv(f"DRIFTLINE_{name}", text)
    assert name.replace("__", ".").lower() in refused()


@pytest.mark.parametrize("key", ["k", "k\n", " k\r\n", "\tk "])
def test_secrets_lose_what_surrounds_them(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line break at the end of a secret is the file's or the paste's, in the environment as in a file."""
    (tmp_path / "key").write_text(key)
    (tmp_path / "d.toml").write_text('[store]\napi_key_file = "key"\n')
    monkeypatch.setenv("DRIFTLINE_STORE__API_KEY", key)
    found = [Settings.load().store.api_key]
    monkeypatch.delenv("DRIFTLINE_STORE__API_KEY")
    monkeypatch.chdir("/")
    found.append(Settings.load(tmp_path / "d.toml").store.api_key)
    monkeypatch.setenv("DRIFTLINE_STORE__API_KEY_FILE", str(tmp_path / "key"))
    found.append(Settings.load().store.api_key)
    assert [one.get_secret_value() for one in found if one] == ["k", "k", "k"]


@pytest.mark.parametrize(
    "url",
    [
        "kafka://zoe:hunter2@host:9092",
        "zoe:hunter2@host:9092",
        "host:1,zoe:hun,ter2@host:9092",
        "SASL_SSL://zoe:hunter2@host",
        "zoe:hunter2/@host",
    ],
)
def test_a_password_in_an_address_is_refused_and_shown_nowhere(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in the environment, nor in a file, nor by a flag; nor is a part of it."""
    (tmp_path / "d.toml").write_text(f"[broker]\nurl = '{url}'\n")
    texts = [refused(tmp_path / "d.toml")]
    monkeypatch.setenv("DRIFTLINE_BROKER__URL", url)
    texts.append(refused())
    monkeypatch.setenv("DRIFTLINE_BROKER__URL", "host")
    with pytest.raises(SettingsError) as raised:
        Settings.load(None, {"broker": {"url": url}})
    texts.append(str(raised.value))
    for location in (f"http://{url.split('://')[-1]}", "http://host:6333/?api-key=hunter2"):
        monkeypatch.setenv("DRIFTLINE_STORE__LOCATION", location)
        texts.append(refused())
    for part in ("hun", "ter2", "zoe"):
        assert not [text for text in texts if part in text]


def test_relative_paths_of_a_file_are_relative_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon finds its store, model and certificates wherever it is started."""
    home = tmp_path / "etc"
    (home / "text-model").mkdir(parents=True)
    (home / "d.toml").write_text(
        '[store]\nlocation = "./store"\nca_file = "ca.pem"\n'
        '[encoder]\nmodel = "text-model"\nfitted = "../encoder"\n[transfer]\nmodel = "/models/m"\n'
        '[broker]\nssl_cafile = "kafka.pem"\n'
    )
    settings = Settings.load(Path("etc/d.toml"))
    assert settings.store.location == str(home / "store") and settings.store.ca_file == home / "ca.pem"
    assert settings.encoder.model == str(home / "text-model")
    assert settings.encoder.fitted is not None and settings.encoder.fitted.resolve() == tmp_path / "encoder"
    assert settings.transfer.model == Path("/models/m") and settings.broker.ssl_cafile == home / "kafka.pem"
    monkeypatch.setenv("DRIFTLINE_STORE__LOCATION", "store")
    assert Settings.load(home / "d.toml", {"transfer": {"model": "m"}}).store.location == "store"


def test_urls_and_names_of_a_file_stay_as_they_are(tmp_path: Path) -> None:
    """What is no path is not made one."""
    file = tmp_path / "d.toml"
    file.write_text('[store]\nlocation = ["http://a:1", "http://b:2"]\n[encoder]\nmodel = "org/name"\n')
    settings = Settings.load(file)
    assert settings.store.location == "http://a:1,http://b:2" and settings.encoder.model == "org/name"


def variables(model: type[BaseModel], at: str = "DRIFTLINE_") -> Iterator[str]:
    """Of each section and setting."""
    for name, field in model.model_fields.items():
        yield f"{at}{name}".upper()
        for nested in models_of(field.annotation):
            yield from variables(nested, f"{at}{name}__")


@given(
    values=st.dictionaries(
        st.sampled_from(sorted(variables(Settings))),
        (st.text() | st.from_regex(r"[\[{]?[\w.,:/@\"-]{0,20}[\]}]?")).filter(_encodable)
        | st.sampled_from(
            ["1e400", "-1", "inf", "{}", "[]", "null", "true", '{"a":{}}', "[[1]]", "\udcff", "1_0"]
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(deadline=None, max_examples=300)
def test_whatever_stands_in_the_environment_is_understood_or_refused(values: dict[str, str]) -> None:
    """No value of any variable ends in anything else."""
    with pytest.MonkeyPatch.context() as patch:
        for name, text in values.items():
            patch.setenv(name, text)
        try:
            Settings.load()
        except SettingsError as error:
            assert "\n" not in str(error)


@given(
    content=st.binary(max_size=60)
    | st.lists(
        st.sampled_from(
            [
                "[daemon]",
                "[store]",
                "[interest]",
                "[events]",
                "[topics.events.a]",
                "port = ",
                "url = ",
                "dim = ",
            ]
        )
        | st.sampled_from(
            ["1", "'x'", "[1, 'a']", "{a = 1}", "inf", "2026-01-01", "true", "[[]]", "-1", "x"]
        ),
        max_size=8,
    ).map(lambda parts: "\n".join(parts).replace("= \n", "= ").encode())
)
@settings(deadline=None, max_examples=300)
def test_whatever_stands_in_a_file_is_understood_or_refused(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No content ends in anything else."""
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_bytes(content)
    try:
        Settings.load(file)
    except SettingsError as error:
        assert "\n" not in str(error)
