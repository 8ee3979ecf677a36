"""All settings: a TOML file, then DRIFTLINE_* in the environment, then what the command line says.

Each package defines its own frozen section; `streams.settings_sections` has those of topics, daemon, replay and log. This file
composes them and alone reads the environment.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from encoders.config import EncoderConfig, FitConfig
from sinks.config import StoreConfig
from streams.broker.config import BrokerConfig
from streams.errors import SettingsError
from streams.settings_sections import DaemonConfig, LogConfig, ReplayConfig, TopicsConfig
from transfer.config import InterestConfig, TransferConfig
from transfer.counts.config import CountsConfig
from transfer.training.config import TrainConfig

ENV_PREFIX = "DRIFTLINE_"
ENV_NESTED = "__"
CONFIG_VARIABLE = "DRIFTLINE_CONFIG"
DEFAULT_FILE = Path("driftline.toml")
RENAMED = {
    "tables": "counts",
    "daemon.tables_s": "daemon.counts_s",
    "train.table_blocks": "train.count_blocks",
}
"""Names of earlier builds -> those of today."""


class Settings(BaseSettings):
    """Everything that can be set. `Settings.load` is the way to make one."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter=ENV_NESTED, extra="forbid", frozen=True
    )

    broker: BrokerConfig = BrokerConfig()
    topics: TopicsConfig = TopicsConfig()
    store: StoreConfig = StoreConfig()
    encoder: EncoderConfig = EncoderConfig()
    fit: FitConfig = FitConfig()
    interest: InterestConfig = InterestConfig()
    transfer: TransferConfig = TransferConfig()
    counts: CountsConfig = CountsConfig()
    train: TrainConfig = TrainConfig()
    daemon: DaemonConfig = DaemonConfig()
    replay: ReplayConfig = ReplayConfig()
    log: LogConfig = LogConfig()

    @property
    def max_future_s(self) -> float:
        """How far ahead of the present an event may be: what is set, else what fits the half-lives."""
        wanted = self.daemon.max_future_s
        return min(max(self.interest.half_lives_s[0], 300.0), 86400.0) if wanted is None else wanted

    @classmethod
    def load(cls, file: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
        """Settings from `file` (else $DRIFTLINE_CONFIG, else ./driftline.toml if there), environment, flags.

        `flags` is nested like the file, `{"daemon": {"port": 9464}}`; None values are left out.

        Raises:
            SettingsError: an unknown key, a wrong value, an unreadable file; names each of them, no secret.
        """
        file = file or _default_file()
        if file is not None:
            _check_file(file)

        class FromFile(cls):  # type: ignore[valid-type, misc]  # the file is known only now
            @classmethod
            def settings_customise_sources(
                cls,
                settings_cls: type[BaseSettings],
                init_settings: PydanticBaseSettingsSource,
                env_settings: PydanticBaseSettingsSource,
                dotenv_settings: PydanticBaseSettingsSource,
                file_secret_settings: PydanticBaseSettingsSource,
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)

        try:
            unknown = unknown_variables(os.environ)
            if unknown:
                raise SettingsError(
                    f"unknown setting in the environment: {', '.join(map(_with_new_variable, unknown))}; "
                    f"names are {ENV_PREFIX}SECTION{ENV_NESTED}KEY, for example {ENV_PREFIX}DAEMON{ENV_NESTED}PORT"
                )
            settings: Settings = FromFile(**_without_none(flags or {}))
        except ValidationError as error:
            raise SettingsError(_readable(error)) from None
        if settings.interest.dim != settings.encoder.dim:
            raise SettingsError(
                f"interest.dim ({settings.interest.dim}) and encoder.dim ({settings.encoder.dim}) differ; "
                "both are the dimension of the vectors, set them alike"
            )
        return settings


def _default_file() -> Path | None:
    if CONFIG_VARIABLE in os.environ:
        return Path(os.environ[CONFIG_VARIABLE])
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """DRIFTLINE_* variables that no setting has: a typing error would otherwise pass silently."""
    known = {CONFIG_VARIABLE, *_variables()}
    return sorted(
        name
        for name in environment
        if name.upper().startswith(ENV_PREFIX)
        and name.upper() not in known
        and not name.upper().startswith(f"{ENV_PREFIX}TEST_")
    )


def _with_new_variable(name: str) -> str:
    """The variable, and what it is called today if a setting was renamed."""
    for before, after in RENAMED.items():
        old, new = (f"{ENV_PREFIX}{key.replace('.', ENV_NESTED)}".upper() for key in (before, after))
        if name.upper() == old or name.upper().startswith(f"{old}{ENV_NESTED}"):
            return f"{name} (the name is {new}{name[len(old) :]} now)"
    return name


def _variables() -> Iterator[str]:
    for section, field in Settings.model_fields.items():
        yield f"{ENV_PREFIX}{section}".upper()
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            for key in model.model_fields:
                yield f"{ENV_PREFIX}{section}{ENV_NESTED}{key}".upper()


def _check_file(file: Path) -> None:
    try:
        tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"settings file {file}: {error}") from None


def _without_none(flags: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in flags.items():
        if isinstance(value, Mapping):
            value = _without_none(value)
            if not value:
                continue
        if value is not None:
            kept[key] = value
    return kept


def _readable(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        message = "unknown key" if problem["type"] == "extra_forbidden" else problem["msg"]
        if key in RENAMED:
            message = f"the name is {RENAMED[key]} now"
        lines.append(f"{key}: {message}")
    return "wrong settings: " + "; ".join(lines)
