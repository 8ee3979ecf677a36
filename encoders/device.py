"""Where models run: device, precision, threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from encoders.errors import EncoderConfigError

if TYPE_CHECKING:
    import torch


def torch_device(name: str, key: str = "encoder.device") -> torch.device:
    """The device of that name; auto: CUDA where there is one.

    Args:
        key: the setting that names it.

    Raises:
        EncoderConfigError: there is no such device here.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise EncoderConfigError(f"{key} {name!r} is not a device; use auto, cpu or cuda") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise EncoderConfigError(
            f"{key} {name!r}: this machine has {torch.cuda.device_count()} usable CUDA devices "
            f"(torch {torch.__version__}); set {key} = 'cpu' or 'auto'"
        )
    return device


def torch_dtype(precision: str) -> torch.dtype:
    """What weights are held in."""
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


@contextmanager
def encoder_threads(count: int) -> Iterator[None]:
    """Within it this thread's work in torch takes so many threads; 0: one less than it would take, at least one."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or max(1, before - 1))
    try:
        yield
    finally:
        torch.set_num_threads(before)
