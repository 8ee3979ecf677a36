"""A catalogue read once: of each item the one row that counts, kept in a temporary file, so that memory is bounded.

Of several rows of one item the last counts, whole. A row without a text counts only where the item has none with one: shops
export a product as several rows, of which the first alone has title and description, and the others are variants of it.
"""

from __future__ import annotations

import hashlib
import secrets
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

import msgspec
import numpy as np
import xxhash

from encoders.prepare import item_text
from sinks.points import item_key
from streams.events.event import ItemRow, Reject
from streams.events.reject_summary import RejectSummary
from streams.files.catalogue_file import Catalogue
from transfer.arrays import I64, U64, Bool

SHOWN_REJECTS: Final = 5

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[ItemRow]).decode


class CatalogueRows:
    """The rows that count, numbered 0..N-1 in the order of the files. Close it, or use it as a context."""

    def __init__(self, catalogue: Catalogue, progress: Callable[[int], None] | None = None) -> None:
        """Read the files. `progress` gets the number of rows read.

        Raises:
            LogError: a file is damaged inside.
        """
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the rows)
        self._sizes: list[tuple[int, int]] = []  # bytes and rows of each batch
        self.read = 0
        """rows of the files"""
        self.rejects = RejectSummary()
        self.first_rejects: list[Reject] = []
        self.unnamed = 0
        """rejected rows whose item can't be read either"""
        self.left_out: Counter[str] = Counter()
        """fields that are no attributes -> in how many rows"""
        try:
            refused = self._spool(catalogue, progress)
            self._choose()
        except BaseException:
            self.close()
            raise
        self.refused_keys: U64 = np.array(sorted(refused), np.uint64)
        """of items that rejected rows name"""

    @property
    def rejected(self) -> int:
        """Rows that are no items."""
        return sum(self.rejects.by_reason.values())

    @property
    def repeated(self) -> int:
        """Rows of items of which another row counts."""
        return self.read - self.rejected - len(self.keys)

    def __len__(self) -> int:
        return len(self.keys)

    def batches(self, wanted: Bool | None = None) -> Iterator[tuple[int, list[ItemRow]]]:
        """Rows in order, some thousand at a time, each list with the number of its first one among the rows (N,) `wanted`."""
        self._file.seek(0)
        chosen = self._chosen if wanted is None else _spread(self._chosen, wanted)
        position = number = 0
        for size, count in self._sizes:
            data = self._file.read(size)
            mask = chosen[position : position + count]
            position += count
            if mask.any():
                rows = _decode(data)
                kept = (
                    rows
                    if mask.all()
                    else [row for row, take in zip(rows, mask.tolist(), strict=True) if take]
                )
                yield number, kept
                number += len(kept)

    def text_rows(self, most: int) -> Bool:
        """(N,) the rows with the first of each distinct text; of more than `most` texts so many, evenly over the files."""
        digests, first = np.unique(self.texts, return_index=True)
        rows = np.sort(first[digests != 0])
        if len(rows) > most:  # evenly, since a catalogue may be sorted
            rows = rows[(np.arange(most) * (len(rows) / most)).astype(np.int64)]
        mask = np.zeros(len(self.keys), np.bool_)
        mask[rows] = True
        return mask

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _spool(self, catalogue: Catalogue, progress: Callable[[int], None] | None) -> set[int]:
        # Another secret each time, so that nobody can make two ids that are one to us.
        secret = secrets.token_bytes(16)
        ids, keys, texts = bytearray(), [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
        refused: set[int] = set()
        for batch in catalogue:
            data = _encode(batch.rows)
            self._file.write(data)
            self._sizes.append((len(data), len(batch.rows)))
            for row in batch.rows:
                ids += hashlib.blake2b(row.item_id.encode(), digest_size=16, key=secret).digest()
            keys.append(np.array([item_key(row.item_id) for row in batch.rows], np.uint64))
            texts.append(np.array([text_digest(row) for row in batch.rows], np.uint64))
            self.rejects.add(batch.rejects)
            self.first_rejects += batch.rejects[: SHOWN_REJECTS - len(self.first_rejects)]
            self.unnamed += batch.refused_ids.count(None)
            refused |= {item_key(item_id) for item_id in batch.refused_ids if item_id is not None}
            self.left_out += batch.left_out
            rows = len(batch.rows) + len(batch.rejects)
            self.read += rows
            if progress is not None:
                progress(rows)
        self._ids: U64 = np.frombuffer(bytes(ids), np.uint64).reshape(-1, 2)
        self.keys: U64 = np.concatenate(keys)
        """(N,) of the items, as in the store"""
        self.texts: U64 = np.concatenate(texts)
        """(N,) a digest of each text; 0: there is none"""
        return refused

    def _choose(self) -> None:
        worded = self.texts != 0
        order: I64 = np.lexsort((np.arange(len(worded)), worded, self._ids[:, 0], self._ids[:, 1]))
        ordered = self._ids[order]
        last = np.ones(len(order), np.bool_)
        last[:-1] = (ordered[1:] != ordered[:-1]).any(axis=1)
        self._chosen: Bool = np.zeros(len(order), np.bool_)
        self._chosen[order[last]] = True
        self.keys, self.texts = self.keys[self._chosen], self.texts[self._chosen]
        del self._ids


def text_digest(row: ItemRow) -> int:
    """64 bits of the text that is encoded of a row; 0: it has none."""
    text = item_text(row.title, row.description)
    return (xxhash.xxh3_64_intdigest(text.encode("utf-8", "replace")) or 1) if text else 0


def _spread(chosen: Bool, wanted: Bool) -> Bool:
    found = chosen.copy()
    found[chosen] = wanted
    return found
