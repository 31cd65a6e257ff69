"""Where hits fall: onsets on the circle, their distance from the grid, swing, and how many there are, role by role.

Repetition at the beat and half a bar is in `loops` (`periodicity`). Shapes: n loops, N samples, T blocks of 1 ms, R roles.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loopwright.arrays import Float32, Float64, Intp
from loopwright.errors import InputError
from loopwright.metrics.checks import as_loops

Array = NDArray[np.floating[Any]]
STEPS = 16

_AFTER, _BEFORE = 8, 16  # blocks whose level makes a rise
_RISE_DB = 6.0
_APART = 30  # blocks between two onsets
_SOFTEST_DB = 40.0  # below the loudest onset of the loop
_FLOOR, _FAINT = 1e-8, 1e-3  # of the loudest block of the loop, -80 dB, and of those around, -30 dB


class Onsets(NamedTuple):
    """Onsets of n loops as one list: which `loop` (sorted), the `block` (1 ms) it begins in, and its level in dB."""

    loop: Intp
    block: Intp
    level_db: Float64


class Pattern(NamedTuple):
    """Each (n,). onsets: a bar. grid_ms: mean distance of onsets from the nearest sixteenth. swing: where in a pair of
    sixteenths the second falls, per cent (50 straight, 67 triplets). NaN without onsets (swing: with fewer than
    two a bar on second sixteenths).
    """

    onsets: Float64
    grid_ms: Float64
    swing: Float64


def block_power(waveforms: Array, rate_hz: float) -> Array:
    """Mean square in blocks of 1 ms, whole blocks round the circle: (n, N) -> (n, T)."""
    n, samples = waveforms.shape
    count = max(1, round(samples / rate_hz * 1000))
    if samples % count == 0:
        blocks = waveforms.reshape(n, count, -1)
        return np.asarray(np.einsum("ntk,ntk->nt", blocks, blocks) / np.float32(samples // count))
    edges = np.round(np.arange(count + 1) * (samples / count)).astype(np.intp)
    if (np.diff(edges) == 0).any():
        raise InputError(f"a rate of {rate_hz:g} Hz is too low for blocks of 1 ms. Give at least 8 kHz.")
    power = np.add.reduceat(waveforms * waveforms, edges[:-1], axis=1)
    return np.asarray(power / np.diff(edges).astype(np.float32))


def find_onsets(waveforms: ArrayLike, rate_hz: int, *, bars: int = 1) -> Onsets:
    """Onsets of loops (n, N), to one to three milliseconds, also across the seam.

    The signal is differentiated, so that a hat is heard over a kick. An onset is where the power of the next 8 ms is at least
    6 dB above that of the last 16 ms, more so than anywhere within 30 ms, and not 40 dB below the loudest onset. What is 30 dB
    below the loudest within these 30 ms counts as silence: a faint echo ahead of a hit does not move it.
    """
    return onsets_of(as_loops(waveforms, bars, rate_hz), rate_hz)


def onsets_of(loops: Float32, rate_hz: int) -> Onsets:
    """`find_onsets` for loops that were checked."""
    change = np.empty_like(loops)
    np.subtract(loops[:, 1:], loops[:, :-1], out=change[:, 1:])
    np.subtract(loops[:, 0], loops[:, -1], out=change[:, 0])
    power = block_power(change, rate_hz)
    count = power.shape[1]
    if count < _BEFORE + _AFTER:
        return Onsets(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0))
    top = power.max(axis=1, keepdims=True)
    sums = np.cumsum(np.concatenate([power[:, -_BEFORE:], power, power[:, :_AFTER]], axis=1), axis=1, dtype=np.float64)
    sums = np.concatenate([np.zeros((len(power), 1)), sums], axis=1)
    centre = sums[:, _BEFORE : _BEFORE + count]
    after = np.maximum(sums[:, _BEFORE + _AFTER :][:, :count] - centre, 0) / _AFTER
    before = np.maximum(centre - sums[:, :count], 0) / _BEFORE
    floor = np.maximum(_FLOOR * top, _FAINT * circular_maximum(after, _APART))
    ratio = (after + floor) / np.maximum(before + floor, 1e-30)
    peak = (ratio > 10 ** (_RISE_DB / 10)) & (ratio >= circular_maximum(ratio, _APART))
    loop, block = np.nonzero(peak)
    level = 10 * np.log10(after[loop, block])
    loudest = np.full(len(power), -np.inf)
    np.maximum.at(loudest, loop, level)
    keep = level >= loudest[loop] - _SOFTEST_DB
    return Onsets(loop[keep], block[keep], level[keep])


def pattern_features(waveforms: ArrayLike, rate_hz: int, *, bars: int = 1) -> Pattern:
    """Density, distance from the grid and swing of loops (n, N) of so many bars of 4/4. Raises InputError for NaN."""
    loops = as_loops(waveforms, bars, rate_hz)
    return pattern_of(onsets_of(loops, rate_hz), len(loops), loops.shape[1] / rate_hz * 1000, bars)


def pattern_of(onsets: Onsets, loops: int, length_ms: float, bars: int) -> Pattern:
    """`pattern_features` from onsets already found in so many loops of one length."""
    step_ms = length_ms / (STEPS * bars)
    place = onsets.block / step_ms
    nearest = np.round(place)
    off = place - nearest  # -0.5 to 0.5 steps
    number = np.bincount(onsets.loop, minlength=loops)
    distance = _mean(np.abs(off) * step_ms, onsets.loop, loops, 1)
    second = nearest.astype(np.intp) % 2 == 1
    # The first sixteenths of the pairs may be early or late as a whole; swing is how late the second ones are beyond that.
    late = _mean(off[second], onsets.loop[second], loops, 2 * bars) - np.nan_to_num(
        _mean(off[~second], onsets.loop[~second], loops, 1)
    )
    return Pattern(np.where(number > 0, number / bars, np.nan), distance, 50 * (1 + late))


def onsets_per_role(stems: ArrayLike, rate_hz: int, *, bars: int = 1) -> Float64:
    """Onsets a bar in each stem of loops whose roles are known: (n, R, N) -> (n, R). A silent stem has 0: it plays nothing."""
    x = np.asarray(stems)
    if x.ndim != 3:
        raise InputError(f"stems are (n, roles, samples), got shape {x.shape}.")
    flat = x.reshape(-1, x.shape[2])
    found = find_onsets(flat, rate_hz, bars=bars)
    return np.bincount(found.loop, minlength=len(flat)).reshape(x.shape[:2]) / bars


def circular_maximum(values: Array, reach: int) -> Array:
    """Largest value within `reach` places either way on the circle. (n, T) -> (n, T), by doubling."""
    count = values.shape[1]
    reach = min(reach, (count - 1) // 2)
    wrapped = np.concatenate([values[:, count - reach :], values, values[:, :reach]], axis=1)
    width, wanted = 1, 2 * reach + 1
    while width < wanted:
        step = min(width, wanted - width)
        wrapped = np.maximum(wrapped[:, :-step], wrapped[:, step:])
        width += step
    return wrapped


def _mean(values: Float64, loop: Intp, loops: int, least: int) -> Float64:
    """Mean of each loop's values; NaN where there are fewer than `least`."""
    number = np.bincount(loop, minlength=loops)
    total = np.bincount(loop, values, minlength=loops)
    return np.divide(total, number, out=np.full(loops, np.nan), where=number >= least)
