"""A frozen thing as a folder: NAME.json and NAME.safetensors, written whole or not at all."""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from encoders.errors import EncoderError, EncoderMismatch, WhiteningMismatch

Tensors = dict[str, npt.NDArray[np.generic]]


class Fingerprinted(Protocol):
    """What knows a hash over its own content."""

    @property
    def fingerprint(self) -> str: ...


T = TypeVar("T", bound=Fingerprinted)


def write_snapshot(
    folder: Path, name: str, about: Mapping[str, object], tensors: Mapping[str, npt.NDArray[np.generic]]
) -> None:
    """Write both files into a new folder beside `folder`, then put it in the place of an older snapshot, if any.

    A reader finds the old folder, for a moment none, or the new one; never a mixture.

    Raises:
        EncoderError: `folder` holds something else, or can't be written.
    """
    from safetensors.numpy import save

    check_snapshot_folder(folder, name)
    draft = folder.with_name(f".{folder.name}.draft-{os.getpid()}")
    old = folder.with_name(f".{folder.name}.old-{os.getpid()}")
    try:
        draft.mkdir(0o750, parents=True)
        # Not save_file, which gives its file to the owner alone.
        (draft / f"{name}.safetensors").write_bytes(save(dict(tensors)))
        (draft / f"{name}.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
        for path in draft.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        if folder.exists():
            folder.rename(old)
        draft.rename(folder)
    except OSError as error:
        raise EncoderError(f"can't write {folder}: {error.strerror}") from error
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def check_snapshot_folder(folder: Path, name: str) -> None:
    """Refuse, before the work, to put a snapshot in the place of something else.

    Raises:
        EncoderError: the folder holds other files, or can't be read.
    """
    ours = {f"{name}.json", f"{name}.safetensors"}
    try:
        existing = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
    except OSError as error:
        raise EncoderError(f"can't write {folder}: {error.strerror}; name a folder") from error
    if existing - ours:
        raise EncoderError(
            f"{folder} is not empty and holds other files ({min(existing - ours)}); name a new or an empty folder"
        )


def read_snapshot(
    folder: Path,
    name: str,
    format_: str,
    versions: Sequence[int],
    build: Callable[[dict[str, Any], Tensors], T],
) -> T:
    """What `write_snapshot` wrote, built by `build(about, tensors)` and checked by its fingerprint.

    Raises:
        EncoderMismatch: written in another version of the format.
        EncoderError: there is none, it is something else, or damaged.
    """
    from safetensors.numpy import load_file

    try:
        about = json.loads((folder / f"{name}.json").read_text("utf-8"))
    except OSError as error:
        raise EncoderError(
            f"no {name.replace('_', ' ')} in {folder} ({error.strerror}); name the folder that driftline fit wrote"
        ) from error
    except ValueError as error:
        raise _damaged(folder, name, "its JSON can't be read") from error
    if not isinstance(about, dict) or about.get("format") != format_:
        raise _damaged(folder, name, "of another format")
    if about.get("version") not in versions:
        raise EncoderMismatch(
            f"{folder} has format version {about.get('version')!r}, this program reads {max(versions)}; use the program "
            "that wrote it, or run driftline fit again"
        )
    try:
        built = build(about, load_file(folder / f"{name}.safetensors"))
    except (EncoderMismatch, WhiteningMismatch):
        raise
    except Exception as error:  # safetensors raises its own error, which has no public base
        raise _damaged(folder, name, type(error).__name__) from error
    if built.fingerprint != about.get("fingerprint"):
        raise _damaged(folder, name, "its fingerprint doesn't match its content")
    return built


def _damaged(folder: Path, name: str, what: str) -> EncoderError:
    return EncoderError(
        f"{folder} is no {name.replace('_', ' ')} that can be used ({what}); restore it from a backup, or run "
        "driftline fit again"
    )
