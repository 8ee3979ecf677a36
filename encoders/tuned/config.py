"""Settings of the tuned encoder."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from encoders.config import PACKAGED_MODEL

TuningMethod = Literal["lora", "dora", "adalora", "full"]
ADAPTER_RATE, FULL_RATE = 5e-4, 3e-5


class WordsConfig(BaseModel):
    """How a text model is tuned on a log (`driftline tune-encoder`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    base: str = Field(
        default=PACKAGED_MODEL,
        min_length=1,
        description="the model to tune: minilm, smollm2 (the packaged causal language model), or a folder of a "
        "transformers encoder or causal language model (config.json, tokenizer, *.safetensors; or one *.gguf file)",
    )
    method: TuningMethod = Field(
        default="lora",
        description="what is trained: low-rank adapters (lora, dora, adalora) on every linear layer, or all weights (full)",
    )
    rank: int = Field(
        default=16, ge=1, le=512, description="of the adapters; of adalora the mean that is left"
    )
    alpha: float = Field(default=32.0, gt=0, description="adapters count alpha / rank times")
    latest: int = Field(
        default=6, ge=1, le=64, description="how many of a user's latest items its words name, each once"
    )
    title_chars: int = Field(
        default=80, ge=8, le=1000, description="characters of each item's text in a user's words"
    )
    max_length: int = Field(
        default=128,
        ge=8,
        le=4096,
        description="tokens of a text, or of a pair of texts, special ones included",
    )
    batch: int = Field(
        default=64, ge=2, description="positives of one step; each is a negative of the others"
    )
    negatives: int = Field(
        default=64, ge=0, description="uniformly drawn items beside them; with --cross: see pair_negatives"
    )
    pair_negatives: int = Field(
        default=3,
        ge=1,
        le=100,
        description="negatives of each positive pair, drawn by how often items are taken",
    )
    micro_batch: int = Field(
        default=16,
        ge=1,
        description="texts that go through the model with gradients at once: bounds memory, changes nothing",
    )
    learning_rate: float | None = Field(
        default=None, gt=0, description=f"none: {ADAPTER_RATE:g} for adapters, {FULL_RATE:g} for full"
    )
    steps: int = Field(default=200, ge=1, description="at most")
    validate_every: int = Field(default=10, ge=1, description="steps between two looks at validation")
    patience: int = Field(
        default=2, ge=1, description="looks without a better one after which training stops"
    )
    validation_targets: int = Field(
        default=500, ge=10, description="targets of the validation part that are looked at, drawn once"
    )
    validation_items: int = Field(
        default=1000,
        ge=10,
        description="items that the targets are ranked among at each look: the targets' own and others, drawn once",
    )
    user_examples: int = Field(
        default=100,
        ge=1,
        description="most examples that one user gives, so that nobody outweighs the others",
    )
    device: str = Field(
        default="auto", min_length=1, description="auto (CUDA where there is one), cpu, cuda, cuda:1"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto",
        description="of the passes; weights stay fp32. auto: bf16 where the CPU has AMX or the card bf16",
    )
    seed: int = Field(default=0, ge=0, description="of what is drawn")

    @property
    def rate(self) -> float:
        """The learning rate in use."""
        return self.learning_rate or (FULL_RATE if self.method == "full" else ADAPTER_RATE)
