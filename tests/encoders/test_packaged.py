"""The packaged model is the one that this release was measured with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import encoders.folder
from encoders.config import EncoderConfig
from encoders.errors import EncoderConfigError
from encoders.folder import model_folder
from encoders.packaged import SHA256, check_packaged
from encoders.text import TextEncoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder(EncoderConfig()), tmp_path / "model"))


def test_the_installed_model_is_known() -> None:
    """The package of constraints.txt brings exactly these files."""
    check_packaged(model_folder(EncoderConfig()))


@pytest.mark.parametrize("name", sorted(SHA256))
def test_one_changed_byte_in_any_file_is_refused_by_name(folder: Path, name: str) -> None:
    """Weights, words and configuration alike; so is a file that is gone."""
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(EncoderConfigError, match=f"{name} is not the file that this release knows"):
        check_packaged(folder)
    (folder / name).unlink()
    with pytest.raises(EncoderConfigError, match=f"{name} can't be read"):
        check_packaged(folder)


def test_loading_checks_the_packaged_model_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other weights under the packaged name are refused at load; a folder of one's own is one's own matter."""
    settings = folder / "tokenizer_config.json"
    settings.write_text(settings.read_text("utf-8") + "\n", "utf-8")
    TextEncoder(EncoderConfig(model=str(folder))).load()
    monkeypatch.setattr(encoders.folder, "packaged_folder", lambda: folder)
    with pytest.raises(EncoderConfigError, match=r"tokenizer_config\.json is not the file"):
        TextEncoder(EncoderConfig()).load()
