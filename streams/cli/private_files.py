"""Files that commands write belong to their owner and group: they hold interests, ids, or models made of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

OTHERS: Final = 0o007
GROUP_WRITE: Final = 0o020


def keep_files_private() -> None:
    """From now on this process makes files of mode 0640 and folders of 0750 at most, libraries included; what the umask
    that it was started with takes away stays away."""
    os.umask(os.umask(0o777) | OTHERS | GROUP_WRITE)


def open_to_others(folder: Path) -> str | None:
    """What to say of a folder that was there already and that every user of the machine may read; None: nothing.

    It is left as it is: somebody may have meant it.
    """
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError:
        return None
    if not mode & OTHERS:
        return None
    return (
        f"note: every user of this machine may read the folder {folder} (mode {mode:04o}); it holds interests of people: "
        f"chmod o-rwx {folder}"
    )
