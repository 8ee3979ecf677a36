"""Pictures of any kind become pixels or a reason."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest

pytest.importorskip("PIL")
from PIL import Image

from encoders.decode_image import decode_image
from encoders.media import MediaUnusable
from support.data.media_files import picture, png_of_declared_size

MOST = 40_000_000


def result(data: bytes, most: int = MOST) -> str:
    try:
        decode_image(data, 32, most)
    except MediaUnusable as error:
        return error.result
    return "ok"


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_the_four_formats_give_the_same_picture(kind: str) -> None:
    """RGB, uint8, as large as it is where it is small."""
    pixels = decode_image(picture(1, kind=kind), 32, MOST)
    assert pixels.shape == (48, 64, 3)
    assert pixels.dtype == np.uint8
    reference = decode_image(picture(1), 32, MOST).astype(int)
    assert np.abs(pixels.astype(int) - reference).mean() < 12


def test_a_bomb_is_refused_by_what_it_declares() -> None:
    """A hundred bytes that declare 10 giga-pixels cost nothing; neither do those between our limit and Pillow's own."""
    began = time.perf_counter()
    assert result(png_of_declared_size(100_000, 100_000)) == "too_many_pixels"
    assert result(png_of_declared_size(10_000, 10_000)) == "too_many_pixels"
    assert result(picture(size=(100, 100)), most=9999) == "too_many_pixels"
    assert result(picture(size=(100, 100)), most=10_000) == "ok"
    assert time.perf_counter() - began < 2


def test_cut_and_damaged_files_are_broken() -> None:
    """Wherever they end: half of a picture is none."""
    for kind in ("JPEG", "PNG", "WEBP", "GIF"):
        whole = picture(2, (200, 200), kind)
        assert result(whole[: len(whole) // 2]) == "broken", kind
        assert result(whole[:12]) == "broken", kind
    assert result(b"") == "broken"
    assert result(png_of_declared_size(64, 64)) == "broken"


def test_other_formats_are_refused_whatever_they_are_called() -> None:
    """SVG, TIFF, BMP, EPS and HTML are never given to a decoder."""
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    for data in (
        svg,
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"<html>",
        picture(kind="TIFF"),
        picture(kind="BMP"),
        b"\0" * 99,
    ):
        assert result(data) == "wrong_format"


def test_what_is_transparent_is_white_and_what_lies_on_its_side_is_turned() -> None:
    """As a shop would show it."""
    clear = decode_image(saved(Image.new("RGBA", (20, 20), (255, 0, 0, 0))), 32, MOST)
    assert (clear == 255).all()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    turned = decode_image(saved(Image.new("RGB", (40, 20)), "JPEG", exif=exif), 32, MOST)
    assert turned.shape == (40, 20, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    """Black stays black, white white."""
    kind = "JPEG" if mode == "CMYK" else "PNG"
    if mode == "I;16":
        dark, light = (Image.fromarray(np.full((20, 20), value, np.uint16)) for value in (0, 65535))
    else:
        dark, light = (Image.new("L", (20, 20), value).convert("RGB").convert(mode) if mode != "LA" else
                       Image.new("LA", (20, 20), (value, 255)) for value in (0, 255))  # fmt: skip
    assert decode_image(saved(dark, kind), 32, MOST).mean() < 5
    assert decode_image(saved(light, kind), 32, MOST).mean() > 250


def test_a_large_picture_comes_back_small() -> None:
    """About twice what the model sees, in every format."""
    for kind in ("JPEG", "PNG"):
        pixels = decode_image(picture(3, (2000, 1500), kind), 32, MOST)
        assert 64 <= min(pixels.shape[:2]) <= 192
        assert abs(pixels.shape[1] / pixels.shape[0] - 4 / 3) < 0.05


def test_random_bytes_never_raise_anything_else() -> None:
    """Whatever follows a valid beginning, the answer is pixels or a result."""
    rng = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "WEBP", "GIF"):
        whole = np.frombuffer(picture(4, (60, 60), kind), np.uint8)
        for _ in range(60):
            damaged = whole.copy()
            damaged[rng.integers(8, len(whole), 5)] = rng.integers(0, 256, 5)
            assert result(damaged.tobytes()) in {"ok", "broken", "too_many_pixels", "wrong_format"}
