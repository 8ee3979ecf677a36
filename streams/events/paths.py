"""Paths into a record: `context.customer.id`, `items.0.sku`, and `@key` or `@header.NAME` for what stands beside its value."""

from __future__ import annotations

from typing import Final

Path = tuple[str, ...]
"""Keys from the outside in; one of digits alone is also a place in an array."""

BESIDE: Final = "@"
"""A path that begins so is about the record, not its value; the caller supplies what it holds."""
OUTSIDE: Final = "@envelope."
"""A path that begins so starts at the envelope around an event, where there is one; others start at the event."""
MOST_STEPS: Final = 32


def parse_path(text: str) -> Path:
    r"""The keys of a path: dots stand between them, `\.` is a dot in a key and `\\` a backslash.

    >>> parse_path("context.customer.id"), parse_path(r"price\.net")
    (('context', 'customer', 'id'), ('price.net',))

    Raises:
        ValueError: an empty key, a backslash before nothing to escape, or too many keys.
    """
    keys = [""]
    characters = iter(text)
    for character in characters:
        if character == "\\":
            escaped = next(characters, "")
            if escaped not in (".", "\\"):
                raise ValueError(rf"{text!r} is no path: a backslash stands before a dot (\.) or a backslash")
            keys[-1] += escaped
        elif character == ".":
            keys.append("")
        else:
            keys[-1] += character
    if not all(keys):
        raise ValueError(rf"{text!r} is no path: a key is empty; a dot that is part of a key is written \.")
    if len(keys) > MOST_STEPS:
        raise ValueError(f"a path of {len(keys)} keys is too long; {MOST_STEPS} are the most")
    return tuple(keys)


def path_text(path: Path) -> str:
    r"""The text that `parse_path` reads as this path.

    >>> path_text(("a.b", "c"))
    'a\\.b.c'
    """
    return ".".join(key.replace("\\", "\\\\").replace(".", r"\.") for key in path)


def is_place(key: str) -> bool:
    """Whether a key may be a place in an array.

    >>> is_place("0"), is_place("x1")
    (True, False)
    """
    return key.isascii() and key.isdigit() and len(key) < 7
