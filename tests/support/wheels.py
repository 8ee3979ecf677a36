"""Wheels: the project's own, small ones of others, and environments to install them into."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterable, Mapping
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build_wheel(folder: Path) -> Path:
    """The project's wheel, built by hatchling from the tree under test; nothing is fetched."""
    _pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("driftline-*.whl")
    return wheel


def write_wheel(folder: Path, name: str, version: str, files: Mapping[str, str]) -> Path:
    """A wheel of somebody else: path in it to text."""
    info = f"{name}-{version}.dist-info"
    texts = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*texts, f"{info}/RECORD"])
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**texts, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return wheel


class Environment:
    """A virtual environment with distributions that this one has, by links: no copy, nothing is fetched.

    distributions: canonical names; None: all that this environment has, behind what the other gets itself.
    """

    def __init__(self, folder: Path, distributions: Iterable[str] | None = None) -> None:
        venv.create(folder, with_pip=False)
        self._bin = folder / "bin"
        (packages,) = folder.glob("lib/python*/site-packages")
        self.packages = packages
        if distributions is None:
            # Not processed itself is what .pth files there say: the tree under test, installed editable, does not come along.
            (packages / "behind.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        for one in map(distribution, distributions or ()):
            for name in {file.parts[0] for file in one.files or ()} - {"..", "__pycache__"}:
                (packages / name).symlink_to(Path(str(one.locate_file(name))))

    def install(self, wheel: Path) -> None:
        """As `pip install` would."""
        _pip("--python", str(self._bin / "python"), "install", "--no-deps", "--no-index", str(wheel))

    def uninstall(self, name: str) -> None:
        """As `pip uninstall` would."""
        _pip("--python", str(self._bin / "python"), "uninstall", "--yes", name)

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, away from the tree under test."""
        return subprocess.run(
            [str(self._bin / command[0]), *command[1:]],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.packages,
            env={"PATH": str(self._bin), "COLUMNS": "200", "HF_HUB_OFFLINE": "1", **environment},
            check=False,
        )


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
