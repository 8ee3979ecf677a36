"""Tables <-> one versioned string of bytes: little-endian, checksummed, compressed, no pickle.

Layout: `magic | version | checksum | fingerprint | zlib(head | columns | names)`; the checksum covers all that follows it.
"""

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from transfer.counts.config import TABLES_VERSION, TablesConfig
from transfer.counts.counts import ItemTables
from transfer.errors import TablesFormatError
from transfer.rows import offsets_of, sizes_of

MAGIC = b"DLIT"
_PREFIX = struct.Struct("<4sIQQ")
_CHECKED_FROM = 16
_HEAD = struct.Struct("<dQQQQQQ")
_LEVEL = 1
"""Of compression: higher ones take several times as long for a tenth less."""
ANEW = "delete the store's tables by replaying the log into a new store, or restore the store"


def pack_counts(tables: ItemTables, config: TablesConfig) -> bytes:
    """The tables as bytes.

    Raises:
        ValueError: tables of another number of half-lives.

    >>> from transfer.counts.counts import empty_tables
    >>> config = TablesConfig()
    >>> unpack_counts(pack_counts(empty_tables(config), config), config).horizons
    4
    """
    if tables.horizons != len(config.half_lives_s):
        raise ValueError(
            f"tables of {tables.horizons} half-lives, the settings say {len(config.half_lives_s)}"
        )
    names = [name.encode("utf-8", "surrogatepass") for name in tables.scenarios]
    lengths = np.array([len(name) for name in names], "<u4")
    head = _HEAD.pack(
        tables.t_ref,
        len(tables.items),
        len(names),
        len(tables.share_item),
        tables.horizons,
        tables.pairs,
        int(lengths.sum()),
    )
    columns = (
        tables.items.astype("<u8"),
        tables.share_scenario.astype("<i4"),
        tables.share_item.astype("<i4"),
        # By column, which compresses better.
        tables.share_counts.T.astype("<f4"),
        tables.share_totals.astype("<f8"),
        sizes_of(tables.pair_offsets).astype("<u4"),
        tables.pair_item.astype("<i4"),
        tables.pair_counts.T.astype("<f4"),
        tables.pair_totals.astype("<f4"),
        lengths,
    )
    body = zlib.compress(b"".join([head, *(column.tobytes() for column in columns), *names]), _LEVEL)
    checked = int(config.fingerprint(), 16).to_bytes(8, "little") + body
    return MAGIC + struct.pack("<IQ", TABLES_VERSION, xxh3_64_intdigest(checked)) + checked


def unpack_counts(packed: bytes, config: TablesConfig) -> ItemTables:
    """The tables whose bytes these are.

    Raises:
        TablesFormatError: no tables, cut short or damaged, of another version or of other settings.
    """
    if len(packed) < _PREFIX.size or packed[:4] != MAGIC:
        raise TablesFormatError(f"these are no item tables (or cut short); {ANEW}")
    _, version, checksum, fingerprint = _PREFIX.unpack_from(packed)
    if version != TABLES_VERSION:
        raise TablesFormatError(
            f"the item tables have version {version}, this release reads {TABLES_VERSION}; "
            "use the release that wrote them, or replay the log into a new store"
        )
    if xxh3_64_intdigest(packed[_CHECKED_FROM:]) != checksum:
        raise TablesFormatError(f"the item tables are cut short or damaged; {ANEW}")
    if fingerprint != int(config.fingerprint(), 16):
        raise TablesFormatError(
            "the item tables were counted with other settings (tables.half_lives_s, pair_window, pair_events or "
            "pair_half_life_s); set them as they were, or replay the log into a new store"
        )
    return _Body(zlib.decompress(packed[_PREFIX.size :])).tables()


class _Body:
    """Reads columns one after the other; what passed the checksum is whole."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def tables(self) -> ItemTables:
        t_ref, items, scenarios, rows, horizons, pairs, _ = _HEAD.unpack_from(self._content)
        self._at = _HEAD.size
        keys = self._column("<u8", items, np.uint64)
        share_scenario = self._column("<i4", rows, np.int32)
        share_item = self._column("<i4", rows, np.int32)
        counts = self._column("<f4", rows * 2 * horizons, np.float32).reshape(2 * horizons, rows)
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
        return ItemTables(
            t_ref=t_ref,
            items=keys,
            scenarios=tuple(names),
            share_scenario=share_scenario,
            share_item=share_item,
            share_counts=np.ascontiguousarray(counts.T),
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
