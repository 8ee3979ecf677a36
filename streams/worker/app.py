"""The Faust app: all topics, one agent, into the lanes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mode import CrashingSupervisor

from streams.broker.config import BrokerConfig
from streams.broker.oauth import for_aiokafka
from streams.broker.sources import PartitionSources
from streams.events.event import Reject
from streams.settings import Settings
from streams.transport.app import BatchApp
from streams.transport.consumer import BatchConsumer
from streams.transport.fetching import FetchBounds
from streams.worker.batch import LaneBatch
from streams.worker.group_pairing import GroupStamp
from streams.worker.lanes import Lanes
from streams.worker.read_topics import ReadTopics


class GroupMembership:
    """What the app's consumer says of batches; see `streams.worker.lane_work.Membership`."""

    def __init__(self, app: BatchApp) -> None:
        self._app = app

    @property
    def _consumer(self) -> BatchConsumer:
        consumer: BatchConsumer = self._app.consumer  # type: ignore[assignment]
        return consumer

    def is_current(self, batch: LaneBatch) -> bool:
        """Whether the batch is of the present assignment."""
        return self._consumer.is_current(batch.message)

    def owns(self, batch: LaneBatch) -> bool:
        """Whether the group still says that the batch's partition is ours."""
        return self._consumer.owns(batch.message)

    def done(self, batch: LaneBatch) -> None:
        """Let the batch's offset be committed."""
        self._consumer.mark_done(batch.message)


def faust_app(settings: Settings, stamp: GroupStamp | None = None) -> BatchApp:
    """An app bound to the running event loop, without agents, not started yet. stamp: what the group is told about us."""
    daemon, broker = settings.daemon, settings.broker
    app = BatchApp(
        daemon.group,
        broker=";".join(broker.faust_urls),
        broker_credentials=credentials(broker),
        broker_client_id="driftline" if stamp is None else stamp.client_id,
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
    app.commit_metadata = "" if stamp is None else str(stamp)
    app.fetch_linger_s = daemon.linger_s
    app.isolation = broker.isolation
    app.fetch_bounds = FetchBounds(
        daemon.batch_events, max(1 << 16, daemon.in_flight_bytes // 16), daemon.max_record_bytes
    )
    return app


def connect(
    app: BatchApp,
    settings: Settings,
    lanes: Lanes,
    sources: PartitionSources,
    read: ReadTopics,
    on_problem: Callable[[str], None],
) -> None:
    """Let the app's agent feed the lanes, and the lanes follow the assignment. on_problem: called with why it can't
    continue."""

    def stop_at_refused(batch: LaneBatch) -> None:
        refused = batch.refused() if settings.daemon.on_unreadable == "stop" else []
        if refused:
            lanes.abandon()
            on_problem(refusal(batch, refused[0]))

    # One agent however many topics there are: what it holds is bounded, and its consumer hands over one list after the other.
    app.agent(app.batch_topic(*read.names), name="driftline")(_agent(read, lanes, sources, stop_at_refused))
    app.before_revoke = lanes.revoke
    app.before_commit = lanes.sync


def _agent(
    read: ReadTopics,
    lanes: Lanes,
    sources: PartitionSources,
    look: Callable[[LaneBatch], None],
) -> Any:
    async def consume(stream: Any) -> None:
        async for records in stream:
            message = stream.current_event.message
            # The identity of now: should the topic be made again, the batch is none of the new assignment.
            source = sources.identity(message.topic, message.partition)
            slot = read.slot_of(message.topic)
            batch = LaneBatch(slot, message.topic, message.partition, records, message, source)
            look(batch)
            await lanes.submit(batch)

    return consume


def crash_reason(service: Any) -> str:
    """The exception that ended a mode service or one below it."""
    reason = getattr(service, "crash_reason", None) or getattr(service, "_crash_reason", None)
    return repr(reason) if reason is not None else "see the log"


def refusal(batch: LaneBatch, refused: Reject) -> str:
    """Why the daemon ends at a record that was not unpacked, and what to do."""
    return (
        f"{batch.topic}/{batch.partition}, offset {batch.records[refused.position].offset}: a record was refused: "
        f'{refused.detail}. Raise the limit, or set daemon.on_unreadable = "skip" to continue without it '
        "(a dead letter says where it was)"
    )


def credentials(broker: BrokerConfig) -> Any:
    """Faust's form of the broker's security settings; None for plain text."""
    from faust.auth import OAuthCredentials, SASLCredentials, SSLCredentials

    context = broker.ssl_context()
    if (tokens := broker.tokens()) is not None:
        return OAuthCredentials(oauth_cb=for_aiokafka(tokens, broker.oauth_extensions), ssl_context=context)
    if broker.uses_sasl and broker.sasl_password is not None:
        return SASLCredentials(
            username=broker.sasl_username,
            password=broker.sasl_password.get_secret_value(),
            mechanism=broker.sasl_mechanism,
            ssl_context=context,
        )
    return SSLCredentials(context) if context is not None else None
