"""What every metric asks of its arrays before it counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loopwright.errors import InputError

Floats = NDArray[np.float64]


def as_matrix(values: ArrayLike, side: str, *, least: int = 2, dtype: type = np.float64) -> NDArray[np.floating]:
    """Return `values` as a finite (N, D) matrix, or raise InputError naming the `side` ("real", "fake").

    float32 input stays in its values; `dtype` is what the arithmetic will run in.
    """
    matrix = np.asarray(values)
    if matrix.ndim != 2:
        raise InputError(f"the {side} embeddings must be a matrix (N, D), got shape {matrix.shape}.")
    if not np.issubdtype(matrix.dtype, np.floating) and not np.issubdtype(matrix.dtype, np.integer):
        raise InputError(f"the {side} embeddings must be real numbers, got {matrix.dtype}.")
    if len(matrix) < least:
        raise InputError(f"the {side} side has {len(matrix)} items, this metric needs at least {least}. Give more loops.")
    if matrix.shape[1] == 0:
        raise InputError(f"the {side} embeddings have no columns.")
    matrix = matrix.astype(dtype, copy=False)
    finite = np.isfinite(matrix).all(axis=1)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise InputError(
            f"{len(bad)} of {len(matrix)} {side} embeddings are NaN or infinite (first: row {bad[0]}). "
            "Remove these files or mend the network that made them; a mean over NaN is no measure."
        )
    return matrix


def as_pair(
    real: ArrayLike, fake: ArrayLike, *, least: int = 2, dtype: type = np.float64
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Both sides as finite matrices of one width. Raises InputError otherwise."""
    a, b = as_matrix(real, "real", least=least, dtype=dtype), as_matrix(fake, "fake", least=least, dtype=dtype)
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"real embeddings have {a.shape[1]} columns, fake ones {b.shape[1]}. Embed both sides with the same judge network."
        )
    return a, b
