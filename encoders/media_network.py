"""What a model of pictures or sounds offers, and how a folder or a packaged file of weights is loaded without running it."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

from encoders.arrays import F32
from encoders.errors import EncoderConfigError, MissingPackage
from encoders.folder import files_fingerprint
from encoders.loading import quiet_transformers

Decoded = TypeVar("Decoded", contravariant=True)
PREPROCESSOR: Final = "preprocessor_config.json"
_READ_BYTES: Final = 1 << 22


class MediaNetwork(Protocol, Generic[Decoded]):
    """Decoded pictures or sounds to raw vectors. For one thread at a time."""

    @property
    def fingerprint(self) -> str:
        """Of weights, preprocessing and precision. Reads files only."""

    @property
    def raw_dim(self) -> int:
        """Columns of `vectors`."""

    def vectors(self, contents: Sequence[Decoded]) -> F32:
        """B contents to (B, raw_dim) float32; loads the weights at the first call.

        Raises:
            EncoderConfigError: the weights can't be used; says what to change.
        """


def media_folder(model: str, key: str) -> Path:
    """The folder of the configured model.

    Raises:
        EncoderConfigError: there is none, or it lacks a file.
    """
    try:
        folder = Path(model).expanduser()
    except RuntimeError:
        folder = Path(model)
    if not folder.is_dir():
        raise EncoderConfigError(f"{key} {model!r} is neither a packaged model nor a folder here")
    missing = [name for name in ("config.json", PREPROCESSOR) if not (folder / name).is_file()]
    if not list(folder.glob("*.safetensors")):
        missing.append("*.safetensors")
    if missing:
        raise EncoderConfigError(
            f"{key}: folder {str(folder)!r} lacks {' and '.join(missing)}; save the model there with "
            "model.save_pretrained(folder) and processor.save_pretrained(folder)"
        )
    return folder


def media_folder_fingerprint(folder: Path) -> str:
    """Hex over config, weights and preprocessing."""
    return f"{files_fingerprint(folder)} {hashlib.sha256((folder / PREPROCESSOR).read_bytes()).hexdigest()}"


def preprocessor_settings(folder: Path, key: str) -> dict[str, Any]:
    """What preprocessor_config.json says.

    Raises:
        EncoderConfigError: it is no JSON object.
    """
    try:
        settings = json.loads((folder / PREPROCESSOR).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise EncoderConfigError(f"{key}: can't read {folder / PREPROCESSOR} ({error})") from error
    if not isinstance(settings, dict):
        raise EncoderConfigError(f"{key}: {folder / PREPROCESSOR} is not a JSON object")
    return settings


def transformers_settings(folder: Path, key: str, extra: str) -> Any:
    """What config.json says, as transformers reads it: no code, no network.

    Raises:
        EncoderConfigError: it can't be read.
        MissingPackage: transformers is not installed; names the `extra` that brings it.
    """
    try:
        from transformers import AutoConfig
    except ModuleNotFoundError as error:
        raise MissingPackage(f"{key} needs {error.name}: pip install 'driftline[{extra}]'") from error
    try:
        return AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # of transformers, several
        raise EncoderConfigError(f"{key}: can't read {folder / 'config.json'} ({error})") from error


def load_media_model(folder: Path, key: str, dtype: Any) -> Any:
    """A model of transformers from its folder alone: safetensors, no code, no network.

    Raises:
        EncoderConfigError: the files don't fit together.
        MissingPackage: transformers is not installed.
    """
    try:
        from transformers import AutoModel
    except ModuleNotFoundError as error:
        raise MissingPackage(f"{key} needs {error.name}: pip install 'driftline[run]'") from error
    try:
        with quiet_transformers():
            model, report = AutoModel.from_pretrained(
                str(folder),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=dtype,
                output_loading_info=True,
            )
    except Exception as error:  # transformers and safetensors each raise their own
        raise EncoderConfigError(
            f"{key}: {str(folder)!r} can't be loaded ({type(error).__name__}: {error})"
        ) from error
    # transformers fills missing weights with random ones and only warns; poolers are not used.
    missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if missing or report["mismatched_keys"]:
        raise EncoderConfigError(
            f"{key}: the weights lack {missing[0] if missing else 'layers'} and {max(len(missing) - 1, 0)} more of what "
            "config.json describes; copy the model again"
        )
    return model.eval()


def packaged_weights(path: Path, sha256: str, package: str, allowed: Sequence[Any] = ()) -> Any:
    """The tensors of a packaged .pth, which must be the one that this release knows; it is never unpickled freely.

    Args:
        allowed: further types that the unpickler may make.

    Raises:
        EncoderConfigError: it is missing or another file.
    """
    import torch

    try:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
    except OSError as error:
        raise EncoderConfigError(
            f"{path.name} can't be read ({error.strerror}); install {package} again"
        ) from None
    if digest.hexdigest() != sha256:
        raise EncoderConfigError(
            f"{path.name} is not the file that this release knows (SHA-256 {digest.hexdigest()[:16]}..., expected "
            f"{sha256[:16]}...); install {package} again, in the version of constraints.txt"
        )
    trusted = torch.serialization.safe_globals(list(allowed)) if allowed else contextlib.nullcontext()
    with trusted:
        return torch.load(path, map_location="cpu", weights_only=True)
