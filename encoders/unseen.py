"""The vector of an item known only by its id."""

from collections.abc import Sequence

import numpy as np
import xxhash

from encoders.arrays import F32


def unseen_vectors(item_ids: Sequence[str], dim: int) -> F32:
    """Random unit vectors (N, dim) float32, each a function of its id alone: in any batch, process or version.

    Nearly orthogonal to each other, so events on the same unknown item still add up. Philox (Salmon et al.
    2011, "Parallel random numbers: as easy as 1, 2, 3") keyed by the id's hash gives the bits, Box & Muller
    1958 the normal values: NumPy keeps a bit generator's stream, its own normal sampler may change.

    >>> bool((unseen_vectors(["a", "b"], 8)[1] == unseen_vectors(["b"], 8)[0]).all())
    True
    """
    pairs = (dim + 1) // 2
    bits = np.empty((len(item_ids), 2 * pairs), dtype=np.uint64)
    for row, item_id in enumerate(item_ids):
        key = xxhash.xxh3_128_intdigest(item_id.encode("utf-8", "surrogatepass"))
        bits[row] = np.random.Philox(key=key).random_raw(2 * pairs)
    # 53 bits, moved by half a step: never 0, so the logarithm is finite.
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    radius = np.sqrt(-2.0 * np.log(uniform[:, :pairs]))
    angle = 2.0 * np.pi * uniform[:, pairs:]
    normal = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :dim]
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return normal.astype(np.float32)
