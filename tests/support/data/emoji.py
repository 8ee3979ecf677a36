"""Real pictures that a machine may have: the emoji of Noto Color Emoji, with Unicode's names and groups."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
NAMES = Path("/usr/share/unicode/emoji/emoji-test.txt")
WHERE = "fonts-noto-color-emoji and unicode-data (Debian) are not installed"
_SIZE = 109
"""The one size that the font's pictures have."""


@dataclass(frozen=True)
class Emoji:
    text: str
    name: str
    subgroup: str


def is_installed() -> bool:
    return FONT.is_file() and NAMES.is_file()


def emoji(one_character: bool = True) -> list[Emoji]:
    """All fully qualified ones without a skin tone; of one character (and a variation selector) alone."""
    found, subgroup = [], ""
    for line in NAMES.read_text("utf-8").splitlines():
        if line.startswith("# subgroup:"):
            subgroup = line.partition(":")[2].strip()
        if "; fully-qualified" not in line:
            continue
        text, _, rest = line.partition("# ")[2].partition(" ")
        name = rest.partition(" ")[2]
        if "skin tone" in name or (one_character and len(text.replace("\ufe0f", "")) > 1):
            continue
        found.append(Emoji(text, name, subgroup))
    return found


def drawn(text: str, change: np.random.Generator | None = None) -> bytes:
    """A PNG of 136 pixels on white; with `change` cropped, turned and recoloured at random."""
    from PIL import Image, ImageDraw, ImageEnhance, ImageFont

    font = ImageFont.truetype(str(FONT), _SIZE)
    image = Image.new("RGB", (136, 136), "white")
    ImageDraw.Draw(image).text((0, 4), text, font=font, embedded_color=True)
    if change is not None:
        image = image.rotate(change.uniform(-25, 25), fillcolor="white")
        left, top = change.integers(0, 20, 2).tolist()
        image = image.crop((left, top, left + 112, top + 112))
        image = ImageEnhance.Color(image).enhance(change.uniform(0.6, 1.4))
        image = ImageEnhance.Brightness(image).enhance(change.uniform(0.8, 1.2))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
