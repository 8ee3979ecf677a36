"""Free disk space, checked before a write.

The embedded engine maps its files into memory. Where the disk is full, a write to such a page ends the process by SIGBUS,
silently; so that is prevented.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from sinks.errors import StoreUnavailable


class FreeSpace:
    """What has to stay free on the disk of a folder."""

    def __init__(self, path: Path, least_bytes: int) -> None:
        """least_bytes: 0 asks for nothing."""
        self._path = path
        self._least_bytes = least_bytes

    def require(self, least_bytes: int = 0) -> None:
        """Return at once where enough is free; asking costs some microseconds. least_bytes: what this needs by itself.

        Raises:
            StoreUnavailable: it is not; nothing was written. Trying again helps once there is room.
        """
        least_bytes = max(least_bytes, self._least_bytes)
        if not least_bytes:
            return
        free_bytes = shutil.disk_usage(self._path).free
        if free_bytes < least_bytes:
            raise StoreUnavailable(
                f"the disk of {self._path} is nearly full: {free_bytes >> 20} MiB are free, "
                f"{least_bytes >> 20} MiB have to stay so (store.min_free_bytes). Make room; writing resumes by itself"
            )
