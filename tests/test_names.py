"""One name for one thing: a reader who searches for a public name finds one definition."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("streams", "encoders", "transfer", "sinks")
COMMANDS = "streams/cli"
OTHER = r"TypeVar\(|Annotated\[.*typer\."
"""Not type aliases: type variables, and options of the command line."""

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def definitions() -> Iterator[tuple[str, Definition]]:
    """Path and node of each public class and function of a module, of all four packages."""
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, Definition) and not node.name.startswith("_"):
                    yield str(path.relative_to(REPOSITORY)), node


def test_a_public_class_has_a_name_of_its_own() -> None:
    """No two classes of the repository share a public name."""
    counts = Counter(node.name for _, node in definitions() if isinstance(node, ast.ClassDef))
    assert len(counts) > 300
    assert not [name for name, count in counts.items() if count > 1]


def test_a_type_alias_shares_its_name_with_nothing() -> None:
    """Neither with another alias nor with a class; type variables are a file's own."""
    counts = Counter(node.name for _, node in definitions() if isinstance(node, ast.ClassDef))
    for package in PACKAGES:
        for path in (REPOSITORY / package).rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.Assign) and not re.match(OTHER, ast.unparse(node.value)):
                    names = [target.id for target in node.targets if isinstance(target, ast.Name)]
                    counts.update(name for name in names if re.fullmatch(r"[A-Z]\w*[a-z]\w*", name))
    assert not [name for name, count in counts.items() if count > 1]


def test_a_public_function_shares_its_name_with_its_command_at_most() -> None:
    """A command of the command line may be named as the one function that it runs; all other names are unique."""
    paths: dict[str, list[str]] = defaultdict(list)
    for path, node in definitions():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            paths[node.name].append(path)
    assert len(paths) > 500
    shared = {name: where for name, where in paths.items() if len(where) > 1}
    pairs = {
        name
        for name, where in shared.items()
        if len(where) == 2 and sum(path.startswith(COMMANDS) for path in where) == 1
    }
    assert not {name: where for name, where in shared.items() if name not in pairs}
