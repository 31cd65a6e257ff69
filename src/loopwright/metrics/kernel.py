"""Kernel distances: KAD (Gaussian kernel) and KID (cubic kernel), both the unbiased squared MMD.

MMD^2 = mean_{i != j} k(r_i, r_j) + mean_{i != j} k(f_i, f_j) - 2 mean_{i, j} k(r_i, f_j)  (Gretton et al. 2012, eq. 3).
Its expectation does not depend on N, so small sets are noisy but not flattered; it can come out slightly below zero.
Memory is one block of `_BLOCK` rows against the other side.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from loopwright.errors import InputError
from loopwright.metrics.checks import Floats, as_matrix, as_pair

_CELLS = 4_000_000  # cells of one block of pair values (32 MB in float64)
_MEDIAN_ROWS = 3000  # rows of the reference from which the median distance is taken
KAD_SCALE = 100.0  # Chung et al., arXiv:2502.15602, report 100 times the squared MMD

Kernel = Callable[[Floats, Floats], Floats]


def kad(real: ArrayLike, fake: ArrayLike, *, bandwidth: float | None = None) -> float:
    """Kernel audio distance: 100 x unbiased MMD^2, k = exp(-d^2 / 2 s^2), s the median distance within `real`.

    Real (N, D), fake (M, D). Lower is closer, 0 in expectation for equal distributions (may be a little below).
    The bandwidth depends on the reference alone, so rows of one table share it (Chung et al., arXiv:2502.15602).
    Raises InputError for fewer than two items, NaN, unequal widths, or a reference whose items are all alike.
    """
    a, b = as_pair(real, fake, dtype=np.float64)
    centre = a.mean(axis=0)  # distances do not change; |x|^2 + |y|^2 - 2xy loses fewer digits near the origin
    a, b = a - centre, b - centre
    scale = median_distance(a) if bandwidth is None else float(bandwidth)
    if not scale > 0:
        raise InputError(
            "more than half of the real items are identical, so KAD has no bandwidth. Remove duplicates or pass one."
        )

    def gaussian(x: Floats, y: Floats) -> Floats:
        gram = squared_distances(x, y)
        gram *= -1.0 / (2.0 * scale * scale)
        return np.exp(gram, out=gram)

    return KAD_SCALE * _mmd2(a, b, gaussian)


def kid(real: ArrayLike, fake: ArrayLike) -> float:
    """Kernel inception distance: unbiased MMD^2 with k = (x.y / D + 1)^3, all items at once (arXiv:1801.01401)."""
    a, b = as_pair(real, fake, dtype=np.float64)
    width = a.shape[1]

    def cubic(x: Floats, y: Floats) -> Floats:
        return np.asarray((x @ y.T / width + 1.0) ** 3)

    return _mmd2(a, b, cubic)


def median_distance(reference: ArrayLike) -> float:
    """Median Euclidean distance between different rows of (N, D).

    Exact up to 3,000 rows; of more, from 3,000 rows spread evenly through the set (the same ones every time).
    """
    x = as_matrix(reference, "real", dtype=np.float64)
    if len(x) > _MEDIAN_ROWS:
        x = x[np.linspace(0, len(x) - 1, _MEDIAN_ROWS).round().astype(int)]
    x = x - x.mean(axis=0)
    upper = np.triu_indices(len(x), 1)
    return float(np.sqrt(np.median(squared_distances(x, x)[upper])))


def squared_distances(x: Floats, y: Floats) -> Floats:
    """Squared Euclidean distances (N, M) by one matrix product, never below zero."""
    out = x @ y.T
    out *= -2.0
    out += np.einsum("nd,nd->n", x, x)[:, None]
    out += np.einsum("md,md->m", y, y)[None, :]
    return np.asarray(np.maximum(out, 0.0, out=out))


def _mmd2(a: Floats, b: Floats, kernel: Kernel) -> float:
    return _mean_within(a, kernel) + _mean_within(b, kernel) - 2.0 * _total(a, b, kernel) / (len(a) * len(b))


def _rows(other: int) -> int:
    return max(1, _CELLS // other)


def _total(x: Floats, y: Floats, kernel: Kernel) -> float:
    step = _rows(len(y))
    return float(sum(kernel(x[i : i + step], y).sum() for i in range(0, len(x), step)))


def _mean_within(x: Floats, kernel: Kernel) -> float:
    """Mean of k over pairs of different rows; the diagonal is left out one by one, not assumed to be 1."""
    total, step = 0.0, _rows(len(x))
    for i in range(0, len(x), step):
        # Only rows from i on: each off-diagonal block counts twice.
        block = kernel(x[i : i + step], x[i:])
        rows = block.shape[0]
        square = block[:, :rows]
        total += float(square.sum() - np.trace(square)) + 2.0 * float(block[:, rows:].sum())
    return total / (len(x) * (len(x) - 1))
