"""Bytes that are nearly right: seeds of a format, damaged in the ways that files and records are."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

AWKWARD = (
    *(b"", b"\x00", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\x80" * 9),
    *(b'"', b"{", b"}", b"[" * 60, b",", b"\n", b"\r", b"-", b"=", b"#", b"\\u0000"),
    *(b"1e999", b"NaN", b"null", b"0" * 40),
)


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds after a few edits: bytes changed, cut out, put in, repeated, moved, or taken from another seed."""
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 40)))
        match draw(st.sampled_from(["change", "cut", "put", "repeat", "borrow", "end", "any"])):
            case "change":
                for at in range(start, end):
                    content[at] = draw(st.integers(0, 255))
            case "cut":
                del content[start:end]
            case "put":
                content[start:start] = draw(st.sampled_from(AWKWARD))
            case "repeat":
                content[start:start] = content[start:end] * draw(st.integers(1, 30))
            case "borrow":
                other = draw(st.sampled_from(seeds))
                content[start:end] = other[start % (len(other) + 1) :][:60]
            case "end":
                del content[start:]
            case "any":
                content[start:end] = draw(st.binary(max_size=12))
    return bytes(content)
