"""Which numbers a text model computes in: what `encoder.precision = "auto"` becomes, and what may go on with what."""

from pathlib import Path
from typing import Final, Literal

from encoders.errors import WhiteningMismatch

Precision = Literal["fp32", "bf16", "fp16"]
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "bf16", "fp16")
_SINGLE_BY_ITSELF: Final = "auto"
"""Stands in fingerprints for fp32 that `auto` chose, as it did before it knew bf16: stores of that time go on."""
_GPU_NODES: Final = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
_AMX: Final = frozenset({"amx_bf16", "amx_tile"})


def has_amx(cpuinfo: str) -> bool:
    """Whether the processor has units for products of bf16 matrices, by the text of /proc/cpuinfo.

    Measured with the packaged model, one thread: with them bf16 is 2.6 to 2.8 times as fast as fp32; with AVX512-BF16 alone
    it is 0.6 times as fast, with neither 0.1 to 0.25 times.

    >>> has_amx("flags : fpu avx512_bf16 amx_bf16 amx_tile"), has_amx("flags : fpu avx512_bf16")
    (True, False)
    """
    flags = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    return set(flags.split()) >= _AMX


def automatic_precision(device: str) -> Precision:
    """The fastest that is no worse on `device` (auto, cpu, cuda, ...); imports torch only where there may be a GPU."""
    if device == "cpu" or (device == "auto" and not any(Path(node).exists() for node in _GPU_NODES)):
        return "bf16" if has_amx(_cpuinfo()) else "fp32"
    import torch

    if not torch.cuda.is_available():
        return "bf16" if has_amx(_cpuinfo()) else "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def faster_precision(precision: str) -> str:
    """The one that this machine's processor is faster in than in `precision`; "": none is known."""
    best = "bf16" if has_amx(_cpuinfo()) else "fp32"
    return best if precision != best else ""


class PrecisionChoice:
    """The precision of one model, decided when it is first needed; what a store was made with decides it before.

    `auto` goes on with whatever the vectors that are there were made in, on any machine, so that vectors of two precisions
    never share a store; without any it is `automatic_precision`.
    """

    def __init__(self, configured: str, device: str) -> None:
        self._configured = configured
        self._device = device
        self._mark: str | None = None if configured == "auto" else configured

    @property
    def mark(self) -> str:
        """What stands for the precision in fingerprints; decides it."""
        if self._mark is None:
            found = automatic_precision(self._device)
            self._mark = _SINGLE_BY_ITSELF if found == "fp32" else found
        return self._mark

    @property
    def precision(self) -> Precision:
        """The one in use; decides it."""
        return _precision_of(self.mark)

    def adopt(self, mark: str) -> None:
        """Go on with vectors whose fingerprint has this mark.

        Raises:
            WhiteningMismatch: they are of another precision, and this one is set or in use already.
        """
        wanted = _precision_of(mark)
        if self._mark is None or _precision_of(self._mark) == wanted:
            self._mark = mark
            return
        if self._configured == "auto":
            raise WhiteningMismatch(
                f"the vectors there were made in {wanted}, this process has begun with {self._mark}; set "
                f"encoder.precision = {wanted!r}"
            )
        raise WhiteningMismatch(
            f"the vectors there were made with encoder.precision {wanted!r}, configured is {self._configured!r}; set "
            f"encoder.precision = {wanted!r}, or 'auto' to take what is there, or make a new store"
        )


MARKS: Final = (_SINGLE_BY_ITSELF, *PRECISIONS)
"""All that may stand for a precision in a fingerprint."""


def _precision_of(mark: str) -> Precision:
    return next((one for one in PRECISIONS if one == mark), "fp32")


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return ""
