"""The encoders of pictures and sounds that the settings name."""

from __future__ import annotations

from typing import Any

from encoders.config import EncoderConfig
from encoders.kept_vectors import kept_vectors
from encoders.media import Modality
from encoders.media_config import MediaConfig
from encoders.media_content import MediaContent
from encoders.media_encoder import MediaEncoder


def open_media(config: EncoderConfig, limits: MediaConfig) -> dict[Modality, MediaContent]:
    """Each one's content vectors. Loads no weights.

    Raises:
        EncoderConfigError: there is no such model.
        MissingPackage: a packaged model is not installed.
    """
    opened: dict[Modality, MediaContent] = {}
    encoder: MediaEncoder[Any]
    for name in config.media:
        if name == "image":
            from encoders.image import image_encoder

            encoder, share = image_encoder(config.image, limits, config.threads), config.image.share
        else:
            from encoders.audio import audio_encoder

            encoder, share = audio_encoder(config.audio, limits, config.threads), config.audio.share
        kept = kept_vectors(config, encoder.fingerprint, encoder.raw_dim)
        opened[name] = MediaContent(encoder, config.dim, share, kept, config.text_cache)
    return opened
