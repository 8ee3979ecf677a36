"""Settings of the content encoder."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from encoders.media import MEDIA, Modality
from encoders.media_config import OFF, AudioEncoderConfig, ImageEncoderConfig

PACKAGED_MODEL = "minilm"
MULTILINGUAL = "multilingual"
STATIC = "static:"
"""Begins the name of a table that is distilled from the encoder named behind it."""


class EncoderConfig(BaseModel):
    """Which model encodes content, how, where, and how much of it stays in memory."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    model: str = Field(
        default=PACKAGED_MODEL,
        min_length=1,
        description="`minilm` (all-MiniLM-L6-v2, packaged, English), `multilingual` (16 languages, extra `multilingual`), a "
        "local folder (config.json, tokenizer.json, *.safetensors), with allow_hub a model name of the Hugging Face hub; or "
        "`static:` and one of them but `multilingual`: a table distilled from it, once, that is some hundred times as fast",
    )
    allow_hub: bool = Field(default=False, description="may fetch `model` from the hub (HF_HUB_OFFLINE wins)")
    pooling: Literal["mean", "cls"] = Field(
        default="mean", description="a text's vector: the mean over its tokens, or its first token's"
    )
    max_length: int = Field(default=128, ge=4, le=8192, description="tokens of a text, special ones included")
    max_chars: int = Field(
        default=8192, ge=1, description="characters of a text that reach the tokenizer at all"
    )
    device: str = Field(
        default="auto", min_length=1, description="auto (CUDA where there is one), cpu, cuda, cuda:1"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto",
        description="auto: as the vectors that are there, of a store or an item encoder; without any bf16 on a CPU that has "
        "AMX and on a card that has it, fp16 on other cards, else fp32",
    )
    threads: int = Field(
        default=0,
        ge=0,
        le=256,
        description="threads of the text model on a CPU; 0: one less than there are cores, since with all of them a batch "
        "waits for whatever else is busy on the machine, and one for `multilingual`",
    )
    tokens_per_batch: int | None = Field(
        default=None,
        ge=64,
        description="bound of rows x padded length of one pass of the model; "
        "none: 2048 on the CPU (fits the caches), 65536 on CUDA",
    )
    dim: int = Field(default=128, ge=2, le=4096, description="dimensions after whitening")
    text_cache: int = Field(default=16_384, ge=0, description="vectors of recent texts kept in memory (rows)")
    cache_rows: int = Field(default=262_144, ge=1, description="item vectors kept in memory (rows)")
    disk_cache: Path | None = Field(
        default=None,
        description="folder for what takes long to compute and may be lost: static tables and vectors of catalogues; "
        "none: driftline in the user's folder for caches",
    )
    disk_cache_mb: int = Field(
        default=2048,
        ge=0,
        le=1 << 20,
        description="most that vectors of catalogues take there, of all models (MiB; 1.5 KiB a text of `minilm`); "
        "0: none are kept",
    )
    fitted: Path | None = Field(
        default=None,
        description="folder of an item encoder (driftline fit), for vectors that know behaviour; "
        "none: vectors of the items' texts",
    )
    image: ImageEncoderConfig = ImageEncoderConfig()
    audio: AudioEncoderConfig = AudioEncoderConfig()

    @property
    def media(self) -> tuple[Modality, ...]:
        """Modalities beside texts that have an encoder."""
        models = {"image": self.image.model, "audio": self.audio.model}
        return tuple(name for name in MEDIA if models[name] != OFF)


class FitConfig(BaseModel):
    """How item vectors are fitted on a log (`driftline fit`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    window: int = Field(
        default=3,
        ge=0,
        le=50,
        description="how many events of the user before and after are an event's context",
    )
    basket_window: int = Field(
        default=1,
        ge=0,
        le=50,
        description="the same in baskets, for logs where most events share their time with another of the user",
    )
    smoothing: float = Field(
        default=0.75, gt=0, le=1, description="exponent of the context distribution; 1: plain PMI"
    )
    shift: float = Field(default=1.0, ge=1, description="PMI below log(shift) counts as 0")
    pull: float = Field(
        default=1.0,
        ge=0,
        description="how many events an item needs for its behaviour to count as much as its content",
    )
    seed: int = Field(default=0, ge=0, description="of the factorisation")
