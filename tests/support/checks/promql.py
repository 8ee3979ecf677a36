"""As much of PromQL as it takes to say which metrics and labels an expression names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<range>\[[^\]]*\])
      | (?P<name>[A-Za-z_:][A-Za-z0-9_:]*)
      | (?P<number>[0-9.]+(?:[eE][+-]?[0-9]+)?[a-z]*)
      | (?P<mark>=~|!~|!=|==|>=|<=|[-+*/%^<>=(){},@])
      | (?P<space>\s+)""",
    re.VERBOSE,
)
_GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}


@dataclass(slots=True)
class Named:
    """What an expression names: label matchers by metric, and the labels that it groups by."""

    metrics: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    """metric -> (label, operator, value) of its matchers."""
    grouping: set[str] = field(default_factory=set)


def named(expression: str) -> Named:
    """Read an expression.

    Raises:
        ValueError: a character that is no PromQL.
    """
    tokens = _tokens(expression)
    found = Named()
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        at += 1
        if kind != "name" or text.lower() in _WORDS:
            continue
        if text in _GROUPING:
            if following == "(":
                end = tokens.index(("mark", ")"), at)
                found.grouping |= {label for kind, label in tokens[at:end] if kind == "name"}
                at = end + 1
        elif following == "{":
            end = tokens.index(("mark", "}"), at)
            inside = [text for _, text in tokens[at + 1 : end] if text != ","]
            matchers = [
                (label, operator, value[1:-1])
                for label, operator, value in zip(inside[::3], inside[1::3], inside[2::3], strict=True)
            ]
            found.metrics.setdefault(text, []).extend(matchers)
            at = end + 1
        elif following != "(" and following not in _GROUPING:
            found.metrics.setdefault(text, [])
    return found


def _tokens(expression: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None:
            raise ValueError(f"not PromQL at {expression[at:]!r}")
        kind = match.lastgroup or ""
        if kind != "space":
            tokens.append((kind, match.group()))
        at = match.end()
    return tokens
