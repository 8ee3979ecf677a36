"""A proposal as a settings file."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from streams.learning.profile.proposal import Proposal
from streams.outputs import check_output, whole_file
from streams.settings import Settings
from transfer.config import InterestConfig

WIDTH = 110
NOT_MEASURED = "Nothing was measured, only counted; what is not here stays as it is"


def settings_text(proposal: Proposal, head: str, notes: Sequence[str] = ()) -> str:
    """TOML: the head and the notes as comments, then each section with the reasons as comments.

    A section or key that this release's settings don't have stands there as a comment, for the option of the same name.
    """
    lines = [line for text in (head, *notes) for line in _comment(text)]
    if proposal.weakness:
        lines += _comment(f"{NOT_MEASURED}: {proposal.weakness}.")
    for section, choices in proposal.sections.items():
        known = {key: choice for key, choice in choices.items() if is_setting(section, key)}
        if known:
            lines += ["", f"[{section}]"]
            for key, choice in known.items():
                lines += [*_comment(choice.reason), f"{key} = {toml(choice.value)}"]
        others = {key: choice for key, choice in choices.items() if key not in known}
        if others:
            lines += ["", f"# Not in the settings of this release, {section}:"]
            for key, choice in others.items():
                lines += [*_comment(choice.reason), f"# {key} = {toml(choice.value)}"]
    return "\n".join(lines) + "\n"


def actions_text(interest: InterestConfig) -> str:
    """TOML of the actions that the log was read with, to go behind `settings_text`; "" where there are no further ones.

    >>> print(actions_text(InterestConfig(actions={"hide": -1.0}, weigh={"purchase": "quantity"})))
    <BLANKLINE>
    [interest.actions]
    "hide" = -1.0
    <BLANKLINE>
    [interest.weigh]
    "purchase" = { by = "quantity", typical = 1.0 }
    <BLANKLINE>
    """
    lines = []
    if interest.actions:
        lines += ["", "[interest.actions]"]
        lines += [f"{toml(name)} = {weight}" for name, weight in interest.actions.items()]
    if interest.weigh:
        lines += ["", "[interest.weigh]"]
        lines += [
            f"{toml(name)} = {{ by = {toml(one.by)}, typical = {one.typical} }}"
            for name, one in interest.weigh.items()
        ]
    return "".join(f"{line}\n" for line in lines)


def proposed_flags(proposal: Proposal) -> dict[str, dict[str, Any]]:
    """Section -> key -> value of all that the settings of this release have, for `Settings.load`."""
    return {
        section: {key: choice.value for key, choice in choices.items() if is_setting(section, key)}
        for section, choices in proposal.sections.items()
        if any(is_setting(section, key) for key in choices)
    }


def is_setting(section: str, key: str) -> bool:
    """Whether the settings have this key.

    >>> is_setting("interest", "ring"), is_setting("interest", "rings"), is_setting("none", "ring")
    (True, False, False)
    """
    field = Settings.model_fields.get(section)
    model = field.annotation if field is not None else None
    return isinstance(model, type) and issubclass(model, BaseModel) and key in model.model_fields


def toml(value: object) -> str:
    """A number, a text, or a tuple or table of them.

    >>> toml((2.0, 380160.0, float("inf"))), toml(0.1), toml(64), toml('a"b')
    ('[2.0, 380160.0, inf]', '0.1', '64', '"a\\\\"b"')
    >>> toml({"purchase": {"by": "quantity", "typical": 1.0}})
    '{ "purchase" = { "by" = "quantity", "typical" = 1.0 } }'
    """
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml(name)} = {toml(one)}" for name, one in value.items()) + " }"
    if isinstance(value, tuple):
        return f"[{', '.join(toml(one) for one in value)}]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def write_settings(path: Path, text: str, force: bool) -> None:
    """Write the file whole or not at all.

    Raises:
        SettingsError: the file exists and `force` is not set.
        OutputError: it can't be written.
    """
    check_output(path, force)
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8")


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH - 2)]
