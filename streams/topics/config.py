"""Settings of the topics: what they are called, which are read, and what stands in each."""

from __future__ import annotations

import re
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from streams.topics.layout import DEFAULT_ACTIONS, TopicLayout, TopicPattern
from streams.topics.slot import CONSENTS_SLOT, ITEMS_SLOT, PROFILES_SLOT, TopicSlot


class EventTopicConfig(BaseModel):
    """`[topics.events.NAME]`: a topic, or all topics that match a pattern, and how their records are read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    topic: str | None = Field(None, min_length=1, description="name of the topic, without the prefix")
    pattern: str | None = Field(
        None,
        min_length=1,
        description="in place of a name: a regular expression that the whole name, without the prefix, has to match; topics "
        "that appear later are found within daemon.metadata_age_s",
    )
    rest: bool = Field(
        False, description="with a pattern: topics that another slot takes are left to it, not refused"
    )
    action: str | None = Field(
        None, min_length=1, description="action of all events; without it each names its own"
    )
    description: dict[str, Any] = Field(
        {}, description="what is otherwise than in [events], by the same keys"
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return pattern

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.topic is None) == (self.pattern is None):
            raise ValueError("give either topic, a name, or pattern, a regular expression of names")
        if self.rest and self.pattern is None:
            raise ValueError("rest is for a pattern: a topic that is named belongs to its slot alone")
        return self


class TopicsConfig(BaseModel):
    """Names of the topics; `prefix` stands before each of them. `[topics.events.NAME]` describes other layouts than the three
    topics clicks, purchases and browses (docs/topics.md); where one is given, these are read only if they are named, too."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    prefix: str = Field("", description="stands before each topic name")
    clicks: str = Field("clicks", description="topic of clicks")
    purchases: str = Field("purchases", description="topic of purchases")
    browses: str = Field("browses", description="topic of browses")
    items: str = Field("items", description="topic of catalogue records")
    consents: str | None = Field(
        None,
        min_length=1,
        description="topic of consents of users who were forgotten (docs/privacy.md); default: none is read",
    )
    profiles: str | None = Field(
        None,
        min_length=1,
        description="topic of what users declare of themselves (docs/declared.md); default: none is read",
    )
    dead_letters: str = Field("dead-letters", description="topic of records that could not be applied")
    events: dict[str, EventTopicConfig] = Field(
        {},
        description="other topics of events than these three: tables `[topics.events.NAME]` with topic or pattern, action, "
        "rest and description (docs/topics.md)",
    )
    partitions: int = Field(4, ge=1, description="partition count of topics that Driftline creates")
    replication: int = Field(1, ge=1, description="replication factor of topics that Driftline creates")

    @model_validator(mode="after")
    def _each_topic_once(self) -> Self:
        self.layout()
        return self

    def name(self, topic: str) -> str:
        """Full name of one of the five topics, by its field name."""
        return self.prefix + str(getattr(self, topic))

    def by_action(self) -> dict[str, str]:
        """Action -> full name of the default topic."""
        return {action: self.name(field) for field, action in DEFAULT_ACTIONS.items()}

    def layout(self) -> TopicLayout:
        """Which topics are read.

        Raises:
            ValueError: two slots have one topic; names them.
        """
        named: list[tuple[str, TopicSlot]] = []
        patterns: list[TopicPattern] = []
        for field, action in DEFAULT_ACTIONS.items():
            if field in self.model_fields_set or not self.events:
                named.append((self.name(field), TopicSlot(field, action)))
        for name, slot in self.events.items():
            made = TopicSlot(name, slot.action)
            if slot.topic is not None:
                named.append((self.prefix + slot.topic, made))
            else:
                patterns.append(
                    TopicPattern(made, self.prefix, re.compile(str(slot.pattern)), rest=slot.rest)
                )
        if self.consents is not None:
            named.append((self.name("consents"), CONSENTS_SLOT))
        if self.profiles is not None:
            named.append((self.name("profiles"), PROFILES_SLOT))
        return TopicLayout.of(
            [*named, (self.name("items"), ITEMS_SLOT)], patterns, dead_letters=self.name("dead_letters")
        )

    def all_names(self) -> list[str]:
        """The topics that have to exist: those of events that are named, the items and the dead letters."""
        return self.layout().required
