"""Settings of pictures and sounds: their encoders, where they may come from, and how large they may be."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

OFF: Final = "off"
EFFICIENTNET: Final = "efficientnet-lite0"
AISFX: Final = "aisfx"


class _MediaEncoderConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    device: str = Field(
        default="auto", min_length=1, description="auto (CUDA where there is one), cpu, cuda, cuda:1"
    )
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        default="fp32",
        description="of the weights; vectors of different precisions are never mixed in a store",
    )
    batch: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="how many go through the model together; none: 32, on CUDA 256",
    )
    share: float = Field(
        default=1.0,
        gt=0,
        le=100,
        description="how much it weighs beside a text, which weighs 1, in the vector of an item that has both; "
        "of one store always the same",
    )


class ImageEncoderConfig(_MediaEncoderConfig):
    """Which model encodes pictures, and how."""

    model: str = Field(
        default=OFF,
        min_length=1,
        description="off: the field image has no meaning of its own; efficientnet-lite0: packaged, extra `image`; "
        "or a folder of a CLIP, SigLIP, DINOv2 or ViT model (config.json, preprocessor_config.json, *.safetensors)",
    )


class AudioEncoderConfig(_MediaEncoderConfig):
    """Which model encodes sounds, and how."""

    model: str = Field(
        default=OFF,
        min_length=1,
        description="off: the field audio has no meaning of its own; aisfx: packaged, extra `audio`; "
        "or a folder of a WavLM, Wav2Vec2 or CLAP model (config.json, preprocessor_config.json, *.safetensors)",
    )
    seconds: float = Field(
        default=30.0, gt=0.1, le=600, description="so much of each sound is heard, from its middle"
    )


class MediaConfig(BaseModel):
    """Where pictures and sounds may come from, and how large they may be."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    root: Path | None = Field(
        default=None,
        description="folder that paths are relative to and must lie in, links followed; none: of a catalogue the folder of "
        "its file, of the items topic no path is taken",
    )
    max_bytes: int = Field(default=20 << 20, ge=1, le=1 << 30, description="of a file, record or download")
    max_pixels: int = Field(
        default=40_000_000, ge=1, le=500_000_000, description="width x height that a picture may declare"
    )
    max_seconds: float = Field(default=36_000.0, gt=0, le=1e7, description="length that a sound may declare")
    max_rate_hz: int = Field(
        default=192_000, ge=8000, le=1_000_000, description="sampling rate that a sound may declare"
    )
    urls: bool = Field(
        default=False, description="whether http and https URLs are fetched, from `hosts` alone"
    )
    hosts: tuple[str, ...] = Field(
        default=(),
        description="hosts that URLs may name, whole names; an address of a private network is refused all the same",
    )
    url_timeout_s: float = Field(default=10.0, gt=0, le=300, description="for one URL as a whole")

    @field_validator("hosts")
    @classmethod
    def _plain_names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not host or any(sign in host for sign in "/:@*?# "):
                raise ValueError(f"{host[:60]!r} is no host; give names such as images.example.com")
        return tuple(host.lower().rstrip(".") for host in hosts)

    @model_validator(mode="after")
    def _hosts_for_urls(self) -> MediaConfig:
        if self.urls and not self.hosts:
            raise ValueError("urls = true needs hosts")
        return self
