"""The folder that keeps between processes what takes long to compute; nothing is lost that can't be computed again."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from encoders.config import EncoderConfig

_OURS = "driftline"


def cache_folder(config: EncoderConfig) -> Path | None:
    """`encoder.disk_cache`, else the place that the XDG base directory specification gives it; None: the user has no home."""
    if config.disk_cache is not None:
        return config.disk_cache
    named = os.environ.get("XDG_CACHE_HOME", "")
    if named.startswith("/"):  # the specification: relative ones are to be passed over
        return Path(named) / _OURS
    try:
        return Path.home() / ".cache" / _OURS
    except RuntimeError:
        return None


@contextlib.contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Within it no other process is, that uses the same lock file; a killed one lets go.

    Raises:
        OSError: the file can't be made.
    """
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_whole(path: Path, data: bytes) -> None:
    """Put the file there whole: whoever reads finds the old one, none, or this one, also after a kill or a power cut.

    Raises:
        OSError: it can't be written.
    """
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
