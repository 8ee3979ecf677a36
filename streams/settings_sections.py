"""The settings sections that belong to streams/ as a whole: daemon, replay and log."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from streams.broker.start_rule import StartRule
from streams.events.attributes import AttributeChoice
from streams.events.item_record import ItemDescription
from streams.wire.item_decoder import ItemWire


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DaemonConfig(_Section):
    """The running daemon: group, batches, deadlines, HTTP."""

    group: str = Field("driftline", description="consumer group; one for each store")
    start_from: str = Field(
        "",
        description="where to begin with a topic that the store does not know: earliest (the default), latest, group (the "
        "group's committed offsets), or a time, ISO 8601 or unix seconds, by the records' Kafka timestamps",
    )
    acknowledge_loss: bool = Field(
        False, description="records that retention took are counted and logged, without a warning on /ready"
    )
    sources_check_s: float = Field(
        10.0,
        gt=0,
        description="how often to look whether topics were made again and the group has another store's daemons in it",
    )
    host: str = Field("127.0.0.1", description="address of /live, /ready and /metrics")
    port: int = Field(9464, ge=0, le=65535, description="0 takes a free port")
    batch_events: int = Field(4000, ge=1, description="most records of one fetch")
    in_flight_events: int = Field(
        32000, ge=1, description="most events taken from Kafka and not yet in the store"
    )
    in_flight_bytes: int = Field(
        64 << 20, ge=1 << 16, description="and most bytes of their keys, values and headers, unpacked"
    )
    max_record_bytes: int = Field(
        32 << 20, ge=1 << 16, description="a record that unpacks to more is not unpacked; see on_unreadable"
    )
    on_unreadable: Literal["stop", "skip"] = Field(
        "stop",
        description="a record larger than max_record_bytes, or in a batch that can't be unpacked: end the process, "
        "or continue and send a dead letter with its position",
    )
    linger_s: float = Field(
        0.02,
        ge=0,
        description="how long records gather after a small fetch, and again in a lane, to be written together",
    )
    flush_s: float = Field(
        1.0, gt=0, description="a flush takes about as many events as can be processed in this time"
    )
    lane_threads: int = Field(
        0, ge=0, description="threads of the lanes; 0: two for a server, one for a folder"
    )
    store_patience_s: float = Field(600.0, gt=0, description="a store away for longer ends the process")
    fetch_bytes: int = Field(
        4 << 20, ge=1 << 16, description="most bytes that the client reads ahead per partition, compressed"
    )
    commit_interval_s: float = Field(2.0, gt=0, description="how often offsets are committed to the group")
    session_timeout_s: float = Field(
        15.0, gt=0, description="a worker that the group has not heard of for this long loses its partitions"
    )
    heartbeat_s: float = Field(3.0, gt=0, description="how often a worker tells the group that it is alive")
    rebalance_timeout_s: float = Field(
        60.0,
        gt=0,
        description="how long the group waits for its workers in a rebalance; lanes settle within half of it",
    )
    metadata_age_s: float = Field(60.0, gt=0, description="how soon a new partition is noticed")
    shutdown_s: float = Field(20.0, gt=0, description="from SIGTERM to the end, at most")
    watchdog_s: float = Field(300.0, gt=0, description="lag without progress for this long ends the process")
    max_future_s: float | None = Field(
        None,
        ge=0,
        description="an event further ahead of the present is rejected; default: the shortest half-life, so that an event from "
        "the future never weighs more than twice what follows it, but at least 5 minutes and at most a day",
    )
    on_dead_letter_failure: Literal["stop", "drop-and-count"] = Field(
        "stop",
        description="where the dead-letter topic is gone, forbidden or takes not even a short letter: end the daemon with an "
        "error, or continue without the letters, counted and reported on /ready",
    )
    max_reject_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="a larger share of rejects among the latest records ends the daemon with the commonest reasons; 1: never",
    )
    reject_window: int = Field(1000, ge=1, description="that share is judged of at least this many records")
    max_quarantined_users: int = Field(
        1000, ge=0, description="more users whose state can't be read end the daemon: the store is damaged"
    )
    counts_s: float = Field(
        30.0, gt=0, description="how often the counts of items and transitions are written"
    )
    user_cache: int = Field(100_000, ge=1, description="users whose state a worker keeps in memory")

    @field_validator("start_from")
    @classmethod
    def _known_start(cls, text: str) -> str:
        StartRule.parse(text)
        return text


class ReplayConfig(_Section):
    """Reading logs."""

    batch_events: int = Field(20_000, ge=1, description="rows of a log that are read and applied at a time")


class CatalogueConfig(_Section):
    """Items, from files and from their topic."""

    map: dict[str, str] = Field(
        default_factory=dict,
        description='fields of items under other names, e.g. {title = "name", price = "offer.price"}',
    )
    attributes: str = Field(
        "all",
        description="further fields that are kept to filter by: all, none, or names with commas between; hidden, "
        "available_from and available_until come with any",
    )
    allow_empty: bool = Field(
        False, description="catalogue files may take away texts that items have, or have no texts at all"
    )

    format: Literal["json", "avro", "protobuf", "json-schema"] = Field(
        "json", description="of the items topic's values; as in [events]"
    )
    envelope: Literal["none", "debezium", "connect", "cloudevents"] = Field(
        "none",
        description="what stands around each item of the topic: with debezium c, r and u write it and d deletes it",
    )
    key: str = Field(
        "auto",
        min_length=1,
        description="how the key of a record without a value names the item to delete: auto (text, a JSON string, or an object "
        "with its item_id), text (whatever it looks like), none (such records mean nothing), or a path in the key's object",
    )

    @property
    def wire(self) -> ItemWire:
        """What stands around a record of the topic."""
        return ItemWire(self.envelope, self.format, self.key)

    @property
    def description(self) -> ItemDescription:
        """How a record is read."""
        return ItemDescription(self.map, AttributeChoice.parse(self.attributes))


class ServingConfig(_Section):
    """What `recommend` leaves out and what it shows less; `evaluate` does the same."""

    hide_days: float = Field(
        30.0,
        ge=0,
        le=36500,
        allow_inf_nan=False,
        description="how long an event of a weight below 0 hides its item, counted in the user's own time; 0: not at all",
    )
    fade_shown: float = Field(
        5.0,
        ge=0,
        le=1e6,
        allow_inf_nan=False,
        description="impressions without an act after which an item counts half; 0: they don't matter",
    )
    popular_half_life_s: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=True,
        description="which of counts.half_lives_s tells what is popular: the nearest; default: the second. A trained model "
        "knows by itself",
    )
    popular_events: float = Field(
        0.0,
        ge=0,
        le=1000,
        allow_inf_nan=False,
        description="as many events of a user say as much as what is popular, of users with fewer than 10; 0: of those without "
        "any it is popular alone, with any it has no part. A trained model knows by itself",
    )
    probes: Path | None = Field(
        None,
        description="file of items to ask users about who have not acted yet (driftline probe); none: they get what is popular",
    )


class RetentionConfig(_Section):
    """How long users are kept that do not act (docs/privacy.md)."""

    days: float | None = Field(
        None,
        gt=0,
        le=36500,
        allow_inf_nan=False,
        description="users without an event for so many days of event time, before the latest event in the store, are dropped "
        "by the daemon; default: nobody is",
    )
    every_hours: float = Field(
        24.0, ge=0.001, le=8760, allow_inf_nan=False, description="how often a daemon looks for them"
    )


class LogConfig(_Section):
    """Structured logs on standard error."""

    level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error"
    )
    format: str = Field(
        "auto", pattern="^(auto|json|console)$", description="auto: console on a terminal, else json"
    )
