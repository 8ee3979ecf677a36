"""The folder of an embedded store: whose it is, and the lock that lets in one process at a time."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from sinks.errors import StoreError, StoreLocked, StoreMismatch, StoreNotFound

_MARKER = "driftline.json"
_MARKER_DRAFT = ".driftline.json.new"
_LOCK = ".driftline.lock"
_TRIES = 100


class StoreFolder:
    """A folder held by this process until `release`, which also happens when the process dies.

    The lock is the kernel's (flock), so a lock file that a dead process left behind blocks nothing.
    """

    def __init__(self, path: Path, lock: int, complete: bool, made: list[Path]) -> None:
        """made: the folders that were made for it, the innermost first."""
        self.path = path
        self.complete = complete
        self.new = not complete
        """no store was here when it was claimed"""
        self._lock = lock
        self._made = made

    @classmethod
    def claim(cls, path: Path, create: bool, not_found: str) -> Self:
        """Take hold of the folder; `create` makes it if it is absent or empty.

        A folder with anything else in it than a store is left as it is.

        Raises:
            StoreNotFound: there is no complete store and `create` is false; the message ends in `not_found`.
            StoreMismatch: the folder holds something else.
            StoreLocked: another process has it.
        """
        _check_ours(path, create, not_found)
        made = [folder for folder in (path, *path.absolute().parents) if not folder.exists()]
        try:
            lock = _locked(path)
        except OSError as error:
            _remove_made(made)
            raise StoreError(f"cannot use the folder {path} as a store: {error.strerror}") from error
        try:
            # Only now is it certain that no other process is creating a store here.
            complete = _read_marker(path) == "complete"
            if not complete and not create:
                raise StoreNotFound(f"the store in {path} was never completed; {not_found}")
            folder = cls(path, lock, complete, made)
        except BaseException:
            os.close(lock)
            raise
        try:
            if not complete:
                folder._mark("incomplete")
        except OSError as error:
            folder.remove([])
            raise StoreError(f"cannot use the folder {path} as a store: {error.strerror}") from error
        return folder

    @property
    def held(self) -> bool:
        """Whether no other process can have it."""
        return self._lock >= 0

    def finished(self) -> None:
        """The store in it is complete."""
        self._mark("complete")
        self.complete = True

    def remove(self, names: Sequence[str]) -> None:
        """Let others in to nothing: delete what was made in it, sub-folders of these names, and with it the folders that were
        made for it. Whatever else is there stays, with the marker."""
        if self._lock < 0:
            return
        for name in names:
            shutil.rmtree(self.path / name, ignore_errors=True)
        others = {entry.name for entry in self.path.iterdir()} - {_MARKER_DRAFT, _MARKER, _LOCK}
        if others:
            # Of a creation that was killed before: with its marker the next writer completes it.
            self.release()
            return
        # The lock last: who waits for it finds that it is another file's (`_locked`).
        for file in (_MARKER_DRAFT, _MARKER, _LOCK):
            with suppress(OSError):
                (self.path / file).unlink(missing_ok=True)
        self.release()
        _remove_made(self._made)

    def release(self) -> None:
        """Let others in."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _mark(self, state: str) -> None:
        draft = self.path / _MARKER_DRAFT
        with draft.open("w") as file:
            json.dump({"driftline": "store", "state": state}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path / _MARKER)


def _check_ours(path: Path, create: bool, not_found: str) -> None:
    try:
        names = {entry.name for entry in path.iterdir()}
    except FileNotFoundError:
        names = set()
    except NotADirectoryError as error:
        raise StoreMismatch(f"{path} is a file; an embedded store is a folder") from error
    except OSError as error:
        raise StoreError(f"cannot read the folder {path}: {error.strerror}") from error
    if _MARKER in names:
        _read_marker(path)
    elif names - {_LOCK, _MARKER_DRAFT}:
        raise StoreMismatch(
            f"the folder {path} is not empty and holds no Driftline store; name a new or an empty folder"
        )
    elif not create:
        raise StoreNotFound(f"no store in {path}; {not_found}")


def _read_marker(path: Path) -> str | None:
    try:
        marker = json.loads((path / _MARKER).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        marker = None
    if not isinstance(marker, dict) or marker.get("driftline") != "store":
        raise StoreMismatch(f"{path / _MARKER} is not of a Driftline store; name another folder")
    return str(marker.get("state"))


def _locked(path: Path) -> int:
    """The open lock file, held, of the folder, which is made if need be."""
    for attempt in range(1, _TRIES + 1):
        path.mkdir(0o750, parents=True, exist_ok=True)  # users' interests: for owner and group
        try:
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o640)
        except FileNotFoundError:
            if attempt == _TRIES:
                raise
            continue  # another process has removed what it had made
        try:
            _lock_or_name_holder(lock, path)
            # Its last holder may have deleted it meanwhile: a lock that nobody else finds is none.
            with suppress(FileNotFoundError):
                if os.fstat(lock).st_ino == (path / _LOCK).stat().st_ino:
                    return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
    raise StoreLocked(f"other processes keep making and removing the store in {path}")


def _remove_made(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return


def _lock_or_name_holder(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        pid, command = _holder(lock)
        who = "another process" if pid is None else f"process {pid} ({command})"
        if pid == os.getpid():
            who = "this very process"
        raise StoreLocked(
            f"the store in {path} is in use by {who}; stop that first, or keep the store on a Qdrant server, "
            "which many processes may use (--store http://host:6333)",
            pid,
        ) from error
    # The program and its subcommand only: further arguments may hold what must not be written down.
    words = [Path(sys.argv[0]).name, *(word for word in sys.argv[1:2] if word.isalpha())]
    command = " ".join(words).strip() or "python"
    os.ftruncate(lock, 0)
    os.pwrite(lock, json.dumps({"pid": os.getpid(), "command": command}).encode(), 0)


def _holder(lock: int) -> tuple[int | None, str]:
    try:
        holder = json.loads(os.pread(lock, 4096, 0))
        return int(holder["pid"]), str(holder["command"])
    except (ValueError, KeyError, TypeError):
        return None, ""
