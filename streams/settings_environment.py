"""DRIFTLINE_* variables as the settings' nested form; each by the type that its setting has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from streams.errors import SettingsError

ENV_PREFIX = "DRIFTLINE_"
ENV_NESTED = "__"
CONFIG_VARIABLE = "DRIFTLINE_CONFIG"
SECRET_FILE = "_file"
"""Ends the name of a secret's twin, which names the file that holds it."""
_TEST_PREFIX = f"{ENV_PREFIX}TEST_"


def unknown_variables(environment: Mapping[str, str], settings: type[BaseModel]) -> list[str]:
    """DRIFTLINE_* variables that no setting has: a typing error would otherwise pass silently."""
    return [name for name in _ours(environment) if _setting(name, settings) is None]


def settings_from(
    environment: Mapping[str, str], settings: type[BaseModel]
) -> tuple[dict[str, Any], dict[str, str]]:
    """What the variables set, nested as in a file, and by setting (`daemon.port`) the variable that says it.

    A list is JSON or has commas between its parts; a section or table is JSON. An empty variable sets nothing.
    `DRIFTLINE_STORE__API_KEY_FILE` names the file that holds the secret. Unknown ones are passed over.

    Raises:
        SettingsError: one that can't be read, or two that say the same; names them, never shows a value.
    """
    nested: dict[str, Any] = {}
    said: dict[str, str] = {}
    for name in _ours(environment):
        found = _setting(name, settings)
        if found is None:
            continue
        path, annotation = found
        text = environment[name]
        if not text.strip():
            continue
        if path[-1].endswith(SECRET_FILE) and annotation is SecretStr:
            path = (*path[:-1], path[-1].removesuffix(SECRET_FILE))
            text = secret_from(Path(text.strip()), name)
        key = ".".join(path)
        if key in said:
            raise SettingsError(f"{said[key]} and {name} both set {key}; keep one of them")
        said[key] = name
        _put(nested, path, _value(name, text, annotation))
    return nested, said


def secret_from(file: Path, named_by: str) -> str:
    """The secret that a file holds, without the line's end.

    Raises:
        SettingsError: it can't be read, or is empty.
    """
    try:
        text = file.expanduser().read_text(encoding="utf-8").strip()
    except (OSError, ValueError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"{named_by}: can't read the secret in {file}: {why}") from None
    if not text:
        raise SettingsError(f"{named_by}: the file {file} is empty")
    return text


def parts_of(annotation: Any) -> Iterator[Any]:
    """The types that may stand there, without None and what surrounds them.

    >>> list(parts_of(Annotated[tuple[float, ...], "ascending"] | None))
    [tuple[float, ...]]
    """
    if get_origin(annotation) is Annotated:
        yield from parts_of(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for one in get_args(annotation):
            yield from parts_of(one)
    elif annotation is not type(None):
        yield annotation


def models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """Those of the types that are sections."""
    for part in parts_of(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            yield part


def _ours(environment: Mapping[str, str]) -> list[str]:
    names = [
        name
        for name in environment
        if name.upper().startswith(ENV_PREFIX)
        and name.upper() != CONFIG_VARIABLE
        and not name.upper().startswith(_TEST_PREFIX)
    ]
    # A section's own variable is shorter than those of its keys, which so win.
    return sorted(names, key=lambda name: (name.upper(), name))


def _setting(name: str, settings: type[BaseModel]) -> tuple[tuple[str, ...], Any] | None:
    """Where a variable's value belongs, and what may stand there; None: no setting has that name."""
    path: tuple[str, ...] = ()
    annotation: Any = settings
    for word in name[len(ENV_PREFIX) :].lower().split(ENV_NESTED):
        if not word:
            return None
        found = _inside(annotation, word)
        if found is None:
            return None
        path, annotation = (*path, found[0]), found[1]
    return path, annotation


def _inside(annotation: Any, word: str) -> tuple[str, Any] | None:
    for model in models_of(annotation):
        fields = {(field.alias or name).lower(): name for name, field in model.model_fields.items()}
        if word in fields:
            field = model.model_fields[fields[word]]
            return field.alias or fields[word], field.annotation
        secret = fields.get(word.removesuffix(SECRET_FILE)) if word.endswith(SECRET_FILE) else None
        if secret is not None and SecretStr in parts_of(model.model_fields[secret].annotation):
            return word, SecretStr
    for part in parts_of(annotation):
        if get_origin(part) in (dict, Mapping) or part is dict:
            return word, (*get_args(part), Any, Any)[1]
    return None


def _value(name: str, text: str, annotation: Any) -> Any:
    parts = list(parts_of(annotation))
    origins = [get_origin(part) or part for part in parts]
    texts = any(one in (str, Path, SecretStr, Any) for one in origins)
    if any(one in (tuple, list, set, frozenset) for one in origins):
        if text.strip().startswith("["):
            return _json(name, text, list)
        return text if texts else [part.strip() for part in text.split(",") if part.strip()]
    if any(one in (dict, Mapping) for one in origins) or any(models_of(annotation)):
        if text.strip().startswith("{"):
            return _json(name, text, dict)
        if len(parts) == sum(1 for _ in models_of(annotation)) or origins in ([dict], [Mapping]):
            raise SettingsError(
                f"{name}: has keys of its own; set {name}{ENV_NESTED}KEY, or give a JSON object"
            )
    return text


def _json(name: str, text: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        raise SettingsError(
            f"{name}: not valid JSON{where}; "
            + ("a list is also read with commas alone: 60,600" if kind is list else "a JSON object is wanted")
        ) from None
    if not isinstance(value, kind):
        raise SettingsError(f"{name}: the JSON is not {'a list' if kind is list else 'an object'}")
    return value


def _put(nested: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        inner = nested.setdefault(key, {})
        if not isinstance(inner, dict):
            inner = nested[key] = {}
        nested = inner
    before = nested.get(path[-1])
    if isinstance(before, dict) and isinstance(value, dict):
        value = {**value, **before}
    nested[path[-1]] = value
