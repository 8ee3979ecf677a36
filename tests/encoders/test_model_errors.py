"""A model that can't be served: found early, said clearly."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from encoders.config import EncoderConfig
from encoders.errors import EncoderConfigError
from encoders.folder import model_folder
from encoders.text import TextEncoder
from support.fakes.tiny_model import save_tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_tiny_model(tmp_path / "model")


def config(folder: Path, **changes: object) -> EncoderConfig:
    return EncoderConfig.model_validate(
        {"model": str(folder), "max_length": 32, "dim": 16, "device": "cpu", **changes}
    )


def test_unknown_model_names_the_ways_to_get_one() -> None:
    """A name that is no folder is refused at construction, with the folder and the hub switch as ways out."""
    with pytest.raises(EncoderConfigError, match=r"(?s)'some/model'.*packaged.*folder.*allow_hub = true"):
        TextEncoder(EncoderConfig(model="some/model"))


@pytest.mark.parametrize("gone", ["config.json", "model.safetensors"])
def test_incomplete_folder_names_the_missing_file(folder: Path, gone: str) -> None:
    """A folder without configuration or weights is refused at construction; pickled weights don't count."""
    (folder / gone).rename(folder / "pytorch_model.bin")
    with pytest.raises(EncoderConfigError, match=gone.replace("model.", "")):
        TextEncoder(config(folder))


def test_damaged_weights_are_a_clear_error(folder: Path) -> None:
    """Weights cut short by a copy are refused."""
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(EncoderConfigError, match="can't be loaded"):
        TextEncoder(config(folder)).load()


def test_weights_that_do_not_fit_the_configuration_are_refused(folder: Path) -> None:
    """Layers without weights would be random numbers; they are an error instead."""
    settings = json.loads((folder / "config.json").read_text("utf-8"))
    settings["num_hidden_layers"] = 3
    (folder / "config.json").write_text(json.dumps(settings), "utf-8")
    with pytest.raises(EncoderConfigError, match=r"lack encoder\.layer\.2"):
        TextEncoder(config(folder)).load()


def test_damaged_configuration_is_a_clear_error(folder: Path) -> None:
    """A config.json that isn't JSON, isn't an object or knows no width names the file."""
    for content in ("{", "[]", '{"model_type": "bert"}'):
        (folder / "config.json").write_text(content, "utf-8")
        with pytest.raises(EncoderConfigError, match=r"config\.json"):
            _ = TextEncoder(config(folder)).raw_dim


def test_folder_without_tokenizer_is_a_clear_error(folder: Path) -> None:
    """A model alone can't encode text; it is refused at construction."""
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(EncoderConfigError, match=r"lacks tokenizer\.json"):
        TextEncoder(config(folder))


def test_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    """A vocabulary larger than the weights would read beyond them; it is an error at load."""
    shutil.copy(model_folder(EncoderConfig()) / "tokenizer.json", folder / "tokenizer.json")
    with pytest.raises(EncoderConfigError, match="tokenizer knows 30522 words"):
        TextEncoder(config(folder)).load()


def test_more_tokens_than_the_model_takes_are_refused(folder: Path) -> None:
    """max_length above the model's positions says the limit."""
    with pytest.raises(EncoderConfigError, match="max_length 65 > 64"):
        TextEncoder(config(folder, max_length=65)).load()


def test_code_in_a_model_folder_is_never_run(folder: Path) -> None:
    """A folder that brings its own Python is refused, without a question on the terminal."""
    settings = json.loads((folder / "config.json").read_text("utf-8"))
    settings["model_type"] = "ownmade"
    settings["auto_map"] = {"AutoConfig": "own.Config", "AutoModel": "own.Model"}
    (folder / "config.json").write_text(json.dumps(settings), "utf-8")
    (folder / "own.py").write_text("raise SystemExit('ran')", "utf-8")
    with pytest.raises(EncoderConfigError, match="can't be loaded"):
        TextEncoder(config(folder)).load()


@pytest.mark.parametrize(("device", "message"), [("cuda:63", "CUDA devices"), ("gpu-please", "not a device")])
def test_device_that_is_not_there_is_a_clear_error(folder: Path, device: str, message: str) -> None:
    """A device that was asked for by name and isn't there is an error, not a silent CPU."""
    with pytest.raises(EncoderConfigError, match=message):
        TextEncoder(config(folder, device=device)).load()


@pytest.mark.parametrize(
    "bad",
    [{"poling": "mean"}, {"dim": 0}, {"max_length": 1}, {"pooling": "max"}, {"model": ""}, {"cache_rows": 0}],
)
def test_configuration_refuses_nonsense(bad: dict[str, object]) -> None:
    """Unknown keys and impossible sizes are refused where they are given."""
    with pytest.raises(ValidationError):
        EncoderConfig.model_validate(bad)


def test_hub_is_not_asked_when_offline() -> None:
    """HF_HUB_OFFLINE wins over allow_hub; the error names it, and finding out needs no torch."""
    program = """
import sys
from encoders.config import EncoderConfig
from encoders.errors import EncoderConfigError
from encoders.folder import model_folder
from encoders.text import TextEncoder
try:
    TextEncoder(EncoderConfig(model="nobody/nothing-of-this-name", allow_hub=True))
except EncoderConfigError as error:
    assert "HF_HUB_OFFLINE" in str(error), error
    assert "torch" not in sys.modules
else:
    raise SystemExit("found a model that isn't there")
"""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=environment)
