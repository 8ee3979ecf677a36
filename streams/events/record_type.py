"""A generated struct for the fields of a description: msgspec fills it from JSON, or from decoded objects, in one pass.

msgspec, not orjson: 2.3 times as many events a second into the same columns (benchmarks/decode.py), since it checks the types
itself and builds no dictionary of fields that are not asked for.

There are two of them. The strict one has plain types and no null where a field is needed, which is fast; the loose one takes
whatever a scalar may be. Both have the same attributes. What neither takes is left to `streams.events.record_walk`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, Final

import msgspec

from streams.errors import SettingsError
from streams.events.paths import Path, is_place, path_text

LooseValue = str | int | float | None
_EACH: Final = "[]"
"""Stands in a tree for the places of an array, which are of one struct."""
_Tree = dict[str, Any]
"""Key -> tree, or names of the fields that end there."""


class RecordType:
    """One generated struct.

    Args:
        paths: field -> path.
        kinds: field -> its strict type; None: the loose struct.
        required: fields without which the strict struct does not take a record.

    Raises:
        SettingsError: a path ends where another goes on, or a key is none that JSON is searched for.
    """

    def __init__(
        self, paths: Mapping[str, Path], kinds: Mapping[str, Any] | None, required: Sequence[str] = ()
    ) -> None:
        self._kinds = kinds
        self._required = set(required)
        tree = _tree(paths)
        try:
            struct = self._struct(tree)
        except ValueError as error:
            raise SettingsError(f"events: {error}") from None
        self.decode: Callable[[Any], Any] = msgspec.json.Decoder(struct).decode
        """JSON -> a struct"""
        self.convert: Callable[[Any], Any] = partial(msgspec.convert, type=struct)
        """an object -> a struct"""
        self.nothing = struct() if kinds is None else None
        """a record without any of the fields; of the loose struct"""
        self._steps = {field: _steps(tree, path) for field, path in paths.items()}
        self._getters = {
            field: _all_of(steps)
            for field, steps in self._steps.items()
            if not any(isinstance(step, int) for step in steps)
        }

    def column(self, records: Sequence[Any], field: str, *, strict: bool) -> list[Any]:
        """The field of each record, None where there is none.

        strict: all records are of the strict struct, so that no object on the way is null.
        """
        if strict and field in self._getters:
            return self._getters[field](records)
        level = list(records)
        for step in self._steps[field]:
            if isinstance(step, int):
                level = [None if value is None or len(value) <= step else value[step] for value in level]
            else:
                get = attrgetter(step)
                level = [None if value is None else get(value) for value in level]
        return level

    def _struct(self, tree: _Tree) -> Any:
        fields: list[Any] = []
        for number, below in enumerate(tree.values()):
            kind, default = self._member(below)
            name = f"k{number}"
            fields.append((name, kind) if default is msgspec.NODEFAULT else (name, kind, default))
        return msgspec.defstruct(
            "Record",
            fields,
            rename={f"k{number}": key for number, key in enumerate(tree)},
            frozen=True,
            gc=False,
            kw_only=True,
        )

    def _member(self, below: Any) -> tuple[Any, Any]:
        """Type and default."""
        needed = self._kinds is not None and not self._required.isdisjoint(_fields_of(below))
        if isinstance(below, list):
            if self._kinds is None:
                return LooseValue, None
            kind = self._kinds[below[0]]
            return (kind, msgspec.NODEFAULT) if needed else (kind | None, None)
        if _EACH in below:
            # Another place of the array may lack what this one needs.
            inner = below[_EACH]
            element: Any = LooseValue if isinstance(inner, list) else self._loose(inner) | None
            return list[element] | None, None
        struct = self._struct(below)
        if self._kinds is None:
            return struct | None, None
        return struct, msgspec.NODEFAULT if needed else struct()

    def _loose(self, tree: _Tree) -> Any:
        kinds, self._kinds = self._kinds, None
        try:
            return self._struct(tree)
        finally:
            self._kinds = kinds


def _all_of(steps: Sequence[str | int]) -> Callable[[Sequence[Any]], list[Any]]:
    """Reads an attribute of many structs. The expression is made of our own names (k0, k1, ...), as dataclasses make theirs:
    it takes half the time of `map` with an attrgetter, a tenth of all decoding.
    """
    dotted = ".".join(map(str, steps))
    getter: Callable[[Sequence[Any]], list[Any]] = eval(f"lambda records: [one.{dotted} for one in records]")  # noqa: S307
    return getter


def _tree(paths: Mapping[str, Path]) -> _Tree:
    arrays = _arrays(paths.values())
    tree: _Tree = {}
    for field, path in paths.items():
        at: Any = tree
        for depth, key in enumerate(path):
            shape = _EACH if path[:depth] in arrays else key
            last = depth == len(path) - 1
            at = at.setdefault(shape, [] if last else {})
            if isinstance(at, list) != last:
                raise SettingsError(
                    f"events: {path_text(path[: depth + 1])} is one value and an object with values in it"
                )
        at.append(field)
    return tree


def _arrays(paths: Any) -> set[Path]:
    """Beginnings of paths below which all keys are places of an array."""
    keys: dict[Path, set[str]] = {}
    for path in paths:
        for depth in range(1, len(path)):
            keys.setdefault(path[:depth], set()).add(path[depth])
    return {above for above, below in keys.items() if all(map(is_place, below))}


def _steps(tree: _Tree, path: Path) -> tuple[str | int, ...]:
    """Attributes and places on the way to a field."""
    found: list[str | int] = []
    at: Any = tree
    for key in path:
        if _EACH in at:
            found.append(int(key))
            at = at[_EACH]
        else:
            found.append(f"k{list(at).index(key)}")
            at = at[key]
    return tuple(found)


def _fields_of(below: Any) -> Iterator[str]:
    if isinstance(below, list):
        yield from below
    else:
        for one in below.values():
            yield from _fields_of(one)
