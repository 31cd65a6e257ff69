"""Which of the 24 major and natural minor keys pitch classes fit. Numpy only. Shapes: n sets of 12 pitch classes from C on."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.arrays import Float64
from loopwright.audio.keys import TONICS

__all__ = ["MODES", "TONICS", "fit_keys"]


MODES = ("maj", "min")
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))  # major, natural minor
# How well each degree fits a key, major and minor (Krumhansl and Kessler 1982, Psychological Review 89:334).
_PROFILES = (
    (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
)


@functools.lru_cache(maxsize=1)
def _keys() -> tuple[Float64, Float64]:
    """Degrees of each scale, and each profile without its mean: twice (12, 24)."""
    scale, profile = np.zeros((12, 24)), np.zeros((12, 24))
    for mode in range(2):
        for tonic in range(12):
            scale[(np.array(_SCALES[mode]) + tonic) % 12, 12 * mode + tonic] = 1
            profile[:, 12 * mode + tonic] = np.roll(_PROFILES[mode], tonic)
    return scale, profile - profile.mean(axis=0)


def fit_keys(classes: NDArray[np.floating[Any]]) -> tuple[Float64, Float64]:
    """Share of mass in each of 24 scales, and correlation with each of 24 profiles: (n, 12) -> twice (n, 24), major first."""
    scale, profile = _keys()
    centred = classes - classes.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True) * np.linalg.norm(profile, axis=0)
    return classes @ scale, np.divide(centred @ profile, norms, out=np.zeros_like(norms), where=norms > 1e-12)
