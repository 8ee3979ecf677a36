"""Filters as the embedded engine takes them."""

from __future__ import annotations

from typing import Any

import qdrant_edge as edge

from sinks.collection import Bound, Where

_SIDES = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


def edge_filter(where: Where | None) -> edge.Filter | None:
    """The engine's filter; None where every point matches."""
    if where is None or where.everything:
        return None
    must: list[Any] = [
        edge.FieldCondition(field, match=edge.MatchAny(list(values)))
        for field, values in where.equals.items()
    ]
    must += [
        edge.Filter(
            should=[
                edge.FieldCondition(field, range=edge.RangeFloat(lte=limit)),
                edge.IsEmptyCondition(field),
            ]
        )
        for field, limit in where.at_most.items()
    ]
    must += [_is(field, value) for field, value in where.exactly.items()]
    if where.among is not None:
        must.append(edge.HasIdCondition(set(where.among)))
    if where.any_of:
        must.append(edge.Filter(should=_filters(where.any_of)))
    must += _filters(where.all_of)
    must += [_within(bound) for bound in where.bounds]
    must += [edge.IsEmptyCondition(field) for field in where.absent]
    must_not: list[Any] = [edge.HasIdCondition(set(where.without))] if where.without else []
    must_not += [_is(field, value) for field, value in where.other_than.items()]
    must_not += _filters(where.none_of)
    return edge.Filter(must=must, must_not=must_not)


def _filters(wheres: tuple[Where, ...]) -> list[Any]:
    return [edge_filter(one) or edge.Filter() for one in wheres]


def _within(bound: Bound) -> edge.FieldCondition:
    side = _SIDES[bound.comparison]
    if isinstance(bound.value, str):
        return edge.FieldCondition(bound.field, range=edge.RangeDateTime(**{side: bound.value}))
    return edge.FieldCondition(bound.field, range=edge.RangeFloat(**{side: bound.value}))


def _is(field: str, value: int) -> edge.FieldCondition:
    return edge.FieldCondition(field, match=edge.MatchValue(value))
