"""What is trained of a base: low-rank adapters by peft, or all of its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from encoders.errors import EncoderError, MissingPackage
from encoders.tuned.config import WordsConfig

ADAPTER, WEIGHTS = "adapter", "weights.safetensors"
ADALORA_START = 1.5
"""AdaLoRA begins with so many times the mean rank that is left in the end (Zhang et al., ICLR 2023)."""
ORTHOGONALITY = 0.1
"""Weight of AdaLoRA's orthogonality of its factors P and Q (the same paper, gamma)."""


class Adaptation:
    """Makes a network trainable, keeps AdaLoRA's books, and gives the plain network back."""

    def __init__(self, network: Any, config: WordsConfig) -> None:
        """network: of `LoadedBase`; changed in place.

        Raises:
            MissingPackage: peft is not installed, and the method needs it.
        """
        self._method = config.method
        if config.method == "full":
            self.network = network.requires_grad_(True)
            return
        self.network = _peft_model(network, config)

    @property
    def trained(self) -> list[nn.Parameter]:
        """The parameters that are trained."""
        return [each for each in self.network.parameters() if each.requires_grad]

    def penalty(self) -> Tensor | None:
        """What a method adds to the loss; None: nothing.

        AdaLoRA: its factors' distance from orthogonality. peft adds it only where the wrapped model returns a loss, which a
        network without a head does not.
        """
        if self._method != "adalora":
            return None
        parts = []
        for name, factor in self.network.named_parameters():
            if factor.requires_grad and ("lora_A" in name or "lora_B" in name):
                gram = factor @ factor.T if "lora_A" in name else factor.T @ factor
                parts.append(torch.linalg.norm(gram - torch.eye(len(gram), device=gram.device)))
        return ORTHOGONALITY * torch.stack(parts).mean()

    def after_step(self, step: int) -> None:
        """To be called after each optimiser step (1, 2, ..) while gradients are still there: AdaLoRA moves its ranks."""
        if self._method == "adalora":
            self.network.base_model.update_and_allocate(step)

    def ranks(self) -> list[int]:
        """Ranks in use, one for each adapted layer; empty for full."""
        if self._method == "full":
            return []
        found = []
        for name, part in self.network.named_parameters():
            if self._method == "adalora" and "lora_E" in name:
                found.append(int(torch.count_nonzero(part)))
            elif self._method != "adalora" and "lora_A" in name:
                found.append(len(part))
        return found

    def state(self) -> dict[str, Tensor]:
        """A copy of what is trained, for `restore`."""
        return {
            name: each.detach().clone()
            for name, each in self.network.named_parameters()
            if each.requires_grad
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Put back what `state` gave."""
        with torch.no_grad():
            for name, each in self.network.named_parameters():
                if name in state:
                    each.copy_(state[name])

    def save(self, folder: Path) -> None:
        """Write what is trained into a folder: `adapter/` as peft reads it, or all weights; safetensors either way."""
        if self._method == "full":
            from safetensors.torch import save

            tensors = {name: value.contiguous().cpu() for name, value in self.network.state_dict().items()}
            (folder / WEIGHTS).write_bytes(save(tensors))
            return
        config = self.network.peft_config["default"]
        # A pattern would cut the factors to the ranks of the last step, and the best one may be an earlier one: all are kept.
        if self._method == "adalora":
            config.rank_pattern = None
        config.base_model_name_or_path = ""
        self.network.save_pretrained(
            str(folder / ADAPTER), safe_serialization=True, save_embedding_layers=False
        )


def adapted(network: Any, folder: Path, method: str) -> Any:
    """The base's network with what `Adaptation.save` wrote merged in.

    Raises:
        EncoderError: the files are missing, damaged, or of another network.
        MissingPackage: peft is not installed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if method == "full":
            network.load_state_dict(load_file(folder / WEIGHTS))
            return network.eval()
        # Looked for here, since peft would take a pickle in its place.
        if not (folder / ADAPTER / "adapter_model.safetensors").is_file():
            raise EncoderError(
                f"{folder / ADAPTER} holds no adapter_model.safetensors; tune the encoder again"
            )
        peft = _peft()
        merged = peft.PeftModel.from_pretrained(network, str(folder / ADAPTER)).merge_and_unload(
            safe_merge=True
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise EncoderError(
            f"what was tuned in {folder} can't be put on its base ({type(error).__name__}: {error}); tune the encoder again"
        ) from error
    return merged.eval()


def _peft() -> Any:
    try:
        import peft
    except ModuleNotFoundError as error:
        raise MissingPackage(f"a tuned encoder needs {error.name}: pip install 'driftline[llm]'") from error
    return peft


def _peft_model(network: Any, config: WordsConfig) -> Any:
    peft = _peft()
    layers = [
        name
        for name, part in network.named_modules()
        if isinstance(part, nn.Linear) and "pooler" not in name  # the pooler's output is not used
    ]
    shared = {"target_modules": layers, "lora_dropout": 0.0, "bias": "none"}
    if config.method == "adalora":
        made = peft.AdaLoraConfig(
            init_r=round(config.rank * ADALORA_START),
            target_r=config.rank,
            lora_alpha=config.alpha,
            total_step=config.steps,
            tinit=config.steps // 10,
            tfinal=config.steps // 5,
            deltaT=max(1, config.steps // 50),
            orth_reg_weight=ORTHOGONALITY,
            **shared,
        )
    else:
        made = peft.LoraConfig(
            r=config.rank, lora_alpha=config.alpha, use_dora=config.method == "dora", **shared
        )
    return peft.get_peft_model(network, made).eval()
