"""Changed copies of the code against the tests that have to notice: prints one table, ends with 1 if a mutant survived.

python tests/mutants/run.py [--only WORD ...] [--jobs 2]
"""

from __future__ import annotations

import argparse
import queue
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

if not __package__:  # run as a program, not imported by a test
    sys.path[:0] = [str(folder) for folder in Path(__file__).resolve().parents[1:3]]

from mutants.all_mutants import MUTANTS
from mutants.mutant import REPOSITORY, Mutant, Verdict, judge, passes


def main() -> int:
    """Judge the mutants and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=[], help="mutants whose names hold one of these words")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if not options.only or any(word in m.name for word in options.only)]
    with tempfile.TemporaryDirectory() as name:
        copies: queue.Queue[Path] = queue.Queue()
        for number in range(options.jobs):
            copies.put(copy_of_repository(Path(name) / str(number)))
        tests = tuple(sorted({test for mutant in chosen for test in mutant.tests}))
        root = copies.get()
        problem = passes(tests, root)
        copies.put(root)
        if problem is not None:
            print(f"the tests fail without any change, which says nothing of mutants: {problem}")
            return 1

        def judged(mutant: Mutant) -> Verdict:
            root = copies.get()
            try:
                verdict = judge(mutant, root)
            finally:
                copies.put(root)
            print(f"{verdict.outcome:9}{verdict.seconds:7.1f} s  {mutant.name}", file=sys.stderr)
            return verdict

        with ThreadPoolExecutor(options.jobs) as pool:
            verdicts = list(pool.map(judged, chosen))
    table = Table("mutant", "outcome", "by", "s")
    for verdict in verdicts:
        table.add_row(verdict.name, verdict.outcome, verdict.by, f"{verdict.seconds:.0f}")
    Console(width=160).print(table)
    return 0 if all(verdict.killed for verdict in verdicts) else 1


def copy_of_repository(folder: Path) -> Path:
    """The files that git tracks or would track, as they are in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # deleted, but not yet in a commit
            target.write_bytes((REPOSITORY / name).read_bytes())
    return folder


if __name__ == "__main__":
    sys.exit(main())
