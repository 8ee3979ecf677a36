"""The private names of Faust, and of aiokafka below it, that the transport relies on; a test checks that they still exist."""

from __future__ import annotations

PRIVATE_NAMES: dict[str, tuple[str, ...]] = {
    "faust.transport.consumer:Consumer": (
        "_drain_messages",
        "_wait_next_records",
        "_filter_tps_with_pending_acks",
        "_committed_offset",
        "_new_offset",
        "_should_commit",
        "_commit",
        "_read_offset",
        "_acked",
        "_acked_index",
        "_buffered_partitions",
    ),
    "faust.transport.consumer:ThreadDelegateConsumer": ("_thread",),
    "faust.transport.drivers.aiokafka:Consumer": ("_new_consumer_thread",),
    "mode.services:Service": ("_stopped",),
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread": (
        "_create_worker_consumer",
        "_ensure_consumer",
        "_fetch_records",
    ),
    "faust.transport.conductor:Conductor": ("_update_indices",),
    "faust.app.base:App": ("_new_transport", "_create_directories"),
    "aiokafka.consumer.consumer:AIOKafkaConsumer": (
        "_fetch_max_wait_ms",
        "_auto_offset_reset",
        "_isolation_level",
        "_coordinator",
        "_fetcher",
        "_subscription",
    ),
    # streams/transport/fetching.py, from here to PartitionRecords
    "aiokafka.consumer.fetcher:Fetcher": (
        "_records",
        "_subscriptions",
        "_closed",
        "_wait_consume_future",
        "_create_fetch_waiter",
        "_notify",
    ),
    "aiokafka.consumer.fetcher:FetchResult": ("_partition_records", "_update_position", "check_assignment"),
    "aiokafka.consumer.fetcher:FetchError": ("_error",),
    "aiokafka.consumer.fetcher:PartitionRecords": (
        "_records",
        "_consumer_record",
        "_check_crcs",
        "_isolation_level",
    ),
    "aiokafka.consumer.group_coordinator:GroupCoordinator": (
        "generation",
        "coordinator_id",
        "request_rejoin",
    ),
}
