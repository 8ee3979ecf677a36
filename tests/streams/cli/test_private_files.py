"""What commands write belongs to its owner and group, whatever the umask lets others read."""

from __future__ import annotations

import json
import os
import random
import stat
import subprocess
from pathlib import Path

import pytest

from support.servers.daemon_process import driftline, program

NOW = 1_700_000_000.0


def log_of(folder: Path) -> Path:
    rng = random.Random(3)
    rows = [
        {
            "user_id": f"u{n % 9}",
            "timestamp": NOW - 90_000 + n * 60.0 if n else "never",
            "scenario": rng.choice(["books", "games"]),
            "item_id": f"i{rng.randrange(12)}",
            "action": "click",
        }
        for n in range(400)
    ]
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "items.jsonl").write_text(
        "".join(json.dumps({"item_id": f"i{n}", "title": f"Thing {n}"}) + "\n" for n in range(12))
    )
    return path


def modes(root: Path) -> dict[str, int]:
    """Modes of all files and folders below, and of the folder."""
    return {
        str(path.relative_to(root.parent)): stat.S_IMODE(path.stat().st_mode)
        for path in (root, *root.rglob("*"))
    }


@pytest.mark.parametrize("umask", ["000", "022", "077"])
def test_every_command_that_writes_keeps_its_files_private(tmp_path: Path, umask: str) -> None:
    """Stores, exports, rejects, manifests, encoders and settings: files of 0640 and folders of 0750 at most, and no bit that
    the umask of the shell takes away. Readable to the group, if the umask lets it."""
    log = log_of(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    commands = [
        f"replay {log} --items {tmp_path}/items.jsonl --store {out}/store --rejects {out}/rejects.jsonl "
        f"--manifest {out}/manifest.json",
        f"export --store {out}/store --out {out}/users.parquet",
        f"fit {log} --items {tmp_path}/items.jsonl --out {out}/encoder",
        f"profile {log} --out {out}/settings.toml --plots {out}/plots",
    ]
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", f"umask {umask}; exec {program()} {command}"],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            env={**os.environ, "COLUMNS": "200"},
        )
        assert done.returncode == 0, (command, done.stderr)
    taken = int(umask, 8) | 0o027
    found = {name: mode for name, mode in modes(out).items() if name != "out"}
    assert len(found) > 20
    assert {name: oct(mode) for name, mode in found.items() if mode & taken} == {}
    if umask != "077":
        assert {name: oct(mode) for name, mode in found.items() if not mode & 0o040} == {}


def test_a_folder_that_others_may_read_is_left_as_it_is_and_named(tmp_path: Path) -> None:
    """A store in a folder that was there keeps its mode, and each command says what to do about it."""
    log = log_of(tmp_path)
    store = tmp_path / "store"
    store.mkdir(0o755)
    store.chmod(0o755)
    done = driftline("replay", str(log), "--store", str(store))
    assert done.returncode == 0 and f"chmod o-rwx {store}" in done.stderr.replace("\n", "")
    assert stat.S_IMODE(store.stat().st_mode) == 0o755
    store.chmod(0o750)
    assert (
        "chmod" not in driftline("export", "--store", str(store), "--out", str(tmp_path / "u.parquet")).stderr
    )
