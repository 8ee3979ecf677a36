"""What is kept on disk between processes is whole, whatever happens to those that write it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from encoders.cache_folder import cache_folder, one_at_a_time, write_whole
from encoders.config import EncoderConfig

WRITER = """
import sys
from pathlib import Path
from encoders.cache_folder import one_at_a_time, write_whole
path = Path(sys.argv[1])
with one_at_a_time(path.with_suffix(".lock")):
    print("has it", flush=True)
    for number in range(10_000):
        write_whole(path, bytes([number % 256]) * 4_000_000)
"""


def test_a_kill_leaves_a_whole_file_and_no_lock(tmp_path: Path) -> None:
    """SIGKILL while a file is written, again and again: what is there is one of the versions, and the next writer gets in."""
    path = tmp_path / "table"
    for wait in (0.05, 0.3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None and writer.stdout.readline() == b"has it\n"
        time.sleep(wait)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        if path.exists():
            data = path.read_bytes()
            assert len(data) == 4_000_000 and data == data[:1] * len(data)
        with one_at_a_time(path.with_suffix(".lock")):
            write_whole(path, b"mine")
        assert path.read_bytes() == b"mine"


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """Who holds the lock is alone: another one waits until it is let go."""
    path = tmp_path / "new" / "table"
    with one_at_a_time(path.with_suffix(".lock")):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        time.sleep(0.5)
        assert not path.exists()
    assert writer.stdout is not None and writer.stdout.readline() == b"has it\n"
    writer.kill()
    writer.wait()
    writer.stdout.close()
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_folder_is_the_one_of_the_settings_or_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """encoder.disk_cache, $XDG_CACHE_HOME where it is absolute, ~/.cache; a user without a home has none."""
    assert cache_folder(EncoderConfig(disk_cache=tmp_path)) == tmp_path
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder(EncoderConfig()) == Path("/somewhere/driftline")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder(EncoderConfig()) == tmp_path / ".cache" / "driftline"
