"""`driftline doctor`: whether the models of pictures and sounds load and give a vector."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from encoders.media import Modality
    from streams.settings import Settings


def tell_of_media(settings: Settings) -> list[tuple[str, bool, str]]:
    """Name, whether it works, what was found, of each modality that is encoded.

    Raises:
        EncoderError: a model can't be used; says what to change.
        MissingPackage: what it needs is not installed.
    """
    from encoders.media import Media
    from encoders.media_contents import open_media

    found = []
    for name, content in open_media(settings.encoder, settings.media).items():
        done = content.encoder.encode([Media.of_bytes(name, _trial(name), settings.media.max_bytes)])
        width = f"{content.encoder.raw_dim} -> {content.dim} dimensions"
        model = getattr(settings.encoder, name).model
        found.append((f"{name} model", done.results == ["ok"], f"{model}, {width}"))
    return found


def _trial(name: Modality) -> bytes:
    """A grey picture, or a second of noise."""
    import numpy as np

    file = io.BytesIO()
    if name == "image":
        from PIL import Image

        Image.new("RGB", (64, 64), "grey").save(file, "PNG")
    else:
        import soundfile

        noise = np.random.default_rng(0).normal(0, 0.1, 16_000)
        soundfile.write(file, noise, 16_000, format="WAV")
    return file.getvalue()
