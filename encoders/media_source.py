"""From what records say of pictures and sounds to their bytes: paths inside one folder, data URIs, URLs of listed hosts."""

from __future__ import annotations

import base64
import binascii
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from encoders.media import Media, MediaUnusable, Modality
from encoders.media_config import MediaConfig
from encoders.media_reference import MediaReference
from encoders.media_urls import MediaUrls

_MOST_PATH_CHARS: Final = 4096
LocatedMedia = Media | MediaUnusable | None


class MediaSource:
    """Finds the bytes. What it downloads lies in a temporary folder until `release`. For one thread at a time."""

    def __init__(self, config: MediaConfig, urls: MediaUrls | None = None) -> None:
        self._config = config
        self._urls = urls or MediaUrls(config)
        self._downloads: tempfile.TemporaryDirectory[str] | None = None

    def locate(self, modality: Modality, references: Sequence[MediaReference | None]) -> list[LocatedMedia]:
        """The media of N references, None where there is none, or why it can't be used. What several name is read once."""
        found: dict[MediaReference, LocatedMedia] = {}
        for reference in references:
            if reference is not None and reference not in found:
                try:
                    found[reference] = self._locate(modality, reference)
                except MediaUnusable as error:
                    found[reference] = error
        return [None if reference is None else found[reference] for reference in references]

    def release(self) -> None:
        """Remove what was downloaded."""
        if self._downloads is not None:
            self._downloads.cleanup()
            self._downloads = None

    def _locate(self, modality: Modality, reference: MediaReference) -> Media:
        value, most = reference.text, self._config.max_bytes
        if reference.data:
            return Media.of_bytes(modality, reference.data, most)
        scheme = value[:8].lower().partition(":")[0]
        if scheme == "data":
            return Media.of_bytes(modality, data_uri_bytes(value, most), most)
        if scheme in ("http", "https"):
            return self._downloaded(modality, self._urls.fetch(value))
        if scheme == "file":
            value = _path_of_uri(value)
        return Media.of_file(modality, self._inside(value, reference.folder), most)

    def _inside(self, value: str, folder: str) -> Path:
        """Where the path leads, links followed, if that is in the folder."""
        if not value or len(value) > _MOST_PATH_CHARS or "\0" in value:
            raise MediaUnusable("refused", "no path")
        root = str(self._config.root.expanduser()) if self._config.root is not None else folder
        if not root:
            raise MediaUnusable("refused", "a path, and no folder is set for such (media.root)")
        root = os.path.realpath(root)
        try:
            real = os.path.realpath(os.path.join(root, value))  # noqa: PTH118  (an absolute value is looked at, too)
            is_inside = os.path.commonpath([root, real]) == root
        except (OSError, ValueError) as error:  # surrogates, loops
            raise MediaUnusable("refused", "no path") from error
        if not is_inside:
            raise MediaUnusable("refused", "a path outside its folder")
        return Path(real)

    def _downloaded(self, modality: Modality, data: bytes) -> Media:
        """On disk: of a large catalogue not all downloads fit into memory."""
        if self._downloads is None:
            self._downloads = tempfile.TemporaryDirectory(prefix="driftline-media-")
        media = Media.of_bytes(modality, data, self._config.max_bytes)
        path = Path(os.path.realpath(self._downloads.name)) / media.digest
        path.write_bytes(data)
        return Media(modality, media.digest, path=path)


def data_uri_bytes(uri: str, max_bytes: int) -> bytes:
    """What a `data:` URI holds (RFC 2397), whatever type it declares.

    Raises:
        MediaUnusable: it is damaged, or holds more than `max_bytes`.

    >>> data_uri_bytes("data:image/gif;base64,R0lG", 100)
    b'GIF'
    """
    head, comma, body = uri.partition(",")
    if not comma:
        raise MediaUnusable("broken", "a data URI without data")
    if len(body) > 3 * max_bytes + 4:
        raise MediaUnusable("too_large", f"more than {max_bytes:,} bytes")
    try:
        raw = unquote_to_bytes(body)
        return base64.b64decode(raw, validate=True) if head.lower().endswith(";base64") else raw
    except (binascii.Error, UnicodeEncodeError) as error:
        raise MediaUnusable("broken", "a damaged data URI") from error


def _path_of_uri(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise MediaUnusable("refused", "no path") from error
    if parts.netloc not in ("", "localhost"):
        raise MediaUnusable("refused", "a file of another machine")
    return unquote(parts.path)


def reference_fingerprint(located: LocatedMedia) -> str:
    """What stands for it in an item's fingerprint: the digest; "" where there is no such content.

    >>> reference_fingerprint(None), reference_fingerprint(MediaUnusable("not_found", "no such file"))
    ('', '')
    """
    return located.digest if isinstance(located, Media) else ""
