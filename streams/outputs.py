"""What a command writes: nothing that is there is replaced unasked, and a file or folder appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.errors import OutputError, SettingsError


def check_output(path: Path, force: bool, folder: bool = False) -> None:
    """Refuse, before the work, to write where something is, or where nothing can be written.

    folder: `path` is to be a folder; an empty one is as good as none.

    Raises:
        SettingsError: it exists and `force` is not set; it is a file instead of a folder or the reverse; there is no folder for
            it, or not one that may be written to.
    """
    if _is_device(path):
        return
    try:
        there = path.exists()
        if there and path.is_dir() != folder:
            kind = "a file; name a folder" if folder else "a folder; name a file in it"
            raise SettingsError(f"can't write {path}: it is {kind}")
        if there and not force and not (folder and not any(path.iterdir())):
            raise SettingsError(f"{path} already exists; say --force to replace it, or name another")
        parent = path.absolute().parent
        if folder:
            # It is made with all that leads to it.
            while not parent.exists():
                parent = parent.parent
        if not parent.is_dir():
            raise SettingsError(f"{path}: there is no folder {parent}; make it first")
    except OSError as error:
        raise SettingsError(f"can't write {path}: {error.strerror}") from None
    if not os.access(parent, os.W_OK | os.X_OK):
        raise SettingsError(f"can't write {path}: no permission to write in {parent}")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write what is to be `path`: beside it, and in its place when the block ends without an error.

    A link stays one, and what it leads to is replaced; a device or a pipe is written to directly.

    Raises:
        OutputError: it can't be written; nothing is left, and what was there still is.
    """
    if _is_device(path):
        yield path
        return
    path = path.resolve() if path.is_symlink() else path
    draft = path.with_name(f".{path.name[:200]}.{os.getpid()}.partial")
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        raise OutputError(f"can't write {path}: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A new folder, whose files take their places in `path` when the block ends without an error; what else is there stays.

    Raises:
        OutputError: it can't be written; nothing is left of what was begun.
    """
    path = path.absolute()
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    draft = path.with_name(f".{path.name[:200]}.{os.getpid()}.partial")
    done = False
    try:
        draft.mkdir(parents=True)
        yield draft
        path.mkdir(exist_ok=True)
        for file in sorted(draft.iterdir()):
            file.replace(path / file.name)
        done = True
    except OSError as error:
        raise OutputError(f"can't write {path}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if not done:
            remove_made(made)


def remove_made(folders: list[Path]) -> None:
    """Remove folders that were made on the way, the innermost first, as far as they are empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return


def _is_device(path: Path) -> bool:
    return path.exists() and not (path.is_file() or path.is_dir())
