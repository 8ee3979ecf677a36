"""Bytes of a picture to pixels, whatever they hold: bounded in size, first frame, upright, on white."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from encoders.errors import MissingPackage
from encoders.media import MediaUnusable
from encoders.media_formats import require_format

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = npt.NDArray[np.uint8]
_FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF")
_SHARPEST: Final = 2
"""A picture is brought to this many times the model's size at once, cheaply, before the model's own resizing."""


def decode_image(data: bytes, size: int, max_pixels: int) -> Pixels:
    """RGB pixels (H, W, 3) uint8 of a JPEG, PNG, WebP or GIF.

    size: side of the square that the model sees, in pixels; a larger picture comes back with a shorter side of about twice
    that. Transparent parts become white, turned photos upright (EXIF), and of an animation the first frame is taken.

    Raises:
        MediaUnusable: wrong_format, too_many_pixels (by the declared size, nothing was unpacked), or broken.
        MissingPackage: Pillow is not installed.
    """
    require_format(data, "image")
    try:
        from PIL import Image, UnidentifiedImageError
    except ModuleNotFoundError as error:
        raise MissingPackage("pictures need Pillow: pip install 'driftline[image]'") from error
    # The limit is ours, below; Pillow warns at one of its own.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise MediaUnusable("too_many_pixels", f"more than {max_pixels:,} pixels")
            return _pixels(image, size)
    except MediaUnusable:
        raise
    except Image.DecompressionBombError as error:
        raise MediaUnusable("too_many_pixels", f"more than {max_pixels:,} pixels") from error
    except UnidentifiedImageError as error:
        raise MediaUnusable("broken", "a damaged header") from error
    except (
        Exception
    ) as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, zlib.error and others
        raise MediaUnusable("broken", f"can't be decoded ({type(error).__name__})") from error


def _pixels(image: Image, size: int) -> Pixels:
    from PIL import Image as images
    from PIL import ImageOps

    wanted = _SHARPEST * size
    image.draft("RGB", (wanted, wanted))  # a JPEG is unpacked at a half, quarter or eighth
    image.load()
    shrink = min(image.width, image.height) // wanted
    upright: Image = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        upright = images.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    if upright.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in upright.info:
        with_alpha = upright.convert("RGBA")
        upright = images.new("RGB", with_alpha.size, (255, 255, 255))
        upright.paste(with_alpha, mask=with_alpha.getchannel("A"))
    upright = upright.convert("RGB")
    if shrink > 1:
        upright = upright.reduce(shrink)
    return np.array(upright, np.uint8)
