"""Topic administration and the first contact with a broker."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from streams.broker.config import BrokerConfig
from streams.errors import BrokerError, BrokerUnavailable
from streams.topics.layout import INTERNAL

if TYPE_CHECKING:
    from kafka.admin import KafkaAdminClient

CONTACT_S = 3.0
REQUEST_S = 15.0
_TOPIC_EXISTS = 36
_UNKNOWN_TOPIC = 3


def cluster_id(broker: BrokerConfig, contact_s: float = CONTACT_S) -> str:
    """The cluster's identity, part of the name of each watermark.

    Raises:
        BrokerUnavailable: no connection within `contact_s`.
        BrokerError: it answers without an identity, or refuses.
    """
    with admin_client(broker, contact_s) as admin:
        found = admin.describe_cluster().get("cluster_id")
    if not found:
        raise BrokerError(f"the broker at {broker.url} gives no cluster id; watermarks need one")
    return str(found)


def describe_topics(broker: BrokerConfig, names: Sequence[str]) -> dict[str, int | None]:
    """Partition count of each topic, None where it does not exist."""
    with admin_client(broker) as admin:
        return _partitions(admin, names)


def existing_topics(broker: BrokerConfig) -> list[str]:
    """Names of all topics that the broker lets us see, Kafka's own left out.

    Raises:
        BrokerUnavailable, BrokerError
    """
    with admin_client(broker) as admin:
        return sorted(str(name) for name in admin.list_topics() if not name.startswith(INTERNAL))


def missing_topics(found: Mapping[str, int | None]) -> str | None:
    """What is wrong with the topics and how to fix it, or None. found: partition count by name, None if missing."""
    missing = [name for name, count in found.items() if count is None]
    if not missing:
        return None
    return (
        f"no such topic: {', '.join(missing)}. The daemon creates none; create them with your broker's tool, "
        "or for a trial with: driftline simulate --broker URL"
    )


def ensure_topics(broker: BrokerConfig, topics: Mapping[str, int], replication: int = 1) -> list[str]:
    """Create the topics that do not exist, with these partition counts; return what was created.

    A topic that exists is left as it is, whatever its partition count. Two processes may do this at once.

    Raises:
        BrokerError: the broker refuses one; the text names it.
    """
    with admin_client(broker) as admin:
        existing = _partitions(admin, list(topics))
        missing = {name: count for name, count in topics.items() if existing[name] is None}
        if not missing:
            return []
        answer = admin.create_topics(
            {
                name: {"num_partitions": count, "replication_factor": replication}
                for name, count in missing.items()
            },
            raise_errors=False,
        )
        created = []
        for topic in answer["topics"]:
            if topic["error_code"] == 0:
                created.append(topic["name"])
            elif topic["error_code"] != _TOPIC_EXISTS:
                raise BrokerError(
                    f"topic {topic['name']!r} could not be created: "
                    f"{topic.get('error_message') or _error_name(topic['error_code'])}"
                )
        admin.wait_for_topics(list(missing))
    return created


def _partitions(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, int | None]:
    if not names:
        return {}
    found: dict[str, int | None] = dict.fromkeys(names)
    for topic in admin.describe_topics(list(names)):
        if topic["error_code"] == _UNKNOWN_TOPIC:
            continue
        if not topic["partitions"]:
            raise BrokerError(f"topic {topic['name']!r} can't be read: {_error_name(topic['error_code'])}")
        found[topic["name"]] = len(topic["partitions"])
    return found


def _error_name(code: int) -> str:
    from kafka import errors

    return str(errors.for_code(code).__name__)


def _someone_listens(broker: BrokerConfig, timeout_s: float) -> bool:
    for address in broker.addresses:
        host, _, port = address.rpartition(":")
        with suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), timeout_s):
            return True
    return False


@contextmanager
def admin_client(broker: BrokerConfig, contact_s: float = CONTACT_S) -> Iterator[KafkaAdminClient]:
    """kafka-python's admin client for some calls.

    Raises:
        BrokerUnavailable: no connection within `contact_s`, or an answer that may be another one later.
        BrokerError: it refuses.
    """
    from kafka import errors
    from kafka.admin import KafkaAdminClient

    options: dict[str, Any] = {
        "bootstrap_timeout_ms": int(contact_s * 1000),
        "request_timeout_ms": int(REQUEST_S * 1000),
    }
    # What is wrong with files and credentials by themselves is said as what it is, not as silence.
    connection = broker.kafka_python()
    if (tokens := broker.tokens()) is not None:
        tokens.token()
    # The client tries a refused port until its time is up; we wait with a backoff of our own.
    if not _someone_listens(broker, contact_s):
        raise BrokerUnavailable(f"no Kafka broker answers at {broker.url}: nothing listens there")
    admin = None
    try:
        admin = KafkaAdminClient(**connection, **options)
        yield admin
    except (errors.KafkaError, OSError) as error:
        if isinstance(error, errors.BrokerResponseError) and not isinstance(error, errors.RetriableError):
            raise BrokerError(f"the broker at {broker.url} refuses: {type(error).__name__}") from None
        if isinstance(error, errors.BrokerResponseError):
            raise BrokerUnavailable(
                f"the broker at {broker.url} is not ready yet: {type(error).__name__}"
            ) from None
        raise BrokerUnavailable(  # a wrong password looks like silence
            f"{broker.url} accepts connections, but gives no answer as {broker.security_protocol} "
            f"({type(error).__name__}); if this lasts, check security_protocol and credentials"
        ) from None
    finally:
        if admin is not None:
            admin.close()
