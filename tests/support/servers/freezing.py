"""Stopping a child process so that it has stopped."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any


def freeze(child: subprocess.Popen[Any]) -> None:
    """SIGSTOP, and wait for it: on a busy machine a thread of the child may answer a call after the signal was sent."""
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
