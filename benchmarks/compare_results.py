"""Compares a method's results in two folders of `driftline evaluate --report` (their `results/`) or `--resume`.

    python benchmarks/compare_results.py OLD/results NEW/results own+markov driftline --task open --measure recall@10

The second method (of the second folder) minus the first (of the first), slice by slice; one method named is both. Means
over the seeds of each target, paired over the targets that both folders have; users are drawn with replacement. The first
interval is the 95 % one, the second holds for all slices of the table together (Bonferroni). Slices are those of the second
folder; `--slices` chooses some of them, and only these are corrected for. No log is needed. `--json` prints one line.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from streams.errors import EvaluationError
from streams.learning.evaluation.bootstrap import corrected_level, paired_differences
from streams.learning.evaluation.kept import HEAD, read_result, results_in, targets_file
from streams.learning.evaluation.metrics import HEADLINE, values

DRAWS = 20_000
"""So many that the tail of a corrected interval is known."""


def per_target(folder: Path, method: str, task: str, measure: str) -> tuple[np.ndarray, np.ndarray]:
    """(T,) means over the seeds with own items in the list, and without."""
    found = [read_result(path) for path in results_in(folder)]
    found = [result for result in found if (result.method, result.task) == (method, task)]
    if not found:
        raise EvaluationError(f"{folder} has no results of {method} on the task {task}")
    return (
        np.mean([values(result.rank[0], measure) for result in found], axis=0),
        np.mean([values(result.without_own[0], measure) for result in found], axis=0),
    )


def compare(options: argparse.Namespace) -> list[dict[str, object]]:
    """One row for each slice."""
    folders = (options.before, options.after)
    logs = [json.loads((folder / HEAD).read_text(encoding="utf-8"))["history"] for folder in folders]
    if logs[0] != logs[1]:
        raise EvaluationError(
            "the folders hold results on different logs, or on one log that was read otherwise"
        )
    targets = [np.load(folder / targets_file(options.task)) for folder in folders]
    _, old, new = np.intersect1d(targets[0]["row"], targets[1]["row"], return_indices=True)
    left_out = len(targets[0]["row"]) + len(targets[1]["row"]) - 2 * len(old)
    if left_out:
        print(f"{left_out} targets are in one of the folders only, and left out", file=sys.stderr)
    before = per_target(options.before, options.method, options.task, options.measure)
    after = per_target(options.after, options.other or options.method, options.task, options.measure)
    names = targets[1]["slice"].tolist()
    asked = options.slices.split(",") if options.slices else names
    rows: list[dict[str, object]] = []
    for name in asked:
        if name not in names:
            raise EvaluationError(f"there is no slice {name!r}; there are {', '.join(names)}")
        place = names.index(name)
        chosen = targets[1]["slices"][place][new]
        if not chosen.any():
            continue
        family = int(targets[1]["without_own"][place])
        pair = (targets[1]["user"][new][chosen], after[family][new][chosen], before[family][old][chosen])
        user, value, other = pair
        levels = (0.95, corrected_level(len(asked)))
        plain, corrected = paired_differences(user, value, [other], DRAWS, levels=levels)[0]
        rows.append(
            {
                "slice": name,
                "targets": int(chosen.sum()),
                "users": plain.users,
                "before": float(pair[2].mean()),
                "after": float(pair[1].mean()),
                "difference": plain.difference,
                "interval": [plain.low, plain.high],
                "corrected": [corrected.low, corrected.high],
            }
        )
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """Markdown."""
    lines = ["| slice | targets | before | after | difference | 95 % | corrected | |", "|" + "---|" * 8]
    for row in rows:
        (low, high), (least, most) = row["interval"], row["corrected"]  # type: ignore[misc]
        mark = "**" if least > 0 or most < 0 else "*" if low > 0 or high < 0 else ""
        lines.append(
            f"| {row['slice']} | {row['targets']:,} | {row['before']:.4f} | {row['after']:.4f} | {row['difference']:+.4f} "
            f"| [{low:+.4f}, {high:+.4f}] | [{least:+.4f}, {most:+.4f}] | {mark} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, metavar="FOLDER_A")
    parser.add_argument("after", type=Path, metavar="FOLDER_B")
    parser.add_argument("method", metavar="METHOD_A")
    parser.add_argument("other", nargs="?", metavar="METHOD_B", help="default: METHOD_A")
    parser.add_argument("--task", default="open")
    parser.add_argument("--measure", default=HEADLINE)
    parser.add_argument("--slices", help="names, separated by commas; default: all")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        rows = compare(options)
    except (EvaluationError, OSError) as error:
        sys.exit(f"error: {error}")
    print(json.dumps(rows) if options.json else table(rows))


if __name__ == "__main__":
    main()
