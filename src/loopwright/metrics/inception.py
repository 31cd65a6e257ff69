"""Inception score: are single items judged with confidence, and all items together with variety?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from loopwright.arrays import Float64
from loopwright.errors import InputError
from loopwright.metrics.checks import as_matrix


class InceptionScore(NamedTuple):
    """From 1 to the number of classes, higher is better.

    mean, std: over the splits, as published. whole: all items as one split, which does not shrink with small parts.
    """

    mean: float
    std: float
    whole: float


def inception_score(probabilities: ArrayLike, *, splits: int = 10, seed: int | None = None) -> InceptionScore:
    """exp(mean KL(p(y|x) || p(y))) over `splits` equal parts (Salimans et al., arXiv:1606.03498), and in one.

    Input (N, C), rows sum to 1. Ten parts of a few hundred loops hold fewer classes each than there are, which lowers the mean:
    numbers from different N compare in one split only, and there with care.
    With a `seed` items are shuffled first: without, a folder sorted by style would put one style in each part.
    Raises InputError if rows are not probabilities or there are fewer items than splits.
    """
    p = as_matrix(probabilities, "given", least=1).astype(np.float64)
    if splits < 1 or len(p) < splits:
        raise InputError(f"the inception score needs at least one item for each of its {splits} splits, got {len(p)}.")
    if (p < 0).any() or not np.allclose(p.sum(axis=1), 1.0, atol=1e-3):
        raise InputError("the inception score takes class probabilities: rows that are not negative and sum to 1.")
    if seed is not None:
        p = p[np.random.default_rng(seed).permutation(len(p))]
    scores = [_score(part) for part in np.array_split(p, splits)]
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)), _score(p))


def _score(p: Float64) -> float:
    """exp(mean KL) of one split (N, C)."""
    marginal = p.mean(axis=0, keepdims=True)
    log_ratio = np.log(np.where(p > 0, p, 1.0)) - np.log(np.where(marginal > 0, marginal, 1.0))
    return float(np.exp((p * log_ratio).sum(axis=1).mean()))
