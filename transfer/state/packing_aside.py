"""What speaks against items and what was shown, as sections behind a packed state's names; nothing for users without any.

The content of a section (`transfer/state/sections.py`) begins with a head that says how long head and records are; fields may
be appended to either, as to the records of `transfer/state/layout.py`.
"""

from collections.abc import Sequence

import numpy as np

from transfer.rows import offsets_of, sizes_of
from transfer.state.aside import AsideStates, HiddenRows, ShownRows, empty_aside
from transfer.state.blocks import from_blocks, to_blocks
from transfer.state.layout import Records
from transfer.state.sections import section, sections

AGAINST, SHOWN = b"AGST", b"SHWN"
_SIZES = [("head_bytes", "<u4"), ("record_bytes", "<u2"), ("records", "<u4")]
_HIDDEN = np.dtype([("key", "<u8"), ("time", "<f8"), ("item", "<u8"), ("action", "u1")])
_SHOWN_HEAD = np.dtype(_SIZES)
_SHOWN = np.dtype([("item", "<u8"), ("count", "<f8"), ("number", "<u4"), ("last", "<f8")])


def pack_aside(aside: AsideStates) -> list[bytes]:
    """The sections of each user, b"" for none."""
    users = aside.users
    head = np.zeros(users, _against_head(aside.sums.shape[1]))
    head["head_bytes"], head["record_bytes"] = head.dtype.itemsize, _HIDDEN.itemsize
    head["records"] = sizes_of(aside.hidden.offsets)
    head["t_against"], head["n_against"], head["mass"] = aside.t_against, aside.n_against, aside.mass
    head["exponent"], head["sums"] = to_blocks(aside.sums)
    hidden = np.empty(len(aside.hidden.key), _HIDDEN)
    for name in _HIDDEN.names or ():
        hidden[name] = getattr(aside.hidden, name)
    shown_head = np.zeros(users, _SHOWN_HEAD)
    shown_head["head_bytes"], shown_head["record_bytes"] = _SHOWN_HEAD.itemsize, _SHOWN.itemsize
    shown_head["records"] = sizes_of(aside.shown.offsets)
    shown = np.empty(len(aside.shown.item), _SHOWN)
    for name in _SHOWN.names or ():
        shown[name] = getattr(aside.shown, name)
    parts = (
        (AGAINST, head, hidden, aside.hidden.offsets.tolist(), aside.n_against > 0),
        (SHOWN, shown_head, shown, aside.shown.offsets.tolist(), shown_head["records"] > 0),
    )
    packed = [b""] * users
    for tag, heads, records, bounds, some in parts:
        for user in np.flatnonzero(some).tolist():
            content = heads[user].tobytes() + records[bounds[user] : bounds[user + 1]].tobytes()
            packed[user] += section(tag, content)
    return packed


def unpack_aside(contents: Sequence[bytes], dim: int) -> AsideStates | None:
    """Of the users whose sections these are (b"" for none), which are whole; None: nobody has any."""
    heads = empty_aside(len(contents), dim)
    hidden: list[Records] = [np.zeros(0, _HIDDEN)]
    shown: list[Records] = [np.zeros(0, _SHOWN)]
    sizes = np.zeros((2, len(contents)), np.int64)
    found = False
    exponent, sums = np.zeros(len(contents), np.int16), np.zeros((len(contents), dim), np.int32)
    for user, content in enumerate(contents):
        for tag, part in sections(content):
            if tag == AGAINST:
                (head,), records = _parts(part, _against_head(dim), _HIDDEN)
                heads.t_against[user], heads.n_against[user] = head["t_against"], head["n_against"]
                heads.mass[user] = head["mass"]
                exponent[user], sums[user] = head["exponent"], head["sums"]
                hidden.append(records)
                sizes[0, user] = len(records)
                found = True
            elif tag == SHOWN:
                _, records = _parts(part, _SHOWN_HEAD, _SHOWN)
                shown.append(records)
                sizes[1, user] = len(records)
                found = True
    if not found:
        return None
    against, seen = np.concatenate(hidden), np.concatenate(shown)
    return AsideStates(
        heads.t_against,
        heads.n_against,
        heads.mass,
        from_blocks(exponent, sums),
        HiddenRows(
            offsets_of(sizes[0]),
            against["key"].astype(np.uint64),
            against["time"].astype(np.float64),
            against["item"].astype(np.uint64),
            against["action"].astype(np.uint8),
        ),
        ShownRows(
            offsets_of(sizes[1]),
            seen["item"].astype(np.uint64),
            seen["count"].astype(np.float64),
            seen["number"].astype(np.uint32),
            seen["last"].astype(np.float64),
        ),
    )


def _against_head(dim: int) -> np.dtype:
    return np.dtype(
        [
            *_SIZES,
            ("t_against", "<f8"),
            ("n_against", "<i8"),
            ("mass", "<f8"),
            ("exponent", "<i2"),
            ("sums", "<i4", (dim,)),
        ]
    )


def whole_aside(content: bytes) -> bool:
    """Whether the content of a section of either kind is as long as it says.

    >>> whole_aside(b"x")
    False
    """
    if len(content) < _SHOWN_HEAD.itemsize:
        return False
    sizes = np.frombuffer(content, _SHOWN_HEAD, 1)[0]
    least, record = int(sizes["head_bytes"]), int(sizes["record_bytes"])
    return (
        least >= _SHOWN_HEAD.itemsize
        and record > 0
        and len(content) == least + record * int(sizes["records"])
    )


def _parts(content: bytes, head: np.dtype, record: np.dtype) -> tuple[Records, Records]:
    """Head (1,) and records (N,): fields that are not known are skipped, missing ones are zero."""
    sizes = np.frombuffer(content, _SHOWN_HEAD, 1)[0]
    size = int(sizes["head_bytes"])
    return (
        _as_records(content[:size], size, head),
        _as_records(content[size:], int(sizes["record_bytes"]), record),
    )


def _as_records(content: bytes, size: int, kind: np.dtype) -> Records:
    there = np.frombuffer(content, np.uint8).reshape(-1, size)[:, : kind.itemsize]
    padded = np.zeros((len(there), kind.itemsize), np.uint8)
    padded[:, : there.shape[1]] = there
    return padded.view(kind)[:, 0]
