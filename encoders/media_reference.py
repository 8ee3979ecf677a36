"""MediaReference: what a record says of an item's picture or sound, before anybody looked for it."""

from __future__ import annotations

import msgspec


class MediaReference(msgspec.Struct, frozen=True):
    """Bytes, or a text that names them: a path, a `file:` or `data:` URI, a URL."""

    text: str = ""
    folder: str = ""
    """that a path is relative to: the catalogue file's; "" of a record that lies in no folder"""
    data: bytes = b""
    """these count, if there are any"""
