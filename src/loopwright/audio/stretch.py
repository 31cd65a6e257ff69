"""Time-stretch of a circle: another length, the same pitch, and still no seam.

A stretcher that is given one turn of a loop invents its edges, and the seam breaks. So it is given more than a turn: the loop
with its own wrap-around before and after, as much as the stretcher's blocks reach, and the middle is kept. The blocks' phases
differ between one turn and the next, so the last samples are crossfaded into what precedes the first one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import python_stretch

from loopwright.audio.resample import resample_circle
from loopwright.errors import InputError

Float32 = npt.NDArray[np.float32]
CROSSFADE_SAMPLES = 1024
# Signalsmith's own preset is 120 and 30 ms. It moves whole blocks, so a click off a block's centre lands late or early by its
# distance times the change of tempo: 1.1 ms at worst. These settings cost a quarter less: 0.9 ms (docs/results/data.md).
BLOCK_S = 0.080
INTERVAL_S = 0.025
MAX_FACTOR = 4.0
SAME_PITCH = 2 ** (1.5 / 1200) - 1  # a change of length this small is a resampling: 1.5 cents, and nothing smeared


def crossfade(ending: Float32, beginning: Float32) -> Float32:
    """Fade from one signal into another of the same length along axis 0, keeping the power steady.

    Weights are raised cosines, divided by the power that the two signals' correlation leaves: equal gain for equal signals,
    equal power for unrelated ones.
    """
    n = len(ending)
    rise = (0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / n)).astype(np.float32)
    energy = float(np.sqrt(np.sum(ending**2, dtype=np.float64) * np.sum(beginning**2, dtype=np.float64)))
    rho = float(np.clip(np.sum(ending * beginning, dtype=np.float64) / energy, 0, 1)) if energy > 0 else 1.0
    power = rise**2 + (1 - rise) ** 2 + 2 * rho * rise * (1 - rise)
    shape = (n,) + (1,) * (ending.ndim - 1)
    rise = rise.reshape(shape)
    mixed: Float32 = ((ending * (1 - rise) + beginning * rise) / np.sqrt(power).reshape(shape)).astype(np.float32)
    return mixed


def stretch_circle(x: Float32, n_out: int, rate_hz: int, *, seed: int = 0) -> Float32:
    """Stretch one turn of a loop to `n_out` samples at the same pitch; the result wraps as smoothly as the input.

    Args:
        x: (N,) or (N, C), one turn.
        n_out: samples wanted.
        rate_hz: rate of both.
        seed: of the stretcher; the same seed gives the same samples.

    Returns: (n_out,) or (n_out, C) float32.

    Raises InputError if the length would change by more than a factor of 4.
    """
    n = len(x)
    if n < 2 or not 1 / MAX_FACTOR <= n_out / n <= MAX_FACTOR:
        raise InputError(f"cannot stretch {n} samples to {n_out}: the limit is a factor of {MAX_FACTOR:.0f} either way.")
    if n_out == n:
        return x.astype(np.float32, copy=True)
    if abs(n_out / n - 1) < SAME_PITCH:
        return np.ascontiguousarray(resample_circle(x.T, n_out).T)
    channels = x.reshape(n, -1).T.astype(np.float32)
    stretcher = python_stretch.Signalsmith.Stretch(seed)
    stretcher.configure(len(channels), round(BLOCK_S * rate_hz), round(INTERVAL_S * rate_hz))
    factor = n / n_out
    fade = min(CROSSFADE_SAMPLES, n_out // 4)
    # the edges are the stretcher's own for about a block
    pad = round(1.25 * stretcher.blockSamples()) + int(np.ceil(fade * factor))
    turns = np.take(channels, np.arange(-pad, n + pad), axis=1, mode="wrap")
    stretcher.setTimeFactor(factor)
    long = np.asarray(stretcher.process(np.ascontiguousarray(turns)), dtype=np.float32)
    start = round(pad / factor)
    out = long[:, start : start + n_out].T.copy()
    assert len(out) == n_out
    before = long[:, start - fade : start].T
    out[n_out - fade :] = crossfade(out[n_out - fade :], before)
    return out.reshape(n_out, *x.shape[1:])
