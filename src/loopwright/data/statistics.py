"""Statistics of log-mels by band: they travel with the data, and with every model trained on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from loopwright.arrays import Float32


@dataclass(frozen=True)
class MelStats:
    """Per-band statistics of the training rows' log-mels, each (M,) float32.

    `low` and `high` are the 0.1 and 99.9 percentiles: the range a generator is bounded to.
    """

    mean: Float32
    std: Float32
    low: Float32
    high: Float32

    def to_json(self) -> dict[str, list[float]]:
        """Plain lists, for headers and stats.json."""
        return {k: [round(float(v), 6) for v in getattr(self, k)] for k in ("mean", "std", "low", "high")}

    @classmethod
    def from_json(cls, value: dict[str, list[float]]) -> MelStats:
        """Inverse of `to_json`."""
        return cls(**{k: np.asarray(value[k], dtype=np.float32) for k in ("mean", "std", "low", "high")})


def measure_stats(batches: Iterable[Float32], bands: int) -> MelStats:
    """Statistics of log-mels given in batches (n, M, T), in one pass and bounded memory.

    Percentiles come from a histogram of 0.01 decades. A band that never sounds gets std 1.
    """
    edges = np.arange(-6.0, 4.0, 0.01)
    count = 0
    total = np.zeros(bands)
    squares = np.zeros(bands)
    histogram = np.zeros((bands, len(edges) + 1))
    for batch in batches:
        x = batch.astype(np.float64).transpose(1, 0, 2).reshape(bands, -1)
        count += x.shape[1]
        total += x.sum(axis=1)
        squares += (x**2).sum(axis=1)
        cells = np.clip(((x + 6.0) / 0.01).astype(np.int64) + 1, 0, len(edges))
        for band in range(bands):
            histogram[band] += np.bincount(cells[band], minlength=len(edges) + 1)
    mean = total / max(count, 1)
    std = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0))
    shares = np.cumsum(histogram, axis=1) / max(count, 1)

    def quantile(q: float) -> Float32:
        index = np.minimum((shares < q).sum(axis=1), len(edges) - 1)
        return edges[index].astype(np.float32)

    std[std < 1e-3] = 1.0
    return MelStats(mean.astype(np.float32), std.astype(np.float32), quantile(0.001), quantile(0.999))
