"""Precision, recall, density and coverage from k-nearest-neighbour balls, in blocks of bounded memory.

Around every item lies a ball that reaches to its k-th nearest neighbour in its own set (itself not counted).
* precision: share of fake items inside some real ball; recall: share of real items inside some fake ball
  (Kynkaanniemi et al., arXiv:1904.06991);
* density: real balls around a fake item, mean over k; coverage: share of real balls with a fake item inside
  (Naeem et al., arXiv:2002.09797).
"Inside" is strict (<), as in the authors' `prdc` package: an item at exactly the radius is outside, and a ball of radius 0
(k + 1 equal items) holds nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from loopwright.errors import InputError
from loopwright.metrics.checks import Floats, as_pair
from loopwright.metrics.kernel import squared_distances

_CELLS = 4_000_000  # distances held at a time: 32 MB in float64


class Prdc(NamedTuple):
    """Precision, recall, coverage in 0..1; density from 0, about 1 for a good set, above 1 where fakes crowd real clusters."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: ArrayLike, fake: ArrayLike, k: int = 5) -> Prdc:
    """All four measures for real (N, D) against fake (M, D).

    Raises InputError unless both sides have more than k items, are finite and of one width.
    """
    a, b = _prepare(real, fake, k)
    radius_a, radius_b = knn_radii(a, k), knn_radii(b, k)
    counts = np.zeros(len(b), dtype=np.int64)
    covered, recalled = 0, 0
    step = max(1, _CELLS // len(b))
    for i in range(0, len(a), step):
        gap = squared_distances(a[i : i + step], b)
        inside = gap < radius_a[i : i + step, None]
        counts += inside.sum(axis=0)
        covered += int(inside.any(axis=1).sum())
        recalled += int((gap < radius_b[None, :]).any(axis=1).sum())
    return Prdc(float((counts > 0).mean()), recalled / len(a), float(counts.mean() / k), covered / len(a))


def density_coverage(real: ArrayLike, fake: ArrayLike, k: int = 5) -> tuple[float, float]:
    """Density and coverage alone: the fake side needs no balls, which saves a third of `prdc`."""
    a, b = _prepare(real, fake, k, fake_least=1)
    radius = knn_radii(a, k)
    inside_total, covered = 0, 0
    step = max(1, _CELLS // len(b))
    for i in range(0, len(a), step):
        inside = squared_distances(a[i : i + step], b) < radius[i : i + step, None]
        inside_total += int(np.count_nonzero(inside))
        covered += int(inside.any(axis=1).sum())
    return inside_total / (len(b) * k), covered / len(a)


def knn_radii(x: Floats, k: int) -> Floats:
    """Squared distance from each row of (N, D) to its k-th nearest other row: (N,)."""
    radii = np.empty(len(x))
    step = max(1, _CELLS // len(x))
    for i in range(0, len(x), step):
        gap = squared_distances(x[i : i + step], x)
        rows = np.arange(gap.shape[0])
        gap[rows, i + rows] = 0.0  # the row itself, exactly, so that it is the smallest
        radii[i : i + step] = np.partition(gap, k, axis=1)[:, k]
    return radii


def _prepare(real: ArrayLike, fake: ArrayLike, k: int, fake_least: int | None = None) -> tuple[Floats, Floats]:
    if k < 1:
        raise InputError(f"k must be 1 or above, got {k}.")
    a, b = as_pair(real, fake, least=1, dtype=np.float64)
    need = {"real": k + 1, "fake": k + 1 if fake_least is None else fake_least}
    for side, x in (("real", a), ("fake", b)):
        if len(x) < need[side]:
            raise InputError(
                f"the {side} side has {len(x)} items; with k = {k} neighbours it needs at least {need[side]}. "
                "Give more loops or a smaller k."
            )
    centre = a.mean(axis=0)
    return a - centre, b - centre
