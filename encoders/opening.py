"""The text encoder that the settings name."""

from encoders.config import MULTILINGUAL, STATIC, EncoderConfig
from encoders.multilingual import MultilingualEncoder
from encoders.protocols import Encoder
from encoders.static import StaticEncoder
from encoders.text import TextEncoder


def open_text_encoder(config: EncoderConfig) -> Encoder:
    """Finds the model and loads nothing yet.

    Raises:
        EncoderConfigError: there is no such model.
        MissingPackage: it comes with a package that is not installed; names the extra.
    """
    if config.model == MULTILINGUAL:
        return MultilingualEncoder(config)
    if config.model.startswith(STATIC):
        return StaticEncoder(config)
    return TextEncoder(config)
