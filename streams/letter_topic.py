"""What the broker says of the dead-letter topic."""

from __future__ import annotations

from streams.broker_config import BrokerConfig
from streams.topics import describe_topics, topic_setting


class LetterTopic:
    """Asks the broker anew each time. Blocking; see `streams.dead_letters.TopicFacts`."""

    def __init__(self, broker: BrokerConfig, name: str) -> None:
        self._broker = broker
        self._name = name

    def limit(self) -> int | None:
        """The topic's `max.message.bytes`; None where the broker tells none."""
        told = topic_setting(self._broker, self._name, "max.message.bytes")
        return None if told is None else int(told)

    def exists(self) -> bool:
        """Whether the topic is there."""
        return describe_topics(self._broker, [self._name])[self._name] is not None
