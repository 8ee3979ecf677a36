"""What the broker says about the dead-letter topic."""

from __future__ import annotations

from streams.broker.config import BrokerConfig
from streams.broker.topics import admin_client, describe_topics


class LetterTopic:
    """Asks the broker again each time. Blocking; see `streams.letters.sender.TopicFacts`."""

    def __init__(self, broker: BrokerConfig, name: str) -> None:
        self._broker = broker
        self._name = name

    def limit(self) -> int | None:
        """The topic's `max.message.bytes`; None where the broker gives none."""
        from kafka.admin import ConfigResource, ConfigResourceType

        setting = "max.message.bytes"
        with admin_client(self._broker) as admin:
            resource = ConfigResource(ConfigResourceType.TOPIC, self._name, {setting: ""})
            described = admin.describe_configs([resource], config_filter="all")
        values = [kind.get(self._name, {}).get(setting, {}).get("value") for kind in described.values()]
        return next((int(value) for value in values if value is not None), None)

    def exists(self) -> bool:
        """Whether the topic exists."""
        return describe_topics(self._broker, [self._name])[self._name] is not None
