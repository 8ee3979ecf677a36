"""The code of docs/extending.md, which is a test module: what it adds passes the contracts that it names."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"


def code(text: str) -> str:
    """The page's Python, each line where it stands in the page, so that a failure names it."""
    lines, inside = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = line == "```python"
            line = ""
        lines.append(line if inside else "")
    return "\n".join(lines)


exec(compile(code(PAGE.read_text()), str(PAGE), "exec"))
