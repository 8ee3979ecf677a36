"""What a user declared, as a section behind a packed state's names; nothing for users without any.

A head, records of equal size, and then the records' texts in UTF-8 one after the other: of each record scenario, language and
text. The head says how long it and the records are, so that fields may be appended to either. A state with this section has
version 3: a release that does not know it must not drop it with the user's next event.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from transfer.state.declared import DeclaredRow, DeclaredStates, declared_of
from transfer.state.sections import section, sections

DECLARED: Final = b"DCLR"
_HEAD: Final = np.dtype(
    [("head_bytes", "<u4"), ("record_bytes", "<u2"), ("records", "<u4"), ("withdrawn", "<f8")]
)
_LENGTHS: Final = ("scenario", "language", "text")


def pack_declared(declared: DeclaredStates) -> list[bytes]:
    """The section of each user, b"" for none."""
    kind = _record(declared.vector.shape[1])
    records = np.empty(len(declared.time), kind)
    records["time"], records["digest"], records["vector"] = declared.time, declared.digest, declared.vector
    texts = []
    for row, named in enumerate(zip(declared.scenario, declared.language, declared.text, strict=True)):
        raw = [one.encode("utf-8", "surrogatepass") for one in named]
        for name, one in zip(_LENGTHS, raw, strict=True):
            records[name][row] = len(one)
        texts.append(b"".join(raw))
    packed = [b""] * declared.users
    for user in np.flatnonzero(declared.some()).tolist():
        start, end = declared.offsets[user : user + 2].tolist()
        head = np.array([(_HEAD.itemsize, kind.itemsize, end - start, declared.withdrawn[user])], _HEAD)
        content = head.tobytes() + records[start:end].tobytes() + b"".join(texts[start:end])
        packed[user] = section(DECLARED, content)
    return packed


def unpack_declared(contents: Sequence[bytes], dim: int) -> DeclaredStates | None:
    """Of the users whose sections these are (b"" for none), which are whole; None: nobody has any."""
    each: list[list[DeclaredRow]] = [[] for _ in contents]
    withdrawn = np.full(len(contents), -np.inf)
    found = False
    for user, content in enumerate(contents):
        for tag, part in sections(content):
            if tag == DECLARED:
                withdrawn[user], each[user] = _read(part, dim)
                found = True
    return declared_of(each, withdrawn, dim) if found else None


def whole_declared(content: bytes, dim: int) -> bool:
    """Whether the content of a section is as long as it says, and holds numbers and text."""
    try:
        withdrawn, rows = _read(content, dim)
    except (ValueError, UnicodeDecodeError):
        return False
    return withdrawn < np.inf and all(np.isfinite(row.time) and np.isfinite(row.vector).all() for row in rows)


def _read(content: bytes, dim: int) -> tuple[float, list[DeclaredRow]]:
    """Raises ValueError where it is not whole."""
    if len(content) < _HEAD.itemsize:
        raise ValueError("no head")
    head = np.frombuffer(content, _HEAD, 1)[0]
    kind, size, count = _record(dim), int(head["record_bytes"]), int(head["records"])
    start = int(head["head_bytes"])
    at = start + size * count
    if start < _HEAD.itemsize or size < kind.itemsize or at > len(content):
        raise ValueError("records are missing")
    there = np.frombuffer(content[start:at], np.uint8).reshape(count, size)[:, : kind.itemsize]
    records = np.ascontiguousarray(there).view(kind)[:, 0] if count else np.empty(0, kind)
    rows = []
    for record in records:
        texts = []
        for name in _LENGTHS:
            end = at + int(record[name])
            if end > len(content):
                raise ValueError("texts are missing")
            texts.append(content[at:end].decode("utf-8", "surrogatepass"))
            at = end
        scenario, language, text = texts
        vector = record["vector"].astype(np.float32)
        rows.append(
            DeclaredRow(scenario, float(record["time"]), int(record["digest"]), text, language, vector)
        )
    if at != len(content):
        raise ValueError("more than it says")
    return float(head["withdrawn"]), rows


def _record(dim: int) -> np.dtype[Any]:
    return np.dtype(
        [
            ("time", "<f8"),
            ("digest", "<u8"),
            ("scenario", "<u2"),
            ("language", "<u2"),
            ("text", "<u4"),
            ("vector", "<f4", (dim,)),
        ]
    )
