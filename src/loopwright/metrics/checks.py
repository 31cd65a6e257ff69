"""What every metric asks of its arrays before it counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loopwright.arrays import Float32, Float64
from loopwright.errors import InputError

Matrix = NDArray[np.floating[Any]]  # float32 or float64, as it came: large sets are not copied whole

_ROWS = 4096  # rows turned into float64 at a time


def as_matrix(values: ArrayLike, side: str, *, least: int = 2) -> Matrix:
    """Return `values` as a finite (N, D) matrix, float32 or float64, or raise InputError naming the `side`."""
    matrix = np.asarray(values)
    if matrix.ndim != 2:
        raise InputError(f"the {side} embeddings must be a matrix (N, D), got shape {matrix.shape}.")
    if not np.issubdtype(matrix.dtype, np.floating) and not np.issubdtype(matrix.dtype, np.integer):
        raise InputError(f"the {side} embeddings must be real numbers, got {matrix.dtype}.")
    if len(matrix) < least:
        raise InputError(f"the {side} side has {len(matrix)} items, this metric needs at least {least}. Give more loops.")
    if matrix.shape[1] == 0:
        raise InputError(f"the {side} embeddings have no columns.")
    if matrix.dtype not in (np.float32, np.float64):
        matrix = matrix.astype(np.float64)
    bad = [start + row for start, block in blocks(matrix) for row in np.flatnonzero(~np.isfinite(block).all(axis=1))]
    if bad:
        raise InputError(
            f"{len(bad)} of {len(matrix)} {side} embeddings are NaN or infinite (first: row {bad[0]}). "
            "Remove these files or mend the network that made them; a mean over NaN is no measure."
        )
    return matrix


def as_pair(real: ArrayLike, fake: ArrayLike, *, least: int = 2) -> tuple[Matrix, Matrix]:
    """Both sides as finite matrices of one width. Raises InputError otherwise."""
    a, b = as_matrix(real, "real", least=least), as_matrix(fake, "fake", least=least)
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"real embeddings have {a.shape[1]} columns, fake ones {b.shape[1]}. Embed both sides with the same judge network."
        )
    return a, b


def blocks(matrix: Matrix, rows: int = _ROWS) -> Iterator[tuple[int, Float64]]:
    """Yield (first row, float64 copy of up to `rows` rows): arithmetic in float64 without a copy of the whole."""
    for start in range(0, len(matrix), rows):
        yield start, matrix[start : start + rows].astype(np.float64)


def mean_of(matrix: Matrix) -> Float64:
    """Mean of each column in float64."""
    return np.asarray(matrix.mean(axis=0, dtype=np.float64))


def as_loops(values: ArrayLike, bars: int, rate_hz: float) -> Float32:
    """Return `values` as finite mono loops (n, N) float32, or raise InputError. Silence is a loop like any other."""
    loops = np.asarray(values)
    if loops.ndim != 2 or loops.shape[1] < 2 or not np.issubdtype(loops.dtype, np.floating):
        raise InputError(f"musical metrics take loops (n, samples) as floats, got {loops.dtype} of shape {loops.shape}.")
    if bars < 1 or not rate_hz > 0:
        raise InputError(f"a loop has at least 1 bar and a rate above 0, got {bars} bars at {rate_hz:g} Hz.")
    bad = np.flatnonzero(~np.isfinite(loops).all(axis=1))
    if len(bad):
        raise InputError(
            f"{len(bad)} of {len(loops)} loops hold NaN or infinity (first: row {bad[0]}). "
            "Remove them or mend what made them; a measure of NaN is no measure."
        )
    return np.ascontiguousarray(loops, dtype=np.float32)
