"""The Faust app: four topics, four agents, all of them into one lane."""

from __future__ import annotations

import asyncio
from typing import Any

from faust.types import TP
from mode import CrashingSupervisor

from streams.broker_config import BrokerConfig
from streams.lane import ITEMS, Batch, Lane
from streams.settings import Settings
from streams.transport import BatchApp


class Progress:
    """What the monitor needs to know of each partition: when the newest processed record was sent, or else the first one
    that waits."""

    def __init__(self) -> None:
        self.sent_at: dict[TP, float] = {}
        self.batches = 0


def faust_app(settings: Settings, lane: Lane, progress: Progress) -> BatchApp:
    """An app bound to the running event loop, not started yet."""
    daemon, broker = settings.daemon, settings.broker
    app = BatchApp(
        daemon.group,
        broker=";".join(broker.faust_urls),
        broker_credentials=credentials(broker),
        loop=asyncio.get_running_loop(),
        store="memory://",
        datadir=None,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        agent_supervisor=CrashingSupervisor,
        # Lists of records, not records: few of them hold what the consumer may read ahead.
        stream_buffer_maxsize=2,
        broker_max_poll_records=daemon.batch_events,
        consumer_max_fetch_size=daemon.fetch_bytes,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=int(daemon.metadata_age_s * 1000),
        broker_commit_interval=daemon.commit_interval_s,
        broker_session_timeout=daemon.session_timeout_s,
        broker_heartbeat_interval=daemon.heartbeat_s,
        broker_rebalance_timeout=daemon.rebalance_timeout_s,
        broker_request_timeout=max(90.0, daemon.session_timeout_s + 10.0),
    )
    topics = {**settings.topics.by_action(), ITEMS: settings.topics.name("items")}
    for kind, topic in topics.items():
        app.agent(app.batch_topic(topic), name=f"driftline-{kind}")(_agent(app, kind, lane, progress))

    async def on_assigned(sender: Any, *partitions: Any, **kwargs: Any) -> None:
        lane.forget_users()

    app.on_partitions_assigned.connect(on_assigned, weak=False)  # type: ignore[arg-type]  # coroutines may connect

    return app


def _agent(app: BatchApp, kind: str, lane: Lane, progress: Progress) -> Any:
    async def consume(stream: Any) -> None:
        async for records in stream:
            consumer: Any = app.consumer
            message = stream.current_event.message
            if not consumer.is_current(message):
                continue  # handed over before a rebalance: whoever holds the partition now reads it again
            progress.sent_at.setdefault(message.tp, records[0].timestamp / 1000)
            if await lane.submit(Batch(kind, message.topic, message.partition, records)):
                consumer.mark_done(message)
                progress.sent_at[message.tp] = records[-1].timestamp / 1000
                progress.batches += 1

    return consume


def credentials(broker: BrokerConfig) -> Any:
    """Faust's form of the broker's security settings; None for plain text."""
    from faust.auth import SASLCredentials, SSLCredentials

    context = broker.ssl_context()
    if broker.uses_sasl and broker.sasl_password is not None:
        return SASLCredentials(
            username=broker.sasl_username,
            password=broker.sasl_password.get_secret_value(),
            mechanism=broker.sasl_mechanism,
            ssl_context=context,
        )
    return SSLCredentials(context) if context is not None else None
