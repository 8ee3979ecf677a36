"""The request encoded by hand is the one that the generated classes would send."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import grpc as messages

from sinks.collection import Key, PointBatch, VectorRows, Where, WriteMode
from sinks.server.messages import encode_condition
from sinks.server.wire import encode_count, encode_set_payload, encode_upsert

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


def value_message(value: Any) -> Any:
    if value is None:
        return messages.Value(null_value=0)
    if isinstance(value, bool):
        return messages.Value(bool_value=value)
    if isinstance(value, int):
        return messages.Value(integer_value=value)
    if isinstance(value, float):
        return messages.Value(double_value=value)
    if isinstance(value, str):
        return messages.Value(string_value=value)
    if isinstance(value, list):
        return messages.Value(list_value=messages.ListValue(values=map(value_message, value)))
    fields = {name: value_message(item) for name, item in value.items()}
    return messages.Value(struct_value=messages.Struct(fields=fields))


def reference(collection: str, *batches: PointBatch) -> Any:
    """The same request from the generated classes."""
    request = messages.UpsertPoints(collection_name=collection, wait=True)
    for batch in batches:
        add_points(request, batch)
    return request


def add_points(request: Any, batch: PointBatch) -> None:
    for position, (key, payload) in enumerate(zip(batch.keys, batch.payloads, strict=True)):
        point = request.points.add()
        point.id.CopyFrom(messages.PointId(num=key) if isinstance(key, int) else messages.PointId(uuid=key))
        point.vectors.vectors.SetInParent()
        for name, value in (payload | batch.shared).items():
            point.payload[name].CopyFrom(value_message(value))
        for name, named in batch.vectors.items():
            vectors = point.vectors.vectors.vectors
            if named.offsets is None:
                vectors[name].dense.data.extend(named.rows[position].tolist())
                continue
            rows = named.rows[named.offsets[position] : named.offsets[position + 1]]
            for row in rows:
                vectors[name].multi_dense.vectors.add().data.extend(row.tolist())


@st.composite
def batches(draw: st.DrawFn) -> PointBatch:
    n, dim = draw(st.integers(0, 5)), draw(st.sampled_from([1, 2, 31, 32, 33, 128, 5000]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    counts = draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    vectors = {
        draw(texts): VectorRows(rng.normal(size=(n, dim)).astype(np.float32)),
        "interests": VectorRows(rng.normal(size=(int(offsets[-1]), dim)).astype(np.float32), offsets),
    }
    keys = st.integers(0, 2**64 - 1) | st.uuids().map(str)
    return PointBatch(
        draw(st.lists(keys, min_size=n, max_size=n)),
        draw(st.sampled_from([vectors, {}])),
        draw(st.lists(st.dictionaries(texts, values, max_size=5), min_size=n, max_size=n)),
        np.ones(n, np.int64),
        draw(st.just({}) | st.dictionaries(texts, values, max_size=2)),
    )


@settings(deadline=None, max_examples=60)
@given(texts, st.lists(batches(), max_size=2))
def test_request_is_what_the_generated_classes_send(collection: str, several: list[PointBatch]) -> None:
    """For any points, the bytes parse to the message that the generated classes build."""
    encoded = encode_upsert(collection, several)
    assert messages.UpsertPoints.FromString(encoded) == reference(collection, *several)


def test_large_strings_and_slices_of_a_matrix() -> None:
    """States of any size, and rows that are a view of a larger matrix, are encoded right."""
    rows = np.arange(64, dtype=np.float64).reshape(4, 16)[:, ::2].astype(np.float32)
    batch = PointBatch(
        [str(uuid.uuid4()) for _ in range(2)],
        {"fused": VectorRows(rows[2:])},
        [{"state": "x" * size} for size in (127, 3_000_000)],
        np.ones(2, np.int64),
    )
    assert messages.UpsertPoints.FromString(encode_upsert("c", [batch])) == reference("c", batch)


def test_values_that_are_not_json_are_refused() -> None:
    """A payload value that JSON does not know is an error, not a guess."""
    batch = PointBatch([1], {}, [{"when": object()}], np.ones(1, np.int64))
    with pytest.raises(TypeError, match="JSON"):
        encode_upsert("c", [batch])


def test_a_condition_is_sent_as_the_update_filter() -> None:
    """Points that are there and don't match the condition are left alone by the server: it must get it."""
    batch = PointBatch([7], {}, [{"content": ""}], np.ones(1, np.int64))
    match = messages.Match(keyword="")
    condition = messages.Filter(
        must=[messages.Condition(field=messages.FieldCondition(key="content", match=match))]
    )
    sent = messages.UpsertPoints.FromString(encode_upsert("c", [batch], condition.SerializeToString()))
    assert sent.update_filter == condition
    assert len(sent.points) == 1


points_ids = st.lists(st.integers(0, 2**64 - 1) | st.uuids().map(str), max_size=6)


def among(keys: list[Key]) -> Any:
    ids = [messages.PointId(num=key) if isinstance(key, int) else messages.PointId(uuid=key) for key in keys]
    return messages.Condition(has_id=messages.HasIdCondition(has_id=ids))


def is_number(field: str, number: int) -> Any:
    return messages.Condition(field=messages.FieldCondition(key=field, match=messages.Match(integer=number)))


@settings(deadline=None, max_examples=60)
@given(batches(), st.sampled_from(WriteMode), st.integers(1, 2**53))
def test_held_users_are_replaced_and_new_ones_inserted(
    batch: PointBatch, mode: WriteMode, token: int
) -> None:
    """The mode is sent as the enumeration of the protocol, beside the condition that the writer is the token."""
    batch = replace(batch, shared={"writer": token, "fence": 2**62})
    encoded = encode_upsert("users", [batch], encode_condition(Where(exactly={"writer": token})), mode)
    sent = messages.UpsertPoints.FromString(encoded)
    expected = reference("users", batch)
    expected.update_filter.must.append(is_number("writer", token))
    modes = {WriteMode.INSERT: "InsertOnly", WriteMode.UPDATE: "UpdateOnly"}
    if mode in modes:
        expected.update_mode = messages.UpdateMode.Value(modes[mode])
    assert sent == expected


@settings(deadline=None, max_examples=60)
@given(texts, points_ids, st.integers(1, 2**53))
def test_count_and_claim_name_their_points(collection: str, keys: list[Key], token: int) -> None:
    """A count asks for the points among the ids that are the writer's, a claim for those that are not."""
    mine = encode_condition(Where(among=keys, exactly={"writer": token}))
    condition = messages.Filter(must=[is_number("writer", token), among(keys)])
    assert messages.CountPoints.FromString(encode_count(collection, mine)) == messages.CountPoints(
        collection_name=collection, filter=condition, exact=True
    )
    others = encode_condition(Where(among=keys, other_than={"writer": token}))
    assert others is not None
    sent = encode_set_payload(collection, {"writer": token, "fence": 2**62}, others)
    chosen = messages.Filter(must=[among(keys)], must_not=[is_number("writer", token)])
    assert messages.SetPayloadPoints.FromString(sent) == messages.SetPayloadPoints(
        collection_name=collection,
        wait=True,
        payload={"writer": messages.Value(integer_value=token), "fence": messages.Value(integer_value=2**62)},
        points_selector=messages.PointsSelector(filter=chosen),
    )


def test_all_points_are_counted_without_a_condition() -> None:
    """No condition is none on the wire either."""
    counted = messages.CountPoints.FromString(encode_count("c", encode_condition(Where())))
    assert counted == messages.CountPoints(collection_name="c", exact=True)


def test_one_of_several_conditions() -> None:
    """Conditions of which one has to hold are sent as filters within a filter."""
    where = Where(any_of=(Where(among=(1,), at_most={"next": 4}), Where(among=(2,), at_most={"next": 9})))
    encoded = encode_condition(where)
    assert encoded is not None
    (inner,) = messages.Filter.FromString(encoded).must
    assert [one.filter.must[1] for one in inner.filter.should] == [among([1]), among([2])]
    bounds = [one.filter.must[0].filter.should[0].field.range.lte for one in inner.filter.should]
    assert bounds == [4, 9]
