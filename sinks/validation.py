"""Refusals before a write: what an engine would accept and then serve wrongly, or refuse half-way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sinks.errors import PointRefused

# The engine leaves a vector whose sum of squares is below float32's epsilon as it is instead of scaling it to
# length 1, and one whose sum overflows becomes zero; either would rank last in every search.
_LEAST_SQUARE = float(np.finfo(np.float32).eps)
_INT64 = range(-(2**63), 2**63)


def checked_rows(rows: NDArray[Any], n: int, dim: int, what: str) -> NDArray[np.float32]:
    """`rows` as (n, dim) contiguous float32, every row finite and of a length that can be scaled to 1.

    Raises:
        PointRefused: otherwise, naming the first bad row.
    """
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.kind != "f":
        raise PointRefused(f"{what} must be a matrix of floats, not {_describe(rows)}")
    if rows.shape != (n, dim):
        raise PointRefused(f"{what} has the shape {rows.shape}, needed is ({n}, {dim})")
    with np.errstate(over="ignore", invalid="ignore"):
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        squares = np.einsum("ij,ij->i", rows, rows)
    good = np.isfinite(squares) & (squares >= _LEAST_SQUARE)
    if not good.all():
        row = int(np.argmin(good))
        if not np.isfinite(rows[row]).all():
            why = "is not finite"
        elif np.isfinite(squares[row]):
            why = f"is zero or nearly so (length {float(squares[row]) ** 0.5:.3g})"
        else:
            why = "is too long for float32"
        raise PointRefused(f"{what}: row {row} {why}; nothing was written")
    return rows


def check_length(values: Sequence[Any] | NDArray[Any], n: int, what: str) -> None:
    """One value a point.

    Raises:
        PointRefused: otherwise.
    """
    if len(values) != n:
        raise PointRefused(f"{n} ids but {len(values)} {what}; nothing was written")


def check_texts(texts: Sequence[str], what: str) -> None:
    """All are strings that UTF-8 can carry (no lone surrogates).

    Raises:
        PointRefused: otherwise, naming the row but not the text.
    """
    try:
        "".join(texts).encode()
    except (TypeError, UnicodeEncodeError) as error:
        for row, text in enumerate(texts):
            if not isinstance(text, str) or not _encodes(text):
                raise PointRefused(f"{what}: row {row} is not text that UTF-8 can carry") from error
        raise


def checked_integers(rows: Sequence[Mapping[str, Any]], what: str) -> Sequence[Mapping[str, int]]:
    """The mappings with plain integers of 64 bits: `rows` itself where they are that already.

    Raises:
        PointRefused: a value is no such integer.
    """
    values = _values(rows, what)
    if not set(map(type, values)) <= {int}:
        try:
            rows = [{key: value.__index__() for key, value in row.items()} for row in rows]
        except AttributeError as error:
            raise PointRefused(f"{what} must be integers") from error
        values = _values(rows, what)
    if values and not (min(values) >= -(2**63) and max(values) < 2**63):
        row = next(
            row for row, held in enumerate(rows) if not all(value in _INT64 for value in held.values())
        )
        raise PointRefused(f"{what}: row {row} has an integer beyond 64 bits")
    _check_keys(rows, what)
    return rows


def checked_floats(rows: Sequence[Mapping[str, Any]], what: str) -> Sequence[Mapping[str, float]]:
    """The mappings with plain finite floats: `rows` itself where they are that already.

    Raises:
        PointRefused: a value is not finite or no number.
    """
    values = _values(rows, what)
    if not set(map(type, values)) <= {float}:
        try:
            rows = [{key: float(value) for key, value in row.items()} for row in rows]
        except (TypeError, ValueError) as error:
            raise PointRefused(f"{what} must be numbers") from error
        values = _values(rows, what)
    if not all(map(isfinite, values)):
        row = next(row for row, held in enumerate(rows) if not all(map(isfinite, held.values())))
        raise PointRefused(f"{what}: row {row} has a number that is not finite")
    _check_keys(rows, what)
    return rows


def _values(rows: Sequence[Mapping[str, Any]], what: str) -> list[Any]:
    try:
        return list(chain.from_iterable([row.values() for row in rows]))
    except AttributeError as error:
        raise PointRefused(f"{what} must be mappings") from error


def _check_keys(rows: Sequence[Mapping[str, Any]], what: str) -> None:
    # The same few names come with every row: each is looked at once.
    check_texts(list(set(chain.from_iterable(rows))), f"keys of {what}")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _describe(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.ndim} axes and type {value.dtype}"
    return f"a {type(value).__name__}"
