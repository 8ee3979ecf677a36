"""docs/settings.md, made from the settings' own fields: `python -m streams.settings_page > docs/settings.md`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from streams.events.events_config import FieldSource
from streams.settings import Settings
from streams.settings_environment import ENV_NESTED, ENV_PREFIX, parts_of

HEAD = """\
# Settings

Made from the settings' own descriptions by `make docs`; edit those instead.

Settings come from `driftline.toml` (or `--config FILE`, or the file that `DRIFTLINE_CONFIG` names), then from
`DRIFTLINE_SECTION__KEY` in the environment, then from flags; the later wins. Unknown keys are refused, and secrets appear in
no log.

    [broker]
    url = "kafka:9093"
    security_protocol = "SASL_SSL"
    sasl_mechanism = "SCRAM-SHA-512"
    sasl_username = "driftline"          # the password: DRIFTLINE_BROKER__SASL_PASSWORD

    [store]
    location = "https://qdrant:6333"     # the key: DRIFTLINE_STORE__API_KEY

In the environment a list has commas (`DRIFTLINE_INTEREST__HALF_LIVES_S=60,600,86400`) or is JSON, a table is JSON, and an empty
variable sets nothing. A secret may lie in a file: `DRIFTLINE_STORE__API_KEY_FILE=/run/secrets/key` in the environment,
`api_key_file = "key"` in the file; what surrounds it, such as a line break, is left out. Numbers are finite, but where `inf` is
said to stand for all time. Relative paths are relative to the settings file in that file, to the working directory elsewhere.
`driftline profile` writes a file fitted to a log, with the reason for each value ([learning.md](learning.md)).
"""

_NAMES: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    Path: "path",
    SecretStr: "secret text",
    FieldSource: "table",
}
_BOUNDS = {
    "gt": "> {}",
    "ge": ">= {}",
    "lt": "< {}",
    "le": "<= {}",
    "min_length": "at least {} long",
    "max_length": "at most {} long",
}


def page() -> str:
    """The whole page, as Markdown."""
    return HEAD + "".join(_section(name, field) for name, field in Settings.model_fields.items())


def _section(name: str, field: FieldInfo) -> str:
    model = field.annotation
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError(f"settings section {name} is no model")
    about = (model.__doc__ or "").strip().split("\n\n")[0]
    inner = {key: one for key, one in model.model_fields.items() if _is_table(one.annotation)}
    rows = [_row(name, key, one) for key, one in model.model_fields.items() if key not in inner]
    head = "| key | in the environment | type | default | meaning |\n|---|---|---|---|---|\n"
    section = f"\n## {name}\n\n{' '.join(about.split())}\n\n{head}{''.join(rows)}"
    section += "".join(_section(f"{name}.{key}", one) for key, one in inner.items())
    return section + "".join(_tables(name, key, one) for key, one in model.model_fields.items())


def _tables(section: str, key: str, field: FieldInfo) -> str:
    """Tables of a section that a user names; "" for other fields."""
    args = get_args(field.annotation)
    if get_origin(field.annotation) is not dict or not _is_table(args[1]):
        return ""
    about = (args[1].__doc__ or "").strip().split("\n\n")[0]
    head = f"\n### {section}.{key}.NAME\n\n{' '.join(about.split())}\n\n| key | type | default | meaning |\n|---|---|---|---|\n"
    return head + "".join(_line(_cells(each, one)) for each, one in args[1].model_fields.items())


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _row(section: str, key: str, field: FieldInfo) -> str:
    name, *rest = _cells(key, field)
    variable = f"{ENV_PREFIX}{section.replace('.', ENV_NESTED)}{ENV_NESTED}{key}"
    return _line([name, f"`{variable}`".upper(), *rest])


def _cells(key: str, field: FieldInfo) -> list[str]:
    bounds = _bounds(field.metadata)
    kind = _type(field.annotation) + (f", {bounds}" if bounds else "")
    meaning = " ".join((field.description or "").split())
    return [f"`{key}`", kind, _default(field), meaning]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _type(annotation: Any) -> str:
    """What may stand there, in words.

    >>> _type(int | None), _type(Literal["stop", "skip"]), _type(tuple[float, ...])
    ('whole number or none', '`stop` or `skip`', 'list of: number')
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = _bounds(
            [part for one in args[1:] for part in (one.metadata if isinstance(one, FieldInfo) else [one])]
        )
        return _type(args[0]) + (f" {bounds}" if bounds else "")
    if origin is Literal:
        *rest, last = [f"`{value}`" for value in args]
        return f"{', '.join(rest)} or {last}" if rest else last
    if origin in (Union, UnionType):
        known = [_type(one) for one in args if one is not type(None)]
        return " or ".join(known + (["none"] if type(None) in args else []))
    if origin is tuple:
        return f"list of: {_type(args[0])}"
    if origin is dict:
        return (
            "tables" if _is_table(args[1]) else "table" if args[1] is Any else f"table of: {_type(args[1])}"
        )
    return _NAMES[annotation]


def _bounds(metadata: list[Any]) -> str:
    """Limits, of annotated-types or of pydantic."""
    found = [
        text.format(value)
        for name, text in _BOUNDS.items()
        for one in metadata
        if (value := getattr(one, name, None)) is not None
    ]
    return ", ".join(found)


def _default(field: FieldInfo) -> str:
    if SecretStr in parts_of(field.annotation):
        return ""
    value = field.default
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return "none"
    if isinstance(value, tuple):
        return f"`[{', '.join(str(one) for one in value)}]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(page())
