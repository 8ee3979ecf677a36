"""Where a file lies, on this machine or in an object store: it prints, and it opens."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa

from streams.errors import LogError
from streams.files.config import FilesConfig
from streams.files.filesystems import filesystem_of, secrets_hidden, split_url

REMOTE_READ_BYTES: Final = 1 << 23
"""An object is read in ranges of this size."""
OBJECT_STORES: Final = ("s3", "gcs", "abfs")
STORE_ERRORS: Final = (OSError, pa.ArrowException)
"""What filesystems raise."""
_MOST_FOLDERS: Final = 64
_VERSION_KEYS: Final = ("ETag", "Last-Modified", "generation", "etag")


@dataclass(frozen=True, slots=True)
class Location:
    """A file, or a folder; as text it is what the user named, which never holds credentials."""

    shown: str
    path: str
    """of this machine, or in `filesystem`"""
    filesystem: Any = None
    """`pyarrow.fs.FileSystem`; None for this machine"""
    encoding: str | None = None
    """of its text; None: UTF-8, or what its first bytes say"""
    delimiter: str | None = None
    """of its CSV; None: what its header says"""
    version: tuple[Any, ...] | None = None
    """what an object was when it was checked; None where that was not noted. Files of this machine may grow."""

    def __str__(self) -> str:
        return self.shown

    @property
    def name(self) -> str:
        """Without its folder."""
        return self.shown.rstrip("/").rpartition("/")[2]

    @property
    def is_whole(self) -> bool:
        """Objects appear when they are complete; a file of this machine may be one that is being written."""
        return self.filesystem is not None and self.filesystem.type_name in OBJECT_STORES

    def identity(self) -> str:
        """Equal for two names of the same file."""
        return str(Path(self.path).resolve()) if self.filesystem is None else self.shown

    def child(self, name: str) -> Location:
        """A file or folder in this one."""
        joined = [f"{base.rstrip('/')}/{name}" if base else name for base in (self.shown, self.path)]
        if self.shown == ".":
            joined[0] = name
        return replace(self, shown=joined[0], path=joined[1])

    def open_input(self) -> pa.NativeFile:
        """For reading at any position.

        Raises:
            LogError: an object that has changed since `checked`.
            OSError
        """
        if self.filesystem is None:
            return pa.OSFile(self.path, "rb")
        stream = self.filesystem.open_input_file(self.path)
        if self.version is not None and _version(stream) != self.version:
            raise self.changed()
        return stream

    def open_raw(self) -> io.BufferedIOBase:
        """Its bytes from the first on, as they are. Raises as `open_input`."""
        if self.filesystem is None:
            return Path(self.path).open("rb")
        return io.BufferedReader(self.open_input(), REMOTE_READ_BYTES)

    def checked(self) -> Location:
        """The same, whose content must stay what it is now. Raises OSError."""
        if self.filesystem is None:
            return self
        with self.filesystem.open_input_file(self.path) as stream:
            return replace(self, version=_version(stream))

    def verify(self) -> None:
        """Raise LogError if it has changed since `checked`, OSError if it is gone."""
        if self.version is not None:
            self.open_input().close()

    def changed(self) -> LogError:
        """The error for an object that is another one by now."""
        return LogError(f"{self}: has changed since it was checked; run again when it is complete")

    def listing(self) -> Iterator[tuple[str, bool]]:
        """(name, whether it is a folder) of what lies in this folder. Raises OSError, pa.ArrowException."""
        if self.filesystem is None:
            for path in Path(self.path).iterdir():
                yield path.name, path.is_dir()
            return
        from pyarrow.fs import FileSelector, FileType

        # Google's listing of one level leaves out folders that are nothing but a part of names.
        is_deep = self.filesystem.type_name == "gcs"
        found: dict[str, bool] = {}
        for info in self.filesystem.get_file_info(FileSelector(self.path, recursive=is_deep)):
            inside = info.path.removeprefix(self.path.rstrip("/") + "/").rstrip("/")
            name, _, deeper = inside.partition("/")
            found[name] = found.get(name, False) or bool(deeper) or info.type == FileType.Directory
        yield from found.items()

    def files(self) -> Iterator[str]:
        """Paths below this folder of the files in it, to the bottom. Of a hidden folder of this machine its name, with "/".

        Raises:
            OSError, pa.ArrowException
            LogError: links lead back to a folder above.
        """
        if self.filesystem is not None:
            from pyarrow.fs import FileSelector, FileType

            for info in self.filesystem.get_file_info(FileSelector(self.path, recursive=True)):
                if info.type == FileType.File:
                    yield info.path.removeprefix(self.path.rstrip("/") + "/")
            return
        for folder, folders, names in os.walk(self.path, followlinks=True, onerror=_raise):
            below = os.path.relpath(folder, self.path)
            if below.count("/") > _MOST_FOLDERS:
                raise LogError(f"{self}: folders are nested too deep; does a link lead back to one above?")
            inside = "" if below == "." else f"{below}/"
            yield from (f"{inside}{name}/" for name in folders if name.startswith((".", "_")))
            folders[:] = [name for name in folders if not name.startswith((".", "_"))]
            yield from (inside + name for name in names)

    def bucket(self) -> Location | None:
        """The bucket or container that it lies in; None for a file of another filesystem."""
        if self.filesystem is None or self.filesystem.type_name not in OBJECT_STORES:
            return None
        name = self.path.partition("/")[0]
        return replace(self, shown=f"{self.shown.partition('://')[0]}://{name}", path=name)

    def kind(self) -> str:
        """What is there: "file", "folder" or "nothing". Raises OSError, pa.ArrowException."""
        if self.filesystem is None:
            path = Path(self.path)
            return "folder" if path.is_dir() else "file" if path.exists() else "nothing"
        from pyarrow.fs import FileType

        found = self.filesystem.get_file_info(self.path).type
        return {FileType.File: "file", FileType.Directory: "folder"}.get(found, "nothing")


def located(name: Location | Path | str, config: FilesConfig | None = None) -> Location:
    """Where a path or URL of a user leads, whether there is anything or not. config: how its text is written.

    >>> str(located("logs/a.csv")), located("logs/a.csv").name
    ('logs/a.csv', 'a.csv')

    Raises:
        LogError: no URL that can be read, or its filesystem can't be opened.
    """
    if isinstance(name, Location):
        return name
    split = split_url(str(name))
    config = config or FilesConfig()
    encoding, delimiter = config.encoding or None, config.delimiter or None
    if split is None:
        return Location(str(name), str(name), encoding=encoding, delimiter=delimiter)
    scheme, authority, path = split
    if scheme == "file":
        if authority not in ("", "localhost"):
            raise LogError(
                f"file://{authority}/...: is on another machine; write file:///PATH for a file of this one"
            )
        local = "/" + unquote(path)
        return Location(local, local, encoding=encoding, delimiter=delimiter)
    filesystem, prefix = filesystem_of(scheme, authority)
    inside = f"{prefix}/{path}".rstrip("/") if prefix else f"/{path}"
    return Location(f"{scheme}://{authority}/{path}", inside, filesystem, encoding, delimiter)


def unreadable(where: Location, error: Exception) -> LogError:
    """One line for an error of a filesystem: what is wrong, without what the library quotes."""
    said = secrets_hidden(str(getattr(error, "strerror", None) or error))
    text = said.upper().replace("_", " ")
    if isinstance(error, FileNotFoundError):
        return LogError(f"{where}: no such file")
    if "NO SUCH BUCKET" in text or "CONTAINERNOTFOUND" in text or "BUCKET NOT FOUND" in text:
        return LogError(f"{where}: no such bucket")
    if isinstance(error, PermissionError) or any(word in text for word in _DENIED):
        return LogError(f"{where}: no permission to read it{_credentials(where)}")
    if any(word in text for word in _AWAY):
        return LogError(f"{where}: its store does not answer; are endpoint and network right?")
    return LogError(
        f"{where}: can't be read ({said.splitlines()[0][:200] if said else type(error).__name__})"
    )


_DENIED: Final = (
    "ACCESS DENIED",
    "ACCESSDENIED",
    "HTTP STATUS 403",
    "FORBIDDEN",
    "AUTHORIZATION",
    "AUTHENTICATION",
    "INVALIDACCESSKEYID",
    "INVALID ACCESS KEY ID",
    "SIGNATUREDOESNOTMATCH",
    "SIGNATURE DOES NOT MATCH",
    "PERMISSION",
    "401",
    "CREDENTIAL",
    "403",
)
_AWAY: Final = (
    "CURL ERROR",
    "COULD NOT CONNECT",
    "CURLCODE",
    "NETWORK CONNECTION",
    "COULDN'T CONNECT",
    "TIMEOUT",
    "TIMED OUT",
    "COULD NOT RESOLVE",
    "CONNECTION REFUSED",
)


def _raise(error: OSError) -> None:
    raise error


def _credentials(where: Location) -> str:
    names = {
        "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "gcs": "GOOGLE_APPLICATION_CREDENTIALS",
        "abfs": "AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN",
    }
    name = names.get(where.filesystem.type_name) if where.filesystem is not None else None
    return f"; are {name} right?" if name else ""


def _version(stream: pa.NativeFile) -> tuple[Any, ...]:
    """What changes when an object is replaced: its size, and its tag where the store tells one."""
    told = stream.metadata() or {}
    known = {str(key): value for key, value in ((_text(k), _text(v)) for k, v in told.items())}
    return (stream.size(), *(known.get(key) for key in _VERSION_KEYS))


def _text(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
