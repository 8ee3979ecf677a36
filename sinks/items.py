"""Items' points over any collection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from sinks.attributes import check_attributes
from sinks.collection import (
    Collection,
    Found,
    Key,
    Payload,
    PointBatch,
    VectorRows,
    Where,
    WriteMode,
    in_parts,
    last_rows,
)
from sinks.config import StoreConfig
from sinks.errors import PointRefused, PointUnreadable
from sinks.item_filter import AttributeTest, flags_of
from sinks.layout import ATTRIBUTES, BASE, CONTENT, FLAGS
from sinks.points import PLACEHOLDER, WITHOUT_TEXT, ItemPoints, ItemRecord, ScoredItem, item_key
from sinks.validation import check_length, check_texts, checked_rows
from sinks.versions import moved_if_gone

_FINGERPRINTS_A_REQUEST = 256


class Items:
    """The items of one store; see `sinks.point_stores.ItemStore`."""

    def __init__(
        self,
        collection: Collection,
        config: StoreConfig,
        dim: int,
        *,
        tower: bool = False,
        confirm: Callable[[], None] | None = None,
    ) -> None:
        """tower: items have a base vector beside the one that they are searched by.
        confirm: called after what was written was acknowledged; may raise.
        """
        self._collection = collection
        self._config = config
        self._dim = dim
        self._tower = tower
        self._confirm = confirm

    def write(self, points: ItemPoints) -> list[str]:
        """Write whole points; see `sinks.point_stores.ItemStore.write`."""
        return self._write(points, WriteMode.EITHER)

    def add(self, points: ItemPoints) -> list[str]:
        """Write placeholders: items that do not exist, never over one that does."""
        return self._write(points, WriteMode.INSERT)

    def _write(self, points: ItemPoints, mode: WriteMode) -> list[str]:
        n = len(points.item_ids)
        check_texts(points.item_ids, "item ids")
        for texts, what in (
            (points.titles, "titles"),
            (points.scenarios, "scenarios"),
            (points.contents, "contents"),
        ):
            check_length(texts, n, what)
            check_texts(texts, what)
        vectors = self._vectors(points, n)
        columns = (points.item_ids, points.titles, points.scenarios, points.contents)
        payloads: list[Payload] = [
            {"item_id": item_id, "title": title, "scenario": scenario, "content": content}
            for item_id, title, scenario, content in zip(*columns, strict=True)
        ]
        size = 80 + 4 * self._dim * len(vectors)
        sizes = [size + sum(map(len, texts)) for texts in zip(*columns, strict=True)]
        if points.attributes is not None:
            check_length(points.attributes, n, "attributes")
            check_attributes(points.attributes)
            for row, attributes in enumerate(points.attributes):
                if attributes:
                    payloads[row][ATTRIBUTES] = attributes
                    sizes[row] += len(str(attributes))
                    if flags := flags_of(attributes):
                        payloads[row][FLAGS] = flags
        keys = [item_key(item_id) for item_id in points.item_ids]
        batch = PointBatch(keys, vectors, payloads, np.array(sizes, np.int64))
        last = last_rows(points.item_ids)
        if last is not None:
            batch = batch.take(last)
        batch = self._without_rivals(batch)
        owners: dict[Key, str] = {}
        for part in batch.split(self._config.batch_points, self._config.batch_bytes):
            # No two ids of a part share a key, so a point with one of these ids has the id that is written to it.
            ours = Where(equals={"item_id": tuple(payload["item_id"] for payload in part.payloads)})
            with moved_if_gone(self._confirm):
                self._collection.upsert(part, where=ours if mode == WriteMode.EITHER else None, mode=mode)
                owners |= self._owners(part.keys)
        if self._confirm is not None and n:
            self._confirm()
        # One that is gone again was deleted by its own id since.
        return [owners.get(key, item_id) for key, item_id in zip(keys, points.item_ids, strict=True)]

    def _without_rivals(self, batch: PointBatch) -> PointBatch:
        """Of rows whose ids share a key, the one that the store knows by it, else the first."""
        rows: dict[Key, list[int]] = {}
        for row, key in enumerate(batch.keys):
            rows.setdefault(key, []).append(row)
        if len(rows) == len(batch.keys):
            return batch
        owners = self._owners([key for key, several in rows.items() if len(several) > 1])
        kept = []
        for key, several in rows.items():
            of_owner = [row for row in several if batch.payloads[row]["item_id"] == owners.get(key)]
            kept.append((of_owner or several)[0])
        return batch.take(np.array(kept, np.int64))

    def _owners(self, keys: Sequence[Key]) -> dict[Key, str]:
        return {
            point.key: str(point.payload.get("item_id")) for point in self._collection.retrieve(keys, False)
        }

    def _vectors(self, points: ItemPoints, n: int) -> dict[str, VectorRows]:
        rows = checked_rows(points.vectors, n, self._dim, "item vectors")
        if not self._tower:
            if points.searched is not None:
                raise PointRefused("this version of the items has one vector each; nothing was written")
            return {CONTENT: VectorRows(rows)}
        if points.searched is None:
            raise PointRefused("this version of the items needs the model's vectors too; nothing was written")
        searched = checked_rows(points.searched, n, self._dim, "searched item vectors")
        return {CONTENT: VectorRows(searched), BASE: VectorRows(rows)}

    def read(self, keys: Sequence[int], with_vectors: bool = False) -> list[ItemRecord | None]:
        """The items in the order of `keys`; None for missing ones."""
        known: dict[int, ItemRecord] = {}
        for part in self._batches(keys):
            with moved_if_gone(self._confirm):
                found = self._collection.retrieve(part, with_vectors, settled=False)
            for point in found:
                record = _record(point, with_vectors)
                known[record.key] = record
        return [known.get(int(key)) for key in keys]

    def contents(self, fingerprints: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Per content fingerprint that any item has, the (D,) vector of such an item.

        PLACEHOLDER and WITHOUT_TEXT are not fingerprints of anything and are never found.
        """
        wanted = iter(dict.fromkeys(fingerprints))
        vectors: dict[str, NDArray[np.float32]] = {}
        while part := list(islice(wanted, _FINGERPRINTS_A_REQUEST)):
            check_texts(part, "fingerprints")
            missing = set(part) - {PLACEHOLDER, WITHOUT_TEXT}
            while missing:
                # Many items may share one content: a page tells of at least one fingerprint, and what it
                # told of need not be asked for again.
                where = Where(equals={"content": tuple(sorted(missing))})
                page, following = self._collection.scroll(2 * len(missing), None, where, True)
                for point in page:
                    vectors[point.payload["content"]] = _base(point)
                missing -= vectors.keys()
                if following is None:
                    break
        return vectors

    def search(
        self,
        vector: NDArray[np.float32],
        k: int,
        scenario: str | None = None,
        exclude: Iterable[int] = (),
        tests: Sequence[AttributeTest] = (),
    ) -> list[ScoredItem]:
        """The up to `k` items nearest to `vector` (D,) that pass all tests, best first, without the keys in `exclude`."""
        if k <= 0:
            return []
        if np.ndim(vector) != 1:
            raise PointRefused("a search takes one vector")
        (query,) = checked_rows(np.asarray(vector)[None], 1, self._dim, "search vector")
        equals: dict[str, tuple[str, ...]] = {}
        if scenario is not None:
            check_texts([scenario], "scenario")
            equals["scenario"] = (scenario,)
        where = Where(
            equals, tuple({int(key) for key in exclude}), all_of=tuple(test.where() for test in tests)
        )
        with moved_if_gone(self._confirm):
            found = self._collection.search(CONTENT, query, k, where)
        return [
            ScoredItem(record.key, record.item_id, record.title, record.scenario, point.score)
            for point in found
            for record in (_record(point, with_vectors=False),)
        ]

    def delete(self, keys: Sequence[int]) -> None:
        """Remove items; missing keys are no error."""
        for part in self._batches(keys):
            self._collection.delete(part)
        if self._confirm is not None and len(keys):
            self._confirm()

    def delete_named(self, item_ids: Sequence[str]) -> None:
        """Remove items by their whole ids; see `sinks.point_stores.ItemStore.delete_named`."""
        check_texts(item_ids, "item ids")
        for part in in_parts(list(dict.fromkeys(item_ids)), self._config.batch_points):
            ours = Where(equals={"item_id": tuple(part)})
            self._collection.delete([item_key(item_id) for item_id in part], ours)
        if self._confirm is not None and item_ids:
            self._confirm()

    def scan(self, batch: int, with_vectors: bool = False) -> Iterator[list[ItemRecord]]:
        """All items, at most `batch` at a time, in order of keys."""
        after: Key | None = None
        while True:
            found, after = self._collection.scroll(batch, after, None, with_vectors)
            if found:
                yield [_record(point, with_vectors) for point in found]
            if after is None:
                return

    def count(self) -> int:
        """How many items there are, exactly."""
        return self._collection.count(settled=False)

    def _batches(self, keys: Sequence[int]) -> Iterator[list[int]]:
        distinct = list(dict.fromkeys(int(key) for key in keys))
        for start in range(0, len(distinct), self._config.batch_points):
            yield distinct[start : start + self._config.batch_points]


def _record(point: Found, with_vectors: bool) -> ItemRecord:
    payload = point.payload
    try:
        return ItemRecord(
            key=int(point.key),
            item_id=payload["item_id"],
            title=payload["title"],
            scenario=payload["scenario"],
            content=payload["content"],
            vector=_base(point) if with_vectors else None,
            searched=point.vectors[CONTENT] if with_vectors else None,
            attributes=payload.get(ATTRIBUTES, {}),
        )
    except (KeyError, ValueError) as error:
        raise PointUnreadable(
            f"the point {point.key} of the items was not written by Driftline ({type(error).__name__}); "
            "delete it, or choose another store"
        ) from error


def _base(point: Found) -> NDArray[np.float32]:
    base = point.vectors.get(BASE)
    return point.vectors[CONTENT] if base is None else base
