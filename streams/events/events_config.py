"""[events]: the settings that say where in a record or row each field of an event stands, and how it is meant."""

from __future__ import annotations

from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from streams.events.ids import id_text
from streams.events.paths import parse_path
from streams.events.times import TimeForm, seconds_of
from transfer.weigh import MEASURES

ID_FIELDS: Final = ("user_id", "scenario", "item_id", "text", "action", "event_id")
"""Fields whose values are texts, by the rule of `streams.events.ids`."""
IGNORE: Final = "ignore"
REST: Final = "*"

Given = str | int | float
"""What a default or constant may be."""


class FieldSource(BaseModel):
    """Where a field comes from, where a path alone does not say it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    path: str | None = None
    default: Given | None = None
    """of records that have nothing there"""
    constant: Given | None = None
    """of all records, whatever they hold"""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.constant is not None and (self.path is not None or self.default is not None):
            raise ValueError("a constant needs neither path nor default")
        if self.constant is None and self.path is None:
            raise ValueError("give a path, a path and a default, or a constant")
        if self.path is not None:
            parse_path(self.path)
        return self


FieldSetting = str | FieldSource


class EventsConfig(BaseModel):
    """One description of events, for topics and files: where each field stands, and what times and actions mean.

    A field is a path (`user_id = "context.customer.id"`), or a table: `{path = "shop", default = "web"}`,
    `{constant = "web"}`. See docs/events.md.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    user_id: FieldSetting = Field("user_id", description="who acted: a text or a whole number")
    timestamp: FieldSetting = Field("timestamp", description="when; `time` says in which form")
    scenario: FieldSetting = Field("scenario", description="where: department, category, kind of content")
    item_id: FieldSetting = Field("item_id", description="on what")
    text: FieldSetting = Field("text", description="a search or a review, instead of or beside an item")
    action: FieldSetting = Field(
        "action", description="what was done; on a topic of one action, the topic says it"
    )
    event_id: FieldSetting = Field("event_id", description="the same id twice is the same event")
    quantity: FieldSetting = Field("quantity", description="how many; read where it weighs")
    value: FieldSetting = Field("value", description="for how much; read where it weighs")
    dwell_s: FieldSetting = Field("dwell_s", description="for how many seconds; read where it weighs")
    format: Literal["json", "avro", "protobuf", "json-schema"] = Field(
        "json",
        description="of a topic's values: json, or one of a Schema Registry, in Confluent's wire format; see [registry]",
    )
    envelope: Literal["none", "debezium", "connect", "cloudevents", "segment", "snowplow"] = Field(
        "none", description="what stands around each event; paths start inside of it. See docs/wire.md"
    )
    changes: Literal["ignore", "refuse"] = Field(
        "ignore",
        description="updates and deletes of an event, by debezium, which can't be taken out of what was learned: count them, "
        "or send them to the dead letters",
    )
    time: TimeForm = Field(
        "auto",
        description="form of the times: auto (numbers are unix seconds, texts unix seconds or ISO 8601), a unit since 1970 "
        "(s, ms, us, ns, minutes, hours, days), serial (dates of spreadsheets), yyyymmdd, iso, or position where no clock is",
    )
    earliest: str = Field(
        "1990-01-01", description="an event before this time is rejected: its clock or unit is wrong"
    )
    position_start: str = Field("2020-01-01", description="with time = position: when the first event was")
    position_step_s: float = Field(
        1.0, gt=0, allow_inf_nan=False, description="with time = position: seconds from one event to the next"
    )
    actions: dict[str, str] = Field(
        default={},
        description="what the data calls an action -> ours, or `ignore`; upper and lower case are one. `*` stands for the "
        "rest. Ours stand for themselves",
    )

    @field_validator(*ID_FIELDS, "timestamp", *MEASURES)
    @classmethod
    def _readable(cls, setting: FieldSetting) -> FieldSetting:
        if isinstance(setting, str):
            parse_path(setting)
        return setting

    @field_validator(*ID_FIELDS)
    @classmethod
    def _texts(cls, setting: FieldSetting) -> FieldSetting:
        for value in (setting.default, setting.constant) if isinstance(setting, FieldSource) else ():
            if value is not None and not id_text(value):
                raise ValueError("a default or constant is a text or a whole number")
        return setting

    @field_validator("timestamp")
    @classmethod
    def _no_constant(cls, setting: FieldSetting) -> FieldSetting:
        if isinstance(setting, FieldSource) and (setting.default is not None or setting.constant is not None):
            raise ValueError('events have no common time; without a clock set time = "position"')
        return setting

    @field_validator("earliest", "position_start")
    @classmethod
    def _moment(cls, text: str) -> str:
        moment = seconds_of(text, "iso")
        if moment is None or moment < 0:
            raise ValueError("expected an ISO 8601 time since 1970, such as 1990-01-01")
        return text

    @field_validator("actions")
    @classmethod
    def _one_meaning(cls, actions: dict[str, str]) -> dict[str, str]:
        seen: dict[str, str] = {}
        for name in actions:
            if (key := name.strip().casefold()) in seen:
                raise ValueError(
                    f"{name[:40]!r} and {seen[key][:40]!r} are one: upper and lower case don't differ"
                )
            seen[key] = name
        return actions

    @property
    def earliest_s(self) -> float:
        """Unix seconds."""
        return seconds_of(self.earliest, "iso") or 0.0

    @property
    def position_start_s(self) -> float:
        """Unix seconds."""
        return seconds_of(self.position_start, "iso") or 0.0

    def source(self, field: str) -> FieldSource:
        """Where a field comes from.

        >>> EventsConfig().source("user_id").path
        'user_id'
        """
        setting: FieldSetting = getattr(self, field)
        return FieldSource(path=setting) if isinstance(setting, str) else setting

    def changed(self, changes: dict[str, Any]) -> EventsConfig:
        """With other values of some fields, checked like these.

        Raises:
            pydantic.ValidationError: a value is wrong.
        """
        return type(self).model_validate({**self.model_dump(exclude_unset=True), **changes})
