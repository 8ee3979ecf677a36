"""Counts <-> one versioned string of bytes: little-endian, checksummed, compressed, no pickle.

Layout: `magic | version | checksum | fingerprint | zlib(head | columns | names)`; the checksum covers all that follows it.
"""

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from transfer.counts.config import COUNTS_VERSION, CountsConfig
from transfer.counts.counts import ItemCounts
from transfer.errors import CountsFormatError
from transfer.rows import offsets_of, sizes_of

MAGIC = b"DLIT"
_PREFIX = struct.Struct("<4sIQQ")
_CHECKED_FROM = 16
_HEAD = struct.Struct("<dQQQQQQ")
_LEVEL = 1
"""Of compression: higher ones take several times as long for a tenth less."""
ANEW = "delete the store's counts by replaying the log into a new store, or restore the store"


def pack_counts(counts: ItemCounts, config: CountsConfig) -> bytes:
    """The counts as bytes.

    Raises:
        ValueError: counts of another number of half-lives.

    >>> from transfer.counts.counts import empty_counts
    >>> config = CountsConfig()
    >>> unpack_counts(pack_counts(empty_counts(config), config), config).horizons
    4
    """
    if counts.horizons != len(config.half_lives_s):
        raise ValueError(
            f"counts of {counts.horizons} half-lives, the settings say {len(config.half_lives_s)}"
        )
    names = [name.encode("utf-8", "surrogatepass") for name in counts.scenarios]
    lengths = np.array([len(name) for name in names], "<u4")
    head = _HEAD.pack(
        counts.t_ref,
        len(counts.items),
        len(names),
        len(counts.share_item),
        counts.horizons,
        counts.pairs,
        int(lengths.sum()),
    )
    columns = (
        counts.items.astype("<u8"),
        counts.share_scenario.astype("<i4"),
        counts.share_item.astype("<i4"),
        # By column, which compresses better.
        counts.share_counts.T.astype("<f4"),
        counts.share_totals.astype("<f8"),
        sizes_of(counts.pair_offsets).astype("<u4"),
        counts.pair_item.astype("<i4"),
        counts.pair_counts.T.astype("<f4"),
        counts.pair_totals.astype("<f4"),
        lengths,
    )
    body = zlib.compress(b"".join([head, *(column.tobytes() for column in columns), *names]), _LEVEL)
    checked = int(config.fingerprint(), 16).to_bytes(8, "little") + body
    return MAGIC + struct.pack("<IQ", COUNTS_VERSION, xxh3_64_intdigest(checked)) + checked


def unpack_counts(packed: bytes, config: CountsConfig) -> ItemCounts:
    """The counts whose bytes these are.

    Raises:
        CountsFormatError: no counts, cut short or damaged, of another version or of other settings.
    """
    if len(packed) < _PREFIX.size or packed[:4] != MAGIC:
        raise CountsFormatError(f"these are no item counts (or cut short); {ANEW}")
    _, version, checksum, fingerprint = _PREFIX.unpack_from(packed)
    if version != COUNTS_VERSION:
        raise CountsFormatError(
            f"the item counts have version {version}, this release reads {COUNTS_VERSION}; "
            "use the release that wrote them, or replay the log into a new store"
        )
    if xxh3_64_intdigest(packed[_CHECKED_FROM:]) != checksum:
        raise CountsFormatError(f"the item counts are cut short or damaged; {ANEW}")
    if fingerprint != int(config.fingerprint(), 16):
        raise CountsFormatError(
            "the item counts were counted with other settings (counts.half_lives_s, pair_window, pair_events or "
            "pair_half_life_s); set them as they were, or replay the log into a new store"
        )
    return _Body(zlib.decompress(packed[_PREFIX.size :])).read()


class _Body:
    """Reads columns one after the other; what passed the checksum is whole."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def read(self) -> ItemCounts:
        t_ref, items, scenarios, rows, horizons, pairs, _ = _HEAD.unpack_from(self._content)
        self._at = _HEAD.size
        keys = self._column("<u8", items, np.uint64)
        share_scenario = self._column("<i4", rows, np.int32)
        share_item = self._column("<i4", rows, np.int32)
        by_column = self._column("<f4", rows * 2 * horizons, np.float32).reshape(2 * horizons, rows)
        totals = self._column("<f8", scenarios * 2 * horizons, np.float64).reshape(scenarios, 2 * horizons)
        sizes = self._column("<u4", items, np.int64)
        pair_item = self._column("<i4", pairs, np.int32)
        pair_counts = self._column("<f4", pairs * 2, np.float32).reshape(2, pairs)
        pair_totals = self._column("<f4", items * 2, np.float32).reshape(items, 2)
        lengths = self._column("<u4", scenarios, np.int64)
        names = []
        for length in lengths.tolist():
            names.append(self._content[self._at : self._at + length].decode("utf-8", "surrogatepass"))
            self._at += length
        return ItemCounts(
            t_ref=t_ref,
            items=keys,
            scenarios=tuple(names),
            share_scenario=share_scenario,
            share_item=share_item,
            share_counts=np.ascontiguousarray(by_column.T),
            share_totals=totals,
            pair_offsets=offsets_of(sizes),
            pair_item=pair_item,
            pair_counts=np.ascontiguousarray(pair_counts.T),
            pair_totals=pair_totals,
        )

    def _column(self, stored: str, count: int, wanted: type) -> npt.NDArray[Any]:
        column = np.frombuffer(self._content, stored, count, self._at)
        self._at += column.nbytes
        return column.astype(wanted)
