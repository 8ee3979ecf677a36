"""Item vectors from behaviour: what is met close together lies close together. Co-occurrence, positive PMI, SVD."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array, dia_array

from encoders.arrays import F32, F64, Bool, Integers
from encoders.config import FitConfig
from encoders.unit import unit_rows

_OVERSAMPLING = 32
PASSES = 1
"""More passes come nearer to the truncated SVD, which leaves the items of small clusters with nothing but noise: NDCG@10
of the next new item (validation of jd_appliances) .071 after four passes, .093 after one, .099 after one with unit rows
of the matrix. On ml1m_sequences .088, .087 and .089: dense logs don't mind."""
PRODUCTS = 2 * PASSES + 2
"""Products of the matrix that `spectral_vectors` needs, and calls of its `progress`."""
BASKETS = 0.5
"""Share of events that share their time with another of the user from which on a log is one of baskets."""
_STEPS_AT_A_TIME = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class Behaviour:
    """What co-occurrence says of N items."""

    vectors: F32
    """(N, D) float32 unit rows; zeros where nothing is known"""
    counts: F32
    """(N,) float32 how often each item was met"""

    @property
    def known(self) -> Bool:
        """(N,) whether the item has a vector."""
        return np.asarray(self.vectors.any(axis=1), np.bool_)


def behaviour_vectors(
    item: Integers,
    step: Integers,
    user: Integers,
    n_items: int,
    dim: int,
    config: FitConfig,
    progress: Callable[[int], None] | None = None,
) -> Behaviour:
    """Vectors (N, D) of items from events (E,) in order of (user, time).

    item: (E,) codes below `n_items`. step: (E,) the basket of each event, not decreasing; an event alone is a
    basket of its own. user: (E,). `progress` is called for each pass over the matrix.
    """
    sizes = np.diff(np.flatnonzero(np.diff(step, prepend=-1)), append=len(step))
    window = config.basket_window if has_baskets(sizes) else config.window
    pairs = cooccurrence(item, step, user, n_items, window)
    matrix = positive_pmi(pairs, config.smoothing, config.shift)
    vectors = spectral_vectors(matrix, dim, config.seed, progress)
    counts = np.bincount(item, minlength=n_items).astype(np.float32)
    return Behaviour(vectors, counts)


def has_baskets(sizes: Integers) -> bool:
    """Whether most events share their time with another one of the user. sizes (B,): events of each basket.

    >>> has_baskets(np.array([1, 1, 1])), has_baskets(np.array([1, 3]))
    (False, True)
    """
    return bool(sizes[sizes > 1].sum() >= BASKETS * sizes.sum())


def cooccurrence(item: Integers, step: Integers, user: Integers, n_items: int, window: int) -> csr_array:
    """(N, N) symmetric float32 counts of items met within one basket and `window` baskets of one user; no diagonal.

    Two items of one basket of s items count 1 / (s - 1), so that an event's neighbours in its basket weigh 1 together;
    two items d baskets apart, of s and s' items, 1 / (d sqrt(s s')). Where each basket is one event that is the
    distance-weighted window of word vectors (Pennington et al. 2014, "GloVe", section 4.2).

    >>> pairs = cooccurrence(np.array([0, 1, 2]), np.array([0, 1, 2]), np.array([0, 0, 0]), 3, 2)
    >>> pairs.toarray().tolist()
    [[0.0, 1.0, 0.5], [1.0, 0.0, 1.0], [0.5, 1.0, 0.0]]
    """
    if not len(item):
        return csr_array((n_items, n_items), dtype=np.float32)
    starts = np.flatnonzero(np.diff(step, prepend=step[0] - 1))
    row = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(step)))
    owner = user[starts]
    baskets = csr_array((np.ones(len(item), np.float32), (row, item)), shape=(len(starts), n_items))
    baskets.data[:] = 1.0  # the same item twice in a basket is met once
    sizes = np.diff(baskets.indptr)
    shared = _scaled(baskets, 1.0 / np.sqrt(sizes))
    context = _scaled(baskets, 0.5 / np.maximum(sizes - 1, 1))
    for distance in range(1, window + 1):
        same = owner[distance:] == owner[:-distance]
        if not same.any():
            break
        # Row b of the product is the basket `distance` after b, if it is the same user's.
        weight = np.concatenate([np.zeros(distance), same / distance]).astype(np.float32)
        later = dia_array((weight[None], [distance]), shape=(len(starts), len(starts))).tocsr()
        context = context + _scaled(later @ shared, 1.0 / np.sqrt(sizes))
    total = csr_array((n_items, n_items), dtype=np.float32)
    for start in range(0, len(starts), _STEPS_AT_A_TIME):
        part = slice(start, start + _STEPS_AT_A_TIME)
        total = total + baskets[part].T @ context[part]
    both = (total + total.T).tocoo()
    apart = both.row != both.col
    return coo_array((both.data[apart], (both.row[apart], both.col[apart])), shape=both.shape).tocsr()


def positive_pmi(pairs: csr_array, smoothing: float = 0.75, shift: float = 1.0) -> csr_array:
    """(N, N) max(0, log(p(i, j) / (p(i) p'(j))) - log(shift)) of symmetric counts.

    p' is the distribution of contexts raised to `smoothing`, which keeps rare items from being everyone's best
    context; 1.0 is plain PMI (Levy, Goldberg & Dagan 2015, "Improving Distributional Similarity with Lessons
    Learned from Word Embeddings", https://aclanthology.org/Q15-1016).

    >>> positive_pmi(csr_array(np.array([[0.0, 2.0], [2.0, 0.0]])), smoothing=1.0).toarray().round(1).tolist()
    [[0.0, 0.699999988079071], [0.699999988079071, 0.0]]
    """
    mass = np.asarray(pairs.sum(axis=1), np.float64).reshape(-1)
    if not mass.sum():
        return pairs
    spread = mass**smoothing
    spread /= spread.sum()
    found = pairs.tocoo()
    value = np.log(found.data / (mass[found.row] * spread[found.col])) - np.log(shift)
    kept = value > 0
    return coo_array(
        (value[kept].astype(np.float32), (found.row[kept], found.col[kept])), shape=pairs.shape
    ).tocsr()


def spectral_vectors(
    matrix: csr_array, dim: int, seed: int = 0, progress: Callable[[int], None] | None = None
) -> F32:
    """(N, D) float32 unit rows: U sqrt(S) of an SVD, each row to unit length, centred, to unit length again.

    The rows of `matrix` are brought to unit length first, so that rare items weigh as much as frequent ones. Rows of
    zeros stay zeros, and where there are fewer than `dim` items the last columns are zeros. The SVD is a randomised one
    with power iterations (Halko, Martinsson & Tropp 2011, "Finding structure with randomness", algorithms 4.4 and
    5.1); `seed` fixes its start, and each direction's largest component is positive.
    """
    rows = matrix.shape[0]
    rank = min(dim, rows)
    vectors = np.zeros((rows, dim), np.float32)
    filled = np.diff(matrix.indptr) > 0
    if not filled.any():
        return vectors
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1), np.float64)).reshape(-1)
    matrix = _scaled(matrix, np.divide(1.0, norms, out=np.zeros(rows), where=filled))
    transposed = matrix.T.tocsr()

    def spread(factor: csr_array, basis: F32) -> F32:
        product: F32 = factor @ basis
        if progress is not None:
            progress(1)
        return product

    rng = np.random.Generator(np.random.Philox(key=seed))
    start = rng.standard_normal((rows, min(rank + _OVERSAMPLING, rows))).astype(np.float32)
    basis = np.linalg.qr(spread(matrix, start))[0]
    for _ in range(PASSES):
        basis = np.linalg.qr(spread(transposed, basis))[0]
        basis = np.linalg.qr(spread(matrix, basis))[0]
    left, values, _ = np.linalg.svd(spread(transposed, basis).T, full_matrices=False)
    directions = basis @ left[:, :rank]
    largest = np.abs(directions).argmax(axis=0)
    directions *= np.sign(directions[largest, np.arange(rank)])
    vectors[:, :rank] = directions * np.sqrt(values[:rank])
    vectors = unit_rows(vectors)
    vectors[filled] -= vectors[filled].mean(axis=0, dtype=np.float64).astype(np.float32)
    return unit_rows(vectors)


def _scaled(matrix: csr_array, factors: F64) -> csr_array:
    """Each row times its factor."""
    data = matrix.data * np.repeat(factors, np.diff(matrix.indptr)).astype(np.float32)
    return csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)
