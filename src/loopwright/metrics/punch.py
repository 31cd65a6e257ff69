"""Punch: how steeply hits rise, what is heard before them, how their energy is spread, and how loud a loop is.

Levels are of blocks of 1 ms, round the circle, at the loop's own rate (44.1 or 48 kHz: what a lower rate leaves out of an
attack is missing here too). Shapes: n loops, N samples, T blocks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loopwright.arrays import Float32, Float64, Intp
from loopwright.metrics.checks import as_loops
from loopwright.metrics.pattern import Onsets, block_power, circular_maximum, onsets_of

Array = NDArray[np.floating[Any]]

RISE = 5  # blocks
PLACES = 16  # a bar
_FLOOR = 1e-8  # of the loudest block: -80 dB
_SILENCE = 1e-12  # mean square of a block, -120 dB
_APART = 20  # blocks between two attacks
_EARLY, _HIT = 20, 80  # blocks of a hit: its beginning, and what counts of it
_PRE = (10, 2)  # blocks before a hit, from and to


class Punch(NamedTuple):
    """Each (n,), NaN for silence.

    rise_db: level after 5 ms less level now, mean of the 16 steepest blocks of a bar (neighbours may belong to one attack).
    attack_db: the same at 16 places at least 20 ms apart, or as many as there are: every attack of the bar, not the sharpest.
    crest_db: peak over RMS. level_db: RMS, dB full scale.
    early: share of a hit's first 80 ms of energy that comes in the first 20, median over hits with nothing else in these 80.
    pre_db: level 2 to 10 ms before a hit against the loudest block of its first 20 ms, median over hits. Both NaN without hits.
    """

    rise_db: Float64
    attack_db: Float64
    crest_db: Float64
    level_db: Float64
    early: Float64
    pre_db: Float64


def punch_features(waveforms: ArrayLike, rate_hz: int, *, bars: int = 1) -> Punch:
    """Punch of loops (n, N) of so many bars. Raises InputError for loops that are no matrix of floats or hold NaN."""
    loops = as_loops(waveforms, bars, rate_hz)
    return punch_of(loops, rate_hz, bars, onsets_of(loops, rate_hz))


def punch_of(loops: Float32, rate_hz: int, bars: int, onsets: Onsets) -> Punch:
    """`punch_features` of loops that were checked and whose onsets are known."""
    power = block_power(loops, rate_hz)
    top = power.max(axis=1, keepdims=True)
    silent = top[:, 0] < _SILENCE
    level = 10 * np.log10(np.maximum(np.maximum(power, _FLOOR * top), _SILENCE * _FLOOR))
    rise = np.roll(level, -RISE, axis=1) - level
    mean_square = power.mean(axis=1, dtype=np.float64)
    peak = np.abs(loops).max(axis=1).astype(np.float64)
    early, pre = _hits(power, level, onsets)
    return Punch(
        *(
            np.where(silent, np.nan, x)
            for x in (
                _steepest(rise, PLACES * bars),
                _steepest(np.where(rise >= circular_maximum(rise, _APART), rise, -np.inf), PLACES * bars),
                20 * np.log10(np.maximum(peak, 1e-9)) - 10 * np.log10(np.maximum(mean_square, 1e-18)),
                10 * np.log10(np.maximum(mean_square, 1e-18)),
                early,
                pre,
            )
        )
    )


def _steepest(rise: Array, count: int) -> Float64:
    """Mean of the `count` largest finite values of each row; NaN in a row without any."""
    count = min(count, rise.shape[1])
    best = np.partition(rise, rise.shape[1] - count, axis=1)[:, -count:].astype(np.float64)
    some = np.isfinite(best)
    total = np.where(some, best, 0).sum(axis=1)
    return np.divide(total, some.sum(axis=1), out=np.full(len(rise), np.nan), where=some.any(axis=1))


def _hits(power: Array, level: Array, onsets: Onsets) -> tuple[Float64, Float64]:
    """Share of energy that is early, and level before the hit: medians over the hits of each loop."""
    n, count = power.shape
    early, pre = np.full(n, np.nan), np.full(n, np.nan)
    if not len(onsets.loop) or count < _HIT + _PRE[0]:
        return early, pre
    loop, at = onsets.loop[:, None], onsets.block[:, None]
    body = power[loop, (at + np.arange(_HIT)) % count].astype(np.float64)
    share = body[:, :_EARLY].sum(axis=1) / body.sum(axis=1)
    share[_gaps(onsets, count) < _HIT] = np.nan
    before = level[loop, (at - np.arange(_PRE[1] + 1, _PRE[0] + 1)) % count].mean(axis=1)
    below = before - level[loop, (at + np.arange(_EARLY)) % count].max(axis=1)
    for i, first, last in _runs(onsets.loop):
        alone = share[first:last][np.isfinite(share[first:last])]
        early[i] = np.median(alone) if len(alone) else np.nan
        pre[i] = np.median(below[first:last])
    return early, pre


def _gaps(onsets: Onsets, count: int) -> Intp:
    """Blocks from each onset to the next of its loop, round the circle."""
    gaps = np.empty(len(onsets.block), dtype=np.intp)
    for _, first, last in _runs(onsets.loop):
        block = onsets.block[first:last]
        gaps[first:last] = np.diff(block, append=block[0] + count)
    return gaps


def _runs(loop: Intp) -> list[tuple[int, int, int]]:
    """(loop, first, last + 1) of each run of equal numbers."""
    starts = np.flatnonzero(np.diff(loop, prepend=-1))
    return [(int(loop[a]), int(a), int(b)) for a, b in zip(starts, [*starts[1:], len(loop)], strict=True)]
