"""Precision, recall, density and coverage from k-nearest-neighbour balls, in blocks of bounded memory.

Around every item lies a ball that reaches to its k-th nearest neighbour in its own set (itself not counted).
* precision: share of fake items inside some real ball; recall: share of real items inside some fake ball
  (Kynkaanniemi et al., arXiv:1904.06991);
* density: real balls around a fake item, mean over k; coverage: share of real balls with a fake item inside
  (Naeem et al., arXiv:2002.09797).
"Inside" is strict (<), as in the authors' `prdc` package: an item at exactly the radius is outside, and a ball of radius 0
(k + 1 equal items) holds nothing.

How: all squared distances come from one float32 matrix product, [-2x, |x|^2, 1] . [y, 1, |y|^2], whose rounding error has a
known bound. Only pairs closer to a radius than that bound, a few for each item, are looked at again, in float64 and by plain
differences. So the answer is that of float64 at the speed of float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from loopwright.arrays import Float32, Float64, Intp
from loopwright.errors import InputError
from loopwright.metrics.checks import Matrix, as_pair, mean_of

_CELLS = 2_000_000  # distances held at a time: 8 MB in float32
_FIRST = 4096  # items that a first bound of the radius comes from
_PAIRS = 65_536  # pairs looked at again at a time, times the width


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
    a, b = _prepare(real, fake, k, fake_least=k + 1)
    radius_a, radius_b = _radii(a, k), _radii(b, k)
    balls_round_fake = np.zeros(len(b.rows), dtype=np.int64)
    covered, recalled = 0, 0
    for start, gap in _distances(a, b):
        rows, columns = _inside(gap, a, b, start, radius_a[start : start + len(gap), None])
        balls_round_fake += np.bincount(columns, minlength=len(b.rows))
        covered += _count_different(rows, len(gap))
        rows, _ = _inside(gap, a, b, start, radius_b[None, :])
        recalled += _count_different(rows, len(gap))
    count = len(a.rows)
    precision = float((balls_round_fake > 0).mean())
    return Prdc(precision, recalled / count, float(balls_round_fake.mean() / k), covered / count)


def density_coverage(real: ArrayLike, fake: ArrayLike, k: int = 5) -> tuple[float, float]:
    """Density and coverage alone: the fake side needs no balls, which saves a third of `prdc`. One fake item is enough."""
    a, b = _prepare(real, fake, k, fake_least=1)
    radius = _radii(a, k)
    inside, covered = 0, 0
    for start, gap in _distances(a, b):
        rows, _ = _inside(gap, a, b, start, radius[start : start + len(gap), None])
        inside += len(rows)
        covered += _count_different(rows, len(gap))
    return inside / (len(b.rows) * k), covered / len(a.rows)


@dataclass(frozen=True)
class _Side:
    """One set, ready for the product: rows as given, centred float32 rows, squared norms and their share that is slack.

    A sum of D products in any order is off by at most D u times the sum of their sizes (Higham 2002, eq. 3.5), here at most
    (|x| + |y|)^2 <= 2 |x|^2 + 2 |y|^2; rounding centred rows and their squares adds a few u more. So each side carries its
    own part of the bound.
    """

    rows: Matrix
    narrow: Float32
    squares: Float64
    slack: Float64


def _prepare(real: ArrayLike, fake: ArrayLike, k: int, fake_least: int) -> tuple[_Side, _Side]:
    if k < 1:
        raise InputError(f"k must be 1 or above, got {k}.")
    a, b = as_pair(real, fake, least=1)
    for side, x, least in (("real", a, k + 1), ("fake", b, fake_least)):
        if len(x) < least:
            raise InputError(
                f"the {side} side has {len(x)} items; with k = {k} neighbours it needs at least {least}. "
                "Give more loops or a smaller k."
            )
    # Distances do not change under a shift; near the origin float32 has its digits where they are needed.
    centre = mean_of(a)
    return _side(a, centre), _side(b, centre)


def _side(x: Matrix, centre: Float64) -> _Side:
    narrow = np.empty(x.shape, dtype=np.float32)
    np.subtract(x, centre, out=narrow, casting="unsafe")
    squares = np.einsum("nd,nd->n", narrow, narrow).astype(np.float64)
    return _Side(x, narrow, squares, 2.0 * (x.shape[1] + 12) * 2.0**-24 * squares)


def _distances(a: _Side, b: _Side) -> Iterator[tuple[int, Float32]]:
    """Yield (first row of a, block of lower bounds of the squared distances to all of b), float32."""
    right = np.hstack([b.narrow, np.ones((len(b.rows), 1), np.float32), _low(b)]).T
    step = max(1, _CELLS // len(b.rows))
    for start in range(0, len(a.rows), step):
        part = slice(start, start + step)
        left = a.narrow[part]
        yield start, np.hstack([-2 * left, _low(a)[part], np.ones((len(left), 1), np.float32)]) @ right


def _low(x: _Side) -> Float32:
    return (x.squares - x.slack).astype(np.float32)[:, None]


def _exact(a: _Side, b: _Side, rows: Intp, columns: Intp) -> Float64:
    """Squared distances of chosen pairs, by differences in float64."""
    out = np.empty(len(rows))
    step = max(1, _PAIRS * 16 // a.rows.shape[1])
    for i in range(0, len(rows), step):
        x = a.rows[rows[i : i + step]].astype(np.float64)
        x -= b.rows[columns[i : i + step]]
        out[i : i + step] = np.einsum("nd,nd->n", x, x)
    return out


def _inside(low: Float32, a: _Side, b: _Side, start: int, radius: Float64) -> tuple[Intp, Intp]:
    """Pairs of a block with distance < radius (broadcast): rows (from 0 in the block) and columns."""
    # Rounding the radius up to float32 cannot lose a pair; who is in for sure is settled below in float64.
    upper = np.nextafter(radius.astype(np.float32), np.float32(np.inf))
    rows, columns = np.divmod(np.flatnonzero(low < upper), low.shape[1])
    limits = np.broadcast_to(radius, low.shape)[rows, columns]
    unsure = low[rows, columns] + 2 * (a.slack[start + rows] + b.slack[columns]) >= limits
    keep = ~unsure
    keep[unsure] = _exact(a, b, start + rows[unsure], columns[unsure]) < limits[unsure]
    return rows[keep], columns[keep]


def _radii(x: _Side, k: int) -> Float64:
    """Squared distance from each row to its k-th nearest other row, (N,) float64."""
    radii = np.empty(len(x.rows))
    for start, low in _distances(x, x):
        count = len(low)
        own = np.arange(count)
        low[own, start + own] = np.inf
        # Any k neighbours bound the radius from above. The best k of the first few thousand items leave few candidates, the
        # best k of those fewer still, and these are measured exactly.
        nearest = np.argpartition(low[:, :_FIRST], k - 1, axis=1)[:, :k]
        values = np.take_along_axis(low, nearest, axis=1)
        reach = (values + 2 * (x.slack[start + own][:, None] + x.slack[nearest])).max(axis=1, keepdims=True)
        upper = np.nextafter(reach.astype(np.float32), np.float32(np.inf))
        rows, columns = np.divmod(np.flatnonzero(low <= upper), low.shape[1])
        values = low[rows, columns]
        above = values + 2 * (x.slack[start + rows] + x.slack[columns])
        order = np.lexsort((above, rows))
        reach = above[order][np.searchsorted(rows, own) + k - 1]
        keep = values <= np.nextafter(reach.astype(np.float32), np.float32(np.inf))[rows]
        rows, columns = rows[keep], columns[keep]
        exact = _exact(x, x, start + rows, columns)
        order = np.lexsort((exact, rows))
        radii[start : start + count] = exact[order][np.searchsorted(rows, own) + k - 1]
    return radii


def _count_different(rows: Intp, limit: int) -> int:
    return int(np.count_nonzero(np.bincount(rows, minlength=limit)))
