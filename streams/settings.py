"""All settings: a TOML file, then DRIFTLINE_* in the environment, then what the command line says.

Each package defines its own frozen section; `streams.settings_sections` has those of daemon, replay and log. This file
composes them and alone reads the environment.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from encoders.config import STATIC, EncoderConfig, FitConfig
from encoders.media_config import MediaConfig
from encoders.tuned.config import WordsConfig
from sinks.addresses import is_folder
from sinks.config import StoreConfig
from streams.broker.config import BrokerConfig
from streams.errors import SettingsError
from streams.events.description import EventDescription
from streams.events.events_config import EventsConfig
from streams.events.item_record import ItemDescription
from streams.files.config import FilesConfig
from streams.settings_environment import (
    CONFIG_VARIABLE,
    ENV_NESTED,
    ENV_PREFIX,
    settings_from,
    unknown_variables,
)
from streams.settings_sections import (
    CatalogueConfig,
    DaemonConfig,
    LogConfig,
    ReplayConfig,
    RetentionConfig,
    ServingConfig,
)
from streams.settings_toml import read_settings_file
from streams.topics.config import TopicsConfig
from streams.wire.config import RegistryConfig
from transfer.config import InterestConfig, TransferConfig
from transfer.counts.config import CountsConfig
from transfer.training.config import TrainConfig

DEFAULT_FILE = Path("driftline.toml")
_BRANCH = re.compile(r"[\[(]|^(str|int|float|bool|list|tuple|dict|none)$|^[A-Z]")
"""What pydantic puts into a key for one of several types that may stand there."""
MOST_SECONDS = 1e9
MOST_COUNT = 2**63 - 1
RENAMED = {
    "tables": "counts",
    "daemon.tables_s": "daemon.counts_s",
    "train.table_blocks": "train.count_blocks",
}
"""Names of earlier builds -> those of today."""


class Settings(BaseModel):
    """Everything that can be set. `Settings.load` is the way to make one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    broker: BrokerConfig = BrokerConfig()
    topics: TopicsConfig = TopicsConfig()
    events: EventsConfig = EventsConfig()
    registry: RegistryConfig = RegistryConfig()
    store: StoreConfig = StoreConfig()
    encoder: EncoderConfig = EncoderConfig()
    media: MediaConfig = MediaConfig()
    fit: FitConfig = FitConfig()
    words: WordsConfig = WordsConfig()
    interest: InterestConfig = InterestConfig()
    transfer: TransferConfig = TransferConfig()
    counts: CountsConfig = CountsConfig()
    train: TrainConfig = TrainConfig()
    daemon: DaemonConfig = DaemonConfig()
    replay: ReplayConfig = ReplayConfig()
    catalogue: CatalogueConfig = CatalogueConfig()
    serving: ServingConfig = ServingConfig()
    files: FilesConfig = FilesConfig()
    retention: RetentionConfig = RetentionConfig()
    log: LogConfig = LogConfig()

    @property
    def max_future_s(self) -> float:
        """How far ahead of the present an event may be: what is set, else what fits the half-lives."""
        wanted = self.daemon.max_future_s
        return min(max(self.interest.half_lives_s[0], 300.0), 86400.0) if wanted is None else wanted

    @cached_property
    def description(self) -> EventDescription:
        """How records and rows say what events they are.

        Raises:
            SettingsError: `[events]` names an action that there is none of, or paths that contradict each other.
        """
        return EventDescription(
            self.events,
            self.interest.action_names,
            self.max_future_s,
            self.interest.measures,
            weigh=self.interest.weigh,
        )

    @cached_property
    def item_description(self) -> ItemDescription:
        """How records and rows say what items they are; image and audio are fields of their own where they are encoded."""
        return replace(self.catalogue.description, media=self.encoder.media)

    def description_of(self, slot: str) -> EventDescription:
        """That of one slot of topics: `[events]`, with what the slot's own description says otherwise.

        Raises:
            SettingsError: it says what no description can; names the key.
        """
        topic = self.topics.events.get(slot)
        if topic is None or not topic.description:
            return self.description
        try:
            return replace(self.description, config=self.events.changed(topic.description))
        except ValidationError as error:
            raise SettingsError(_readable(error, {}, f"topics.events.{slot}.description.")) from None

    def with_events(self, changes: dict[str, Any]) -> Settings:
        """The same with other values of some keys of `[events]`."""
        changed = self.model_copy(update={"events": self.events.changed(changes)})
        changed.__dict__.pop("description", None)
        return changed

    def with_interest(self, interest: InterestConfig) -> Settings:
        """The same with the actions that a store has, under its codes."""
        changed = self.model_copy(update={"interest": interest})
        # What was made of the others is copied, too.
        changed.__dict__.pop("description", None)
        return changed

    @classmethod
    def load(cls, file: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
        """Settings from `file` (else $DRIFTLINE_CONFIG, else ./driftline.toml if there), environment, flags.

        `flags` is nested like the file, `{"daemon": {"port": 9464}}`; None values are left out. Relative paths are relative to
        the file in the file, and to the working directory elsewhere.

        Raises:
            SettingsError: an unknown key, a wrong value, an unreadable file; names each of them, no secret.
        """
        file = file or _default_file()
        models = ("encoder.model", "encoder.image.model", "encoder.audio.model")
        texts = {"store.location": _store_beside, **dict.fromkeys(models, _model_beside)}
        in_file = {} if file is None else read_settings_file(file, cls, texts)
        if unknown := unknown_variables(os.environ, cls):
            raise SettingsError(
                f"unknown setting in the environment: {', '.join(map(_with_new_variable, unknown))}; "
                f"names are {ENV_PREFIX}SECTION{ENV_NESTED}KEY, for example {ENV_PREFIX}DAEMON{ENV_NESTED}PORT"
            )
        in_environment, variables = settings_from(os.environ, cls)
        flagged = _without_none(flags or {})
        try:
            settings = cls.model_validate(_over(_over(in_file, in_environment), flagged))
        except ValidationError as error:
            raise SettingsError(_readable(error, variables)) from None
        for name, topic in settings.topics.events.items():
            if topic.action is not None and topic.action not in settings.interest.action_names:
                raise SettingsError(
                    f"topics.events.{name}.action: {topic.action[:40]!r} is no action; actions are "
                    f"{', '.join(settings.interest.action_names)}; further ones are named in [interest.actions]"
                )
        for slot in ("", *settings.topics.events):
            _ = settings.description_of(slot)  # what does not fit together in it is said now
        if too_large := list(_too_large(settings)):
            raise SettingsError(f"wrong settings: {'; '.join(too_large)}")
        if settings.interest.dim != settings.encoder.dim:
            raise SettingsError(
                f"interest.dim ({settings.interest.dim}) and encoder.dim ({settings.encoder.dim}) differ; "
                "both are the dimension of the vectors, set them alike"
            )
        return settings


def _default_file() -> Path | None:
    if named := os.environ.get(CONFIG_VARIABLE, "").strip():
        try:
            return Path(named).expanduser()
        except RuntimeError:
            raise SettingsError(
                f"{CONFIG_VARIABLE}: there is no home folder for {Path(named).parts[0]!r}"
            ) from None
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def _store_beside(location: str, folder: Path) -> str:
    try:
        return str(folder / Path(location).expanduser()) if is_folder(location) else location
    except RuntimeError:
        raise SettingsError(
            f"store.location: there is no home folder for {Path(location).parts[0]!r}"
        ) from None


def _model_beside(model: str, folder: Path) -> str:
    """A text model may also be a name: only what is there as a folder is one, also behind `static:`."""
    if model.startswith(STATIC):
        return STATIC + _model_beside(model.removeprefix(STATIC), folder)
    try:
        there = folder / Path(model).expanduser()
    except RuntimeError:
        return model
    return str(there) if there.is_dir() else model


def _with_new_variable(name: str) -> str:
    """The variable, and what it is called today if a setting was renamed."""
    for before, after in RENAMED.items():
        old, new = (f"{ENV_PREFIX}{key.replace('.', ENV_NESTED)}".upper() for key in (before, after))
        if name.upper() == old or name.upper().startswith(f"{old}{ENV_NESTED}"):
            return f"{name} (the name is {new}{name[len(old) :]} now)"
    return name


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both, key by key; where both have a key, `above` wins."""
    merged = dict(below)
    for key, value in above.items():
        there = merged.get(key)
        both = isinstance(there, Mapping) and isinstance(value, Mapping)
        merged[key] = _over(there, value) if both else value  # type: ignore[arg-type]
    return merged


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


def _readable(error: ValidationError, variables: Mapping[str, str], above: str = "") -> str:
    """One line that names each setting, and the variable if it stands there; no value, which may be a secret. above: stands
    before each setting's name."""
    found: dict[str, list[str]] = {}
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        key = above + ".".join(str(part) for part in problem["loc"] if not _BRANCH.search(str(part)))
        message = " ".join(problem["msg"].removeprefix("Value error, ").split())
        if key in RENAMED:
            message = f"the name is {RENAMED[key]} now"
        elif problem["type"] == "extra_forbidden":
            message = "unknown key"
        elif problem["type"] in ("model_type", "model_attributes_type", "dict_type"):
            message = f"has keys of its own; write [{key}] and one key = value a line"
        elif problem["type"] == "tuple_type":
            message = "must be a list"
        # A rule about several keys is the section's: its message names them.
        named = [one for one in variables if one.startswith(f"{key}.") and one[len(key) + 1 :] in message]
        variable = next((variables[one] for one in [*_outward(key), *named] if one in variables), None)
        messages = found.setdefault(f"{key} ({variable})" if variable else key, [])
        if message not in messages:
            messages.append(message)
    # Where one of several forms may stand, each says what it lacks.
    return "wrong settings: " + "; ".join(
        f"{key}: {', or '.join(messages)}" for key, messages in found.items()
    )


def _too_large(section: BaseModel, at: str = "") -> Iterator[str]:
    """What no clock and no counter can hold, by name; all time is `inf`, where a setting may be that."""
    for name, value in section:
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, BaseModel):
                yield from _too_large(one, f"{at}{name}.")
            elif isinstance(one, int) and abs(one) > MOST_COUNT:
                yield f"{at}{name}: larger than {MOST_COUNT}"
            elif isinstance(one, float) and name.endswith("_s") and MOST_SECONDS < one < math.inf:
                yield f"{at}{name}: more than {MOST_SECONDS:g} seconds"


def _outward(key: str) -> Iterator[str]:
    while key:
        yield key
        key = key.rpartition(".")[0]
