"""Where one writer keeps its counts in a store: a large part that is rarely written, and what was counted since.

Blobs of the slot S, at generation g:

- `tables/slots/S`: the head: g, and in how many parts the large part is;
- `tables/S/0/*` or `tables/S/1/*`, by g modulo 2: the parts, each marked with g;
- `tables/S/recent`: what came since, marked with g.

To add is to write `recent` again. When it has grown to a quarter of the rest, both are joined:

1. the parts of g + 1 are written beside those of g;
2. the head is: from now on `recent` of g counts for nothing, since it is in the parts.

A reader that finds marks of another generation than the head's was overtaken, and begins again. A crash between any two
steps leaves either g or g + 1 whole.

A process that takes a slot over first writes its head again, under its own lease. From then on a writer that lost the slot
without knowing it can't change the head, and what it may still write to `recent` lasts until the new holder's next write.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec
import structlog

from sinks.errors import StoreUnavailable
from sinks.leases import Lease
from sinks.protocols import BlobStore
from transfer.counts.config import CountsConfig
from transfer.counts.counts import ItemCounts, empty_counts
from transfer.counts.packing import pack_counts, unpack_counts
from transfer.counts.sums import merge_counts
from transfer.errors import CountsFormatError

log = structlog.get_logger(__name__)

HEADS = "tables/slots"
PART_BYTES = 8 << 20
SMALL_BYTES = 256 << 10
"""Up to here `recent` grows in any case."""
JOINED_AT = 4
"""And on to this part of the rest: what is written most often is the smaller of the two."""
_MARK = struct.Struct("<Q")
_TRIES = 10


class Head(msgspec.Struct, frozen=True):
    """What a slot's head says."""

    generation: int = 0
    parts: int = 0
    n_bytes: int = 0


class CountsSlot:
    """One slot in the hands of one writer. Not thread-safe."""

    def __init__(self, blobs: BlobStore, lease: Lease, config: CountsConfig) -> None:
        """lease: what the slot is held under; its name is the slot's."""
        self.lease = lease
        self._blobs = blobs
        self._config = config
        self._head: Head | None = None  # None: what is in the store is to be read first
        self._recent = empty_counts(config)

    @property
    def name(self) -> str:
        """The slot's."""
        return self.lease.name

    def add(self, counts: ItemCounts, join: bool = True) -> int:
        """Add to what is there and return how many bytes were written for it; they are in the store then.

        join: whether `recent` may be joined with the rest, if it has grown.

        Raises:
            StoreUnavailable, LeaseLost: nothing was added; with `LeaseLost` the slot is another's.
            CountsFormatError: what is there was counted with other settings, or is damaged.
        """
        if self._head is None or self._read_head() != self._head:
            self._take_over()
        assert self._head is not None
        recent = merge_counts(self._recent, counts, self._config)
        packed = pack_counts(recent, self._config)
        self._put("recent", self._head.generation, packed)
        self._recent = recent
        if join and len(packed) > max(SMALL_BYTES, self._head.n_bytes // JOINED_AT):
            try:
                self._join(self._head)
            except StoreUnavailable as error:
                # What was added is in the store; whether the head was written is read before the next time.
                self._head = None
                log.info("counts not joined", slot=self.name, error=str(error))
        return len(packed)

    def _join(self, head: Head) -> None:
        joined = merge_counts(_large(self._blobs, self.name, head, self._config), self._recent, self._config)
        packed = pack_counts(joined, self._config)
        parts = [packed[begin : begin + PART_BYTES] for begin in range(0, len(packed), PART_BYTES)]
        after = Head(head.generation + 1, len(parts), len(packed))
        for number, part in enumerate(parts):
            self._put(f"{after.generation % 2}/{number}", after.generation, part)
        self._write_head(after)
        self._recent = empty_counts(self._config)

    def _take_over(self) -> None:
        self._write_head(self._read_head() or Head())
        assert self._head is not None
        head, self._head = self._head, None
        self._recent = _recent(self._blobs, self.name, head, self._config)
        self._head = head

    def _read_head(self) -> Head | None:
        blob = self._blobs.get(f"{HEADS}/{self.name}")
        return None if blob is None else msgspec.json.decode(blob, type=Head)

    def _write_head(self, head: Head) -> None:
        self._blobs.put(f"{HEADS}/{self.name}", msgspec.json.encode(head), self.lease)
        self._head = head

    def _put(self, name: str, generation: int, content: bytes) -> None:
        self._blobs.put(f"tables/{self.name}/{name}", _MARK.pack(generation) + content, self.lease)


def read_slots(blobs: BlobStore, config: CountsConfig) -> Iterator[ItemCounts]:
    """The counts of each slot, in order of names.

    Raises:
        StoreUnavailable: the store does not answer.
        CountsFormatError: some were counted with other settings, or are damaged.
    """
    for path, blob in sorted(blobs.folder(HEADS).items()):
        yield _read_slot(blobs, path.removeprefix(f"{HEADS}/"), msgspec.json.decode(blob, type=Head), config)


class _Overtaken(Exception):
    """The writer has written the next generation meanwhile."""


def _read_slot(blobs: BlobStore, name: str, head: Head, config: CountsConfig) -> ItemCounts:
    for _ in range(_TRIES):
        try:
            recent = _recent(blobs, name, head, config)
            large = _large(blobs, name, head, config)
        except _Overtaken:
            pass
        else:
            blob = blobs.get(f"{HEADS}/{name}")
            again = Head() if blob is None else msgspec.json.decode(blob, type=Head)
            # Joined between the two reads: what was recent is missing in the large part that was read.
            if again == head:
                return merge_counts(large, recent, config)
        blob = blobs.get(f"{HEADS}/{name}")
        head = Head() if blob is None else msgspec.json.decode(blob, type=Head)
    raise CountsFormatError(
        f"the item counts {name!r} in the store have parts of different ages; restore the store, or replay the log "
        "into a new one"
    )


def _recent(blobs: BlobStore, name: str, head: Head, config: CountsConfig) -> ItemCounts:
    blob = blobs.get(f"tables/{name}/recent")
    if blob is None or _generation(blob) != head.generation:
        return empty_counts(config)
    return unpack_counts(blob[_MARK.size :], config)


def _large(blobs: BlobStore, name: str, head: Head, config: CountsConfig) -> ItemCounts:
    """Raises _Overtaken where a part is of another generation."""
    if not head.parts:
        return empty_counts(config)
    content = []
    for number in range(head.parts):
        blob = blobs.get(f"tables/{name}/{head.generation % 2}/{number}")
        if blob is None or _generation(blob) != head.generation:
            raise _Overtaken
        content.append(blob[_MARK.size :])
    return unpack_counts(b"".join(content), config)


def _generation(blob: bytes) -> int:
    return int(_MARK.unpack_from(blob)[0]) if len(blob) >= _MARK.size else -1
