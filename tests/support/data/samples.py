"""What /metrics said, read in one go: many figures of one moment, in a loop that is quick enough to aim with."""

from __future__ import annotations

import re
from collections import Counter

_LABEL = re.compile(r'(\w+)="([^"]*)"')


class Samples:
    """The samples of one exposition."""

    def __init__(self, exposition: str) -> None:
        self._of: dict[str, list[tuple[dict[str, str], float]]] = {}
        for line in exposition.splitlines():
            if line.startswith("#"):
                continue
            sample, _, value = line.rpartition(" ")
            name, _, labels = sample.partition("{")
            self._of.setdefault(name, []).append((dict(_LABEL.findall(labels)), float(value)))

    def total(self, name: str) -> float:
        """Sum over all labels; 0 where there is none."""
        return sum(value for _, value in self._of.get(name, ()))

    def by(self, name: str, label: str) -> Counter[str]:
        """Sums by the values of one label, as whole numbers."""
        sums: Counter[str] = Counter()
        for labels, value in self._of.get(name, ()):
            sums[labels[label]] += int(value)
        return sums

    def labels(self, name: str, label: str) -> list[str]:
        """The value of one label in each sample of a metric."""
        return [labels[label] for labels, _ in self._of.get(name, ())]
