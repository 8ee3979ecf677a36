"""Finding a model's folder and reading what can be known of it without loading torch."""

import json
from collections.abc import Iterable
from pathlib import Path

import xxhash

from encoders.config import MULTILINGUAL, PACKAGED_MODEL, EncoderConfig
from encoders.errors import EncoderConfigError
from encoders.packaged import PACKAGED_NAMES, packaged_folder

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt")
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json")
_WIDTH_KEYS = ("hidden_size", "dim", "d_model", "n_embd")
_HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
_READ_BYTES = 1 << 22


def model_folder(config: EncoderConfig) -> Path:
    """The folder of the configured model; goes to the network only with `allow_hub`.

    Raises:
        EncoderConfigError: there is no such model; says the ways to get one.
        MissingPackage: the default model is not installed.
    """
    if config.model in PACKAGED_NAMES:
        folder = packaged_folder()
    elif (named := _at_home(config.model)).is_dir():
        folder = named
    elif config.allow_hub:
        folder = _hub_folder(config.model)
    else:
        raise EncoderConfigError(
            f"encoder.model {config.model!r} is neither the packaged {PACKAGED_MODEL!r} or {MULTILINGUAL!r} nor a folder here; "
            "give the path of a folder with config.json, tokenizer.json and *.safetensors, or set "
            "encoder.allow_hub = true to fetch it from the Hugging Face hub"
        )
    missing = [] if (folder / "config.json").is_file() else ["config.json"]
    if not _weights(folder):
        missing.append("*.safetensors")
    # Without one, transformers makes an empty tokenizer that calls every word unknown.
    if not any((folder / name).is_file() for name in _VOCABULARIES) and not list(folder.glob("*.model")):
        missing.append("tokenizer.json")
    if missing:
        raise EncoderConfigError(
            f"encoder.model: folder {str(folder)!r} lacks {' and '.join(missing)}; save the model there with "
            "model.save_pretrained(folder) and tokenizer.save_pretrained(folder)"
        )
    return folder


def _at_home(name: str) -> Path:
    """The path that `~` stands for; of a user who has no home folder, the name itself."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def files_fingerprint(folder: Path) -> str:
    """Hex of the hash over config, weights and tokenizer, by content: moving the folder changes nothing."""
    digest = xxhash.xxh3_128()
    for path in _fingerprinted(folder):
        digest.update(f"{path.name}:{path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
    return digest.hexdigest()


def hidden_width(folder: Path) -> int:
    """Width of the model's last hidden layer.

    Raises:
        EncoderConfigError: config.json is damaged or doesn't say.
    """
    settings = model_settings(folder)
    for key in _WIDTH_KEYS:
        width = settings.get(key)
        if isinstance(width, int) and width > 0:
            return width
    raise EncoderConfigError(
        f"encoder.model: {folder / 'config.json'} names none of {', '.join(_WIDTH_KEYS)}; "
        "give the folder of a text encoder"
    )


def model_settings(folder: Path) -> dict[str, object]:
    """The model's config.json.

    Raises:
        EncoderConfigError: it is not a JSON object.
    """
    try:
        settings = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise EncoderConfigError(
            f"encoder.model: can't read {folder / 'config.json'} ({error}); copy the model again"
        ) from error
    if not isinstance(settings, dict):
        raise EncoderConfigError(
            f"encoder.model: {folder / 'config.json'} is not a JSON object; copy the model again"
        )
    return settings


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _fingerprinted(folder: Path) -> Iterable[Path]:
    yield folder / "config.json"
    yield from (folder / name for name in _TOKENIZER_FILES if (folder / name).is_file())
    yield from sorted(folder.glob("*.model"))
    yield from _weights(folder)


def _hub_folder(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        # What is in the local cache is used as it is: a start must not depend on the network twice.
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES, local_files_only=True))
    except (OSError, ValueError):
        pass
    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except Exception as error:  # the hub's client raises its own, requests' and the system's
        raise EncoderConfigError(
            f"encoder.model {name!r} can't be fetched from the Hugging Face hub ({type(error).__name__}); "
            "check the name, the network and HF_HUB_OFFLINE, or give the path of a folder"
        ) from error
