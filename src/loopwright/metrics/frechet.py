"""Frechet audio distance, and its value extrapolated to endless data.

FAD = |mu_r - mu_f|^2 + tr(S_r + S_f - 2 (S_r S_f)^(1/2)), covariances with N - 1 (Kilgour et al., arXiv:1812.08466).

The last term needs no matrix square root. With any factors S = F^T F its trace is the sum of the singular values of
F_r F_f^T, because (S_r S_f) and (F_r F_f^T)(F_r F_f^T)^T have the same non-zero eigenvalues. Three ways to get them:
* more items than columns and S_r well conditioned: Cholesky S_r = L L^T, eigenvalues of L^T S_f L (quickest);
* otherwise QR factors of the centred embeddings, or the embeddings themselves when there are fewer items than columns,
  and a singular value decomposition: exact for singular covariances, where `scipy.linalg.sqrtm` wanders below zero.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from loopwright.arrays import Float64
from loopwright.errors import InputError
from loopwright.metrics.checks import Matrix, as_pair, blocks, mean_of

# Eigenvalues of L^T S_f L carry an absolute error of eps * largest, which the root magnifies for the smallest ones: fine while
# they and the Cholesky diagonal span no more than these ratios, otherwise the singular values are taken directly.
_WORST_DIAGONAL = 1e-5
_WORST_EIGENVALUE = 1e-12
_PANEL = 256


def fad(real: ArrayLike, fake: ArrayLike) -> float:
    """Frechet distance between two sets of embeddings, (N, D) and (M, D): 0 or above, lower is closer.

    float64, exact also where N <= D (the covariance is then singular and the value strongly biased upward: read
    `fad_inf`). Raises InputError for fewer than two items, NaN, or unequal widths.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(50, 3))
    >>> abs(fad(x, x)) < 1e-9, round(fad(x, x + [3.0, 4.0, 0.0]), 6)
    (True, 25.0)
    """
    a, b = as_pair(real, fake)
    return _fad(a, b)


def _fad(a: Matrix, b: Matrix) -> float:
    mean_a, mean_b = mean_of(a), mean_of(b)
    jump = mean_a - mean_b
    width = a.shape[1]
    if min(len(a), len(b)) > width:
        cov_a, cov_b = _covariance(a, mean_a), _covariance(b, mean_b)
        cross = _cross_cholesky(cov_a, cov_b)
        if cross is not None:
            return _close(float(jump @ jump), float(np.trace(cov_a)), float(np.trace(cov_b)), cross)
    factor_a, factor_b = _factor(a, mean_a), _factor(b, mean_b)
    cross = float(np.linalg.svd(factor_a @ factor_b.T, compute_uv=False).sum())
    return _close(float(jump @ jump), float((factor_a**2).sum()), float((factor_b**2).sum()), cross)


def frechet_distance(mean_real: ArrayLike, cov_real: ArrayLike, mean_fake: ArrayLike, cov_fake: ArrayLike) -> float:
    """Frechet distance from moments, (D,) and (D, D) each. For stored statistics; `fad` is better where data is at hand.

    Singular covariances go by symmetric square roots from `eigh`.
    """
    mean_a, mean_b = np.asarray(mean_real, float), np.asarray(mean_fake, float)
    cov_a, cov_b = np.atleast_2d(np.asarray(cov_real, float)), np.atleast_2d(np.asarray(cov_fake, float))
    if mean_a.shape != mean_b.shape or cov_a.shape != cov_b.shape or cov_a.shape != (mean_a.size, mean_a.size):
        raise InputError(
            f"means {mean_a.shape}, {mean_b.shape} and covariances {cov_a.shape}, {cov_b.shape} do not fit together."
        )
    cross = _cross_cholesky(cov_a, cov_b)
    if cross is None:
        cross = float(np.linalg.svd(_root(cov_a) @ _root(cov_b).T, compute_uv=False).sum())
    jump = mean_a - mean_b
    return _close(float(jump @ jump), float(np.trace(cov_a)), float(np.trace(cov_b)), cross)


def _close(jump: float, trace_a: float, trace_b: float, cross: float) -> float:
    """Sum up; what rounding leaves below zero is zero, so that no reader sees a negative distance."""
    total = jump + (trace_a + trace_b - 2.0 * cross)
    slack = 1e-7 * (trace_a + trace_b)
    assert total > -slack - 1e-12, "a Frechet distance below zero beyond rounding: the factors are wrong"
    return max(total, 0.0)


def _covariance(x: Matrix, mean: Float64) -> Float64:
    out = np.zeros((x.shape[1], x.shape[1]))
    for _, block in blocks(x):
        block -= mean
        out += block.T @ block
    out /= len(x) - 1
    return out


def _cross_cholesky(cov_a: Float64, cov_b: Float64) -> float | None:
    """tr (A B)^(1/2) by Cholesky and symmetric eigenvalues; None where A or B is too close to singular for it."""
    try:
        lower: Float64 = np.asarray(np.linalg.cholesky(cov_a), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    diagonal = np.diagonal(lower)
    if diagonal.min() < _WORST_DIAGONAL * diagonal.max():
        return None
    eigenvalues = np.linalg.eigvalsh(_congruence(lower, cov_b), UPLO="L")
    if eigenvalues[0] < _WORST_EIGENVALUE * eigenvalues[-1]:
        return None
    return float(np.sqrt(eigenvalues).sum())


def _congruence(lower: Float64, cov: Float64) -> Float64:
    """The lower triangle of L^T S L (blocks above the diagonal stay 0): under half the arithmetic of two full products."""
    n = len(lower)
    edges = [*range(0, n, _PANEL), n]
    out, half = np.zeros((n, n)), np.empty((n, n))
    for start, stop in itertools.pairwise(edges):  # columns of L are zero above the diagonal
        np.matmul(cov[:, start:], lower[start:, start:stop], out=half[:, start:stop])
    for start, stop in itertools.pairwise(edges):
        np.matmul(lower[start:, start:stop].T, half[start:, :stop], out=out[start:stop, :stop])
    return out


def _factor(x: Matrix, mean: Float64) -> Float64:
    """F with F^T F the covariance: (min(N, D), D). Tall sets are reduced block by block (R of [R; block] is R of all)."""
    width = x.shape[1]
    factor = np.zeros((0, width))
    for _, block in blocks(x):
        block -= mean
        factor = np.vstack([factor, block])
        if len(factor) > width:
            factor = np.asarray(np.linalg.qr(factor, mode="r"), dtype=np.float64)
    return np.asarray(factor / np.sqrt(len(x) - 1), dtype=np.float64)


def _root(cov: Float64) -> Float64:
    values, vectors = np.linalg.eigh((cov + cov.T) / 2)
    return np.asarray(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T)


@dataclass(frozen=True)
class FadInf:
    """FAD as a + b / N: `value` is a, `slope` b, `r2` the share of variance explained, `points` the (N, FAD) fitted."""

    value: float
    slope: float
    r2: float
    points: tuple[tuple[int, float], ...]

    def __float__(self) -> float:
        return self.value


def fad_inf(
    real: ArrayLike,
    fake: ArrayLike,
    *,
    steps: int = 15,
    min_n: int | None = None,
    sides: Literal["both", "fake"] = "both",
    replace: bool = False,
    seed: int = 0,
) -> FadInf:
    """Extrapolate FAD to endless data: fit a + b/N over `steps` subset sizes and report a (may fall below 0 by noise).

    FAD of N items is too high by about b/N (Chong & Forsyth, arXiv:1911.07023; for audio Gui et al., arXiv:2311.01616).
    `sides="both"` draws both subsets of the same size, so that real against real tends to 0. `sides="fake", replace=True,
    steps=25, min_n=500` is the procedure of the `fadtk` package, which leaves the bias of the real side in.
    `min_n` (default: a fifth of the smaller side, at least 2 and at most 500) is the smallest subset. `seed` decides which.

    Raises InputError if there are fewer items than `min_n`.
    """
    a, b = as_pair(real, fake)
    most = len(b) if sides == "fake" else min(len(a), len(b))
    if min_n is None:
        min_n = max(2, min(500, most // 5))
    if steps < 2 or min_n < 2 or most <= min_n:
        raise InputError(
            f"fad_inf needs steps >= 2 and more items than min_n >= 2; got steps {steps}, min_n {min_n}, {most} items. "
            "Give more loops or a smaller min_n."
        )
    rng = np.random.default_rng(seed)
    # Even in 1/N for our own subsets (a straight line there deserves even knots); even in N as fadtk does otherwise.
    if sides == "fake":
        sizes = [int(n) for n in np.linspace(min_n, most, steps)]
    else:
        sizes = [round(1.0 / x) for x in np.linspace(1.0 / min_n, 1.0 / most, steps)]
    points: list[tuple[int, float]] = []
    for n in sizes:
        part_b = b[rng.choice(len(b), size=n, replace=replace)]
        part_a = a if sides == "fake" else a[rng.choice(len(a), size=n, replace=replace)]
        points.append((n, _fad(part_a, part_b)))
    x, y = 1.0 / np.array([n for n, _ in points]), np.array([value for _, value in points])
    slope, value = np.polyfit(x, y, 1)
    rest, spread = ((y - (value + slope * x)) ** 2).sum(), ((y - y.mean()) ** 2).sum()
    return FadInf(float(value), float(slope), float(1.0 - rest / spread) if spread > 0 else 1.0, tuple(points))
