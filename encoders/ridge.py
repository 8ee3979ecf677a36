"""A linear map from content vectors to behaviour vectors, learned on items that have both."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from encoders.arrays import F32, F64, I64, Bool
from encoders.unit import unit_rows

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0)
FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """y = unit(x @ matrix + intercept)."""

    matrix: F32
    """(D0, D) float32"""
    intercept: F32
    """(D,) float32"""
    penalty: float
    """lambda of the fit, chosen by held-out error"""
    cosine: float
    """mean cosine of mapped and true vectors on held-out content, weighted; what the map is worth"""

    def map(self, content: F32) -> F32:
        """content (N, D0) float32 to (N, D) float32 unit rows."""
        return unit_rows((content @ self.matrix + self.intercept).astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class RowGroups:
    """What is known of rows beside their content."""

    group: I64
    """(N,) rows of one group are held out together"""
    label: I64
    """(N,) below `labels`; the held-out cosine is told for each"""
    labels: int


def fit_ridge(content: F32, target: F32, weight: npt.NDArray[np.floating]) -> Ridge:
    """The map of content (N, D0) to target (N, D) unit rows that errs least, rows weighted by `weight` (N,) > 0.

    Weighted ridge regression in closed form (Hoerl & Kennard 1970), the intercept not penalised. The penalty is the
    one of `PENALTIES` with the highest mean cosine on held-out folds; rows of one content are in one fold, so that
    a text that many items share is never held out from itself.
    """
    _, group = np.unique(content, axis=0, return_inverse=True)
    return fit_labelled_ridge(
        content, target, weight, RowGroups(group.reshape(-1), np.zeros(0, np.int64), 0)
    )[0]


def fit_labelled_ridge(
    content: F32, target: F32, weight: npt.NDArray[np.floating], rows: RowGroups
) -> tuple[Ridge, F64]:
    """As `fit_ridge`, with the groups given, and (labels,) the mean held-out cosine of each label's rows, 0 without any."""
    weights = np.asarray(weight, np.float64)
    fold = _folds(rows.group)
    moments = [_moments(content, target, weights, fold == part) for part in range(FOLDS)]
    scores = np.zeros(len(PENALTIES))
    by_label = np.zeros((len(PENALTIES), rows.labels))
    for part in range(FOLDS):
        held = fold == part
        if not held.any() or held.all():
            continue
        rest = sum((moment for other, moment in enumerate(moments) if other != part), _Moments.none())
        for place, penalty in enumerate(PENALTIES):
            matrix, intercept = rest.solve(penalty)
            mapped = unit_rows((content[held] @ matrix + intercept).astype(np.float32))
            cosine = np.einsum("nd,nd->n", mapped, target[held])
            scores[place] += float(weights[held] @ cosine)
            if rows.labels:
                by_label[place] += np.bincount(rows.label[held], weights[held] * cosine, rows.labels)
    best = int(scores.argmax())
    matrix, intercept = sum(moments, _Moments.none()).solve(PENALTIES[best])
    ridge = Ridge(
        matrix.astype(np.float32),
        intercept.astype(np.float32),
        PENALTIES[best],
        float(scores[best] / weights.sum()),
    )
    mass = np.bincount(rows.label, weights, rows.labels) if rows.labels else np.zeros(0)
    return ridge, np.divide(by_label[best], mass, out=np.zeros(rows.labels), where=mass > 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Weighted sums over rows, from which any fit follows: those of two sets of rows add up."""

    weight: float
    x: F64 | float
    y: F64 | float
    xx: F64 | float
    xy: F64 | float

    @classmethod
    def none(cls) -> "_Moments":
        return cls(0.0, 0.0, 0.0, 0.0, 0.0)

    def __add__(self, other: "_Moments") -> "_Moments":
        return _Moments(
            self.weight + other.weight,
            self.x + other.x,
            self.y + other.y,
            self.xx + other.xx,
            self.xy + other.xy,
        )

    def solve(self, penalty: float) -> tuple[F64, F64]:
        """matrix (D0, D) and intercept (D,)."""
        x, y = np.asarray(self.x) / self.weight, np.asarray(self.y) / self.weight
        gram = np.asarray(self.xx) - self.weight * np.outer(x, x)
        cross = np.asarray(self.xy) - self.weight * np.outer(x, y)
        matrix = np.asarray(np.linalg.solve(gram + penalty * np.eye(len(gram)), cross), np.float64)
        return matrix, y - x @ matrix


def _moments(content: F32, target: F32, weight: F64, rows: Bool) -> _Moments:
    x, y, w = content[rows].astype(np.float64), target[rows].astype(np.float64), weight[rows]
    weighted = x * w[:, None]
    return _Moments(float(w.sum()), weighted.sum(axis=0), w @ y, weighted.T @ x, weighted.T @ y)


def _folds(group: I64) -> I64:
    """(N,) the fold of each row, the same for rows of one group; about equally many groups in each."""
    order = np.random.Generator(np.random.Philox(key=FOLDS)).permutation(int(group.max(initial=-1)) + 1)
    fold: I64 = order[group] % FOLDS
    return fold
