"""What kind of file some bytes are, by their first ones: names and declared types are never believed."""

from __future__ import annotations

from encoders.media import MediaUnusable, Modality


def require_format(data: bytes, modality: Modality) -> None:
    """Whether the bytes begin as a picture (JPEG, PNG, WebP, GIF) or a sound (WAV, FLAC, Ogg, MP3) does.

    Raises:
        MediaUnusable: they begin otherwise.

    >>> require_format(b"GIF89a...", "image")
    >>> require_format(b"<svg xmlns=", "image")
    Traceback (most recent call last):
        ...
    encoders.media.MediaUnusable: no JPEG, PNG, WebP or GIF
    """
    if not data:
        raise MediaUnusable("broken", "empty")
    if modality == "image" and not _is_image(data):
        raise MediaUnusable("wrong_format", "no JPEG, PNG, WebP or GIF")
    if modality == "audio" and not _is_audio(data):
        raise MediaUnusable("wrong_format", "no WAV, FLAC, Ogg or MP3")


def _is_image(data: bytes) -> bool:
    is_webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    return is_webp or data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a"))


def _is_audio(data: bytes) -> bool:
    is_wave = data[:4] in (b"RIFF", b"RF64") and data[8:12] == b"WAVE"
    # A frame of an MP3 begins with eleven ones, then version and layer III.
    is_frame = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2
    return is_wave or is_frame or data.startswith((b"fLaC", b"OggS", b"ID3"))
