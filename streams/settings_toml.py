"""The settings file: TOML, whose relative paths are relative to the file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr

from streams.errors import SettingsError
from streams.settings_environment import SECRET_FILE, models_of, parts_of, secret_from

Located = Callable[[str, Path], str]
"""Text of a setting and the file's folder -> the text with its path made absolute, where it is one."""


def read_settings_file(file: Path, settings: type[BaseModel], texts: Mapping[str, Located]) -> dict[str, Any]:
    """What the file says, its relative paths made absolute: a daemon may be started from anywhere.

    texts: settings that may be a path and are no `Path`, such as `store.location`, with the rule for each.

    Raises:
        SettingsError: it can't be read, or is no TOML; names the file, and shows no value.
    """
    try:
        # With a byte-order mark as some editors write it.
        said = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"can't read the settings file {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"settings file {file}: byte {error.start + 1} is not UTF-8; save it as UTF-8"
        ) from None
    except (ValueError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise SettingsError(f"settings file {file}: {why}") from None
    # Not resolved: a file that is a link (as Kubernetes mounts them) has its neighbours where the link is.
    return _located(said, settings, file.absolute().parent, texts, ())


def _located(
    said: Mapping[str, Any],
    model: type[BaseModel],
    folder: Path,
    texts: Mapping[str, Located],
    at: tuple[str, ...],
) -> dict[str, Any]:
    found = dict(said)
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for key, value in said.items():
        path = ".".join((*at, key))
        field = fields.get(key)
        if field is None:
            secret = fields.get(key.removesuffix(SECRET_FILE)) if key.endswith(SECRET_FILE) else None
            if secret is not None and isinstance(value, str) and SecretStr in parts_of(secret.annotation):
                del found[key]
                if key.removesuffix(SECRET_FILE) in said:
                    raise SettingsError(
                        f"{path}: {path.removesuffix(SECRET_FILE)} is set too; keep one of them"
                    )
                found[key.removesuffix(SECRET_FILE)] = secret_from(Path(_absolute(value, folder, path)), path)
            continue
        if path in texts:
            found[key] = _each(value, partial(_beside, folder=folder, rule=texts[path]))
            continue
        for part in parts_of(field.annotation):
            inner = (*get_args(part), None)
            if part is Path or (get_origin(part) in (tuple, list) and Path in parts_of(inner[0])):
                found[key] = _each(value, partial(_absolute, folder=folder, key=path))
            elif get_origin(part) is dict and isinstance(value, dict):
                for nested in models_of(inner[1]):
                    found[key] = {
                        name: _located(one, nested, folder, texts, (*at, key, name))
                        if isinstance(one, dict)
                        else one
                        for name, one in value.items()
                    }
        for nested in models_of(field.annotation):
            if isinstance(value, dict):
                found[key] = _located(value, nested, folder, texts, (*at, key))
    return found


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [change(one) if isinstance(one, str) else one for one in value]
    return change(value) if isinstance(value, str) else value


def _beside(text: str, folder: Path, rule: Located) -> str:
    return rule(text, folder)


def _absolute(text: str, folder: Path, key: str) -> str:
    if not text.strip():
        raise SettingsError(f"{key}: the path is empty; leave the key out where there is none")
    try:
        return str(folder / Path(text).expanduser())
    except RuntimeError:
        raise SettingsError(f"{key}: there is no home folder for {Path(text).parts[0]!r}") from None
