"""Producers as they are met: any codec, headers, nothing in place of key or value, transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

from streams.broker.config import BrokerConfig
from support.data.record_sets import Row

LARGEST = 19_000_000


def send_batch(
    broker: BrokerConfig, topic: str, rows: Sequence[Row], codec: str | None = None, partition: int = 0
) -> None:
    """All rows as one batch; key and value may both be absent."""

    async def send() -> None:
        async with AIOKafkaProducer(
            **broker.aiokafka(),
            compression_type=codec,
            max_batch_size=1 << 30,
            max_request_size=LARGEST,
            acks="all",
        ) as producer:
            batch = producer.create_batch()
            for key, value, headers in rows:
                assert batch.append(key=key, value=value, timestamp=None, headers=headers) is not None
            await (await producer.send_batch(batch, topic, partition=partition))

    asyncio.run(send())


def send_transactions(
    broker: BrokerConfig,
    topic: str,
    transactions: Sequence[tuple[Sequence[tuple[bytes, bytes]], str]],
    partition: int = 0,
) -> None:
    """Each transaction's records and how it ends: `commit`, `abort`, or `hang` (the producer goes away, as by SIGKILL)."""

    async def send() -> None:
        for number, (rows, end) in enumerate(transactions):
            producer = AIOKafkaProducer(
                **broker.aiokafka(),
                transactional_id=f"{topic}-{number}",
                transaction_timeout_ms=600_000,
            )
            await producer.start()
            await producer.begin_transaction()
            futures: list[Any] = [
                await producer.send(topic, key=key, value=value, partition=partition) for key, value in rows
            ]
            await producer.flush()
            for future in futures:
                await future
            if end == "commit":
                await producer.commit_transaction()
            elif end == "abort":
                await producer.abort_transaction()
            if end == "hang":
                await producer.client.close()
            else:
                await producer.stop()

    asyncio.run(send())
