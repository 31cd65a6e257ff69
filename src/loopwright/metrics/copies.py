"""Is it new, or a training loop played back, perhaps started elsewhere in the bar?

s(x) = the largest cosine between the log-mel of x and that of any training item rolled by any number of frames. Both are first
measured from the training set's mean in each band, without which all music would be alike, and from their own mean, so that a
change of level is no novelty. All rolls at once come
from one circular cross-correlation by FFT.

Shapes: n queries, m training items, M mel bands, T frames.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopwright.arrays import Complex64, Float32, Intp
from loopwright.errors import InputError

Array = NDArray[np.floating]

_QUERIES, _ITEMS = 64, 256  # pairs in one block: 64 x 256 x T values
QUANTILE = 0.99


class Nearest(NamedTuple):
    """Each (n,): cosine -1..1 with the closest training item, its row, and the frames by which it must be rolled to fit."""

    similarity: Float32
    item: Intp
    roll: Intp


class Novelty(NamedTuple):
    """`copied`: share of generated items closer to training than 99% of held-out real ones (0.01 is innocent).

    `threshold`: that 99th percentile; `fake` and `held_out`: median similarities.
    """

    copied: float
    threshold: float
    fake: float
    held_out: float


def nearest(
    training: Array, queries: Array, *, groups: tuple[NDArray[np.integer], NDArray[np.integer]] | None = None
) -> Nearest:
    """For each query (n, M, T) the closest of the training items (m, M, T) over all time rolls.

    `groups`: a number for each training item and each query; pairs of equal number are passed over. So the items of one set
    can be compared with each other, leaving out the item itself or all of its source. A query without any other group has
    similarity -1. Time n*m*M*T, memory a few blocks plus the spectra of the training set. Raises InputError if shapes differ.
    """
    if training.ndim != 3 or queries.ndim != 3 or training.shape[1:] != queries.shape[1:]:
        raise InputError(f"novelty takes log-mels of one shape, got {training.shape} and {queries.shape}.")
    if not len(training) or not len(queries):
        raise InputError("novelty needs at least one training item and one query.")
    if groups is not None and (len(groups[0]) != len(training) or len(groups[1]) != len(queries)):
        raise InputError(f"{len(groups[0])} and {len(groups[1])} groups for {len(training)} items and {len(queries)} queries.")
    centre = training.mean(axis=(0, 2), dtype=np.float64).astype(np.float32)[:, None]
    frames = training.shape[2]
    items = np.concatenate([_spectra(training[i : i + _ITEMS], centre) for i in range(0, len(training), _ITEMS)])
    best = np.full(len(queries), -np.inf, dtype=np.float32)
    index, roll = np.zeros(len(queries), dtype=np.intp), np.zeros(len(queries), dtype=np.intp)
    for q in range(0, len(queries), _QUERIES):
        query = _spectra(queries[q : q + _QUERIES], centre)
        rows = np.arange(len(query))
        for p in range(0, len(items), _ITEMS):
            part = items[p : p + _ITEMS]
            # (F, n, M) @ (F, M, m) -> (n, m, F) -> every roll at once
            cross = np.matmul(query.transpose(2, 0, 1), part.conj().transpose(2, 1, 0)).transpose(1, 2, 0)
            cosine = np.fft.irfft(np.ascontiguousarray(cross), frames, axis=2).astype(np.float32, copy=False)
            if groups is not None:
                cosine[groups[1][q : q + len(query), None] == groups[0][None, p : p + len(part)]] = -np.inf
            flat = cosine.reshape(len(query), -1)
            at = flat.argmax(axis=1)
            value = flat[rows, at]
            better = value > best[q : q + len(query)]
            target = q + rows[better]
            best[target] = value[better]
            index[target], roll[target] = p + at[better] // frames, at[better] % frames
    return Nearest(np.clip(best, -1.0, 1.0), index, roll)


def novelty(training: Array, held_out: Array, fake: Array) -> Novelty:
    """Share of `fake` that is closer to `training` than held-out real loops are, with the figures it comes from.

    All (n, M, T) log-mels. Held-out items must not share sources with training, or copies pass as usual.
    """
    return novelty_from(nearest(training, held_out).similarity, nearest(training, fake).similarity)


def novelty_from(held_out: Array, fake: Array) -> Novelty:
    """`novelty` from similarities already measured."""
    threshold = float(np.quantile(held_out, QUANTILE))
    return Novelty(float(np.mean(fake > threshold)), threshold, float(np.median(fake)), float(np.median(held_out)))


def _spectra(log_mels: Array, centre: Float32) -> Complex64:
    """Unit-norm, centred items in the frequency domain: (n, M, F) complex64."""
    x = log_mels.astype(np.float32) - centre
    x -= x.mean(axis=(1, 2), keepdims=True)
    norm = np.sqrt(np.einsum("nmt,nmt->n", x, x, dtype=np.float64))
    x /= np.maximum(norm, 1e-9).astype(np.float32)[:, None, None]
    return np.asarray(np.fft.rfft(x, axis=2), dtype=np.complex64)
