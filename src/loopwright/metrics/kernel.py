"""KAD: the unbiased squared MMD with a Gaussian kernel.

MMD^2 = mean_{i != j} k(r_i, r_j) + mean_{i != j} k(f_i, f_j) - 2 mean_{i, j} k(r_i, f_j)  (Gretton et al. 2012, eq. 3).
Its expectation does not depend on N, so small sets are noisy but not flattered; it can come out slightly below zero.
Memory is one block of `_ROWS` x `_ROWS` pairs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from loopwright.arrays import Float64
from loopwright.errors import InputError
from loopwright.metrics.checks import Matrix, as_matrix, as_pair, mean_of

_ROWS = 2048  # rows of each side in one block of pairs (32 MB in float64)
_MEDIAN_ROWS = 3000  # rows of the reference from which the median distance is taken
KAD_SCALE = 100.0  # Chung et al., arXiv:2502.15602, report 100 times the squared MMD

Kernel = Callable[[Float64, Float64], Float64]


def kad(real: ArrayLike, fake: ArrayLike, *, bandwidth: float | None = None) -> float:
    """Kernel audio distance: 100 x unbiased MMD^2, k = exp(-d^2 / 2 s^2), s the median distance within `real`.

    Real (N, D), fake (M, D). Lower is closer, 0 in expectation for equal distributions (may be a little below).
    The bandwidth depends on the reference alone, so rows of one table share it (Chung et al., arXiv:2502.15602).
    Raises InputError for fewer than two items, NaN, unequal widths, or a reference whose items are all alike.
    """
    a, b = as_pair(real, fake)
    centre = mean_of(a)  # distances do not change; |x|^2 + |y|^2 - 2xy loses fewer digits near the origin
    scale = median_distance(a) if bandwidth is None else float(bandwidth)
    if not scale > 0:
        raise InputError(
            "more than half of the real items are identical, so KAD has no bandwidth. Remove duplicates or pass one."
        )

    def gaussian(x: Float64, y: Float64) -> Float64:
        gram = squared_distances(x, y)
        gram *= -1.0 / (2.0 * scale * scale)
        return np.exp(gram, out=gram)

    return KAD_SCALE * _mmd2(a, b, gaussian, centre)


def median_distance(reference: ArrayLike) -> float:
    """Median Euclidean distance between different rows of (N, D).

    Exact up to 3,000 rows; of more, from 3,000 rows spread evenly through the set (the same ones every time).
    """
    x = as_matrix(reference, "real")
    if len(x) > _MEDIAN_ROWS:
        x = x[np.linspace(0, len(x) - 1, _MEDIAN_ROWS).round().astype(int)]
    x = x - mean_of(x)
    upper = np.triu_indices(len(x), 1)
    return float(np.sqrt(np.median(squared_distances(x, x)[upper])))


def squared_distances(x: Float64, y: Float64) -> Float64:
    """Squared Euclidean distances (N, M) by one matrix product, never below zero."""
    out = x @ y.T
    out *= -2.0
    out += np.einsum("nd,nd->n", x, x)[:, None]
    out += np.einsum("md,md->m", y, y)[None, :]
    return np.asarray(np.maximum(out, 0.0, out=out))


def _mmd2(a: Matrix, b: Matrix, kernel: Kernel, centre: Float64) -> float:
    across = sum(
        kernel(x, y).sum() for i in _starts(a) for j in _starts(b) for x, y in [(_part(a, i, centre), _part(b, j, centre))]
    )
    return _mean_within(a, kernel, centre) + _mean_within(b, kernel, centre) - 2.0 * float(across) / (len(a) * len(b))


def _starts(x: Matrix) -> range:
    return range(0, len(x), _ROWS)


def _part(x: Matrix, start: int, centre: Float64) -> Float64:
    return np.asarray(x[start : start + _ROWS] - centre, dtype=np.float64)


def _mean_within(x: Matrix, kernel: Kernel, centre: Float64) -> float:
    """Mean of k over pairs of different rows; the diagonal is left out one by one, not assumed to be 1."""
    total = 0.0
    for i in _starts(x):
        rows = _part(x, i, centre)
        square = kernel(rows, rows)
        total += float(square.sum() - np.trace(square))
        for j in range(i + _ROWS, len(x), _ROWS):  # each block off the diagonal stands for two
            total += 2.0 * float(kernel(rows, _part(x, j, centre)).sum())
    return total / (len(x) * (len(x) - 1))
