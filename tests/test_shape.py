"""The shape of the code that no linter holds: how much a function asks for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = ("streams", "encoders", "transfer", "sinks")
MOST_PARAMETERS = 7
FOLDER = Path(__file__).parents[1]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Names, without self."""
    given = function.args
    every = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    names = [each.arg for each in every if each is not None]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def only_keeps(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A constructor that does no more than keep what it is given, as a dataclass does."""
    return function.name == "__init__" and all(
        isinstance(line, ast.Assign | ast.AnnAssign) and isinstance(line.value, ast.Name)
        for line in function.body
        if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
    )


def is_command(path: Path, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """The options of a command are its parameters."""
    return path.parts[-2] == "cli" and any(name == "json_" for name in parameters(function))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_function_asks_for_seven_things_at_most(package: str) -> None:
    """What belongs together comes as one object with a name; only commands and dataclass-like constructors take more."""
    found = {
        f"{path.relative_to(FOLDER)}:{function.name}": parameters(function)
        for path in sorted((FOLDER / package).rglob("*.py"))
        for function in functions(path)
        if len(parameters(function)) > MOST_PARAMETERS
        and not only_keeps(function)
        and not is_command(path, function)
    }
    assert found == {}
