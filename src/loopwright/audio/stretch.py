"""Time-stretch of a circle: another length, the same pitch, and still no seam.

A phase vocoder with the whole bar in sight: blocks of three hops are read round the circle at one spacing and added up at
another, so the phases of each have to be turned to meet the block before it (docs/decisions/0022-own-stretch.md). The turns of
one round differ from those of the next, so the last samples are crossfaded into what precedes the first one.

Shapes: C channels, N samples, T blocks, F bins, K peaks of all blocks (flat, a peak's place is t * F + f).
"""

from __future__ import annotations

import functools

import numpy as np
import torch

from loopwright.arrays import Complex64, Float32, Intp
from loopwright.audio.resample import around, resample, resample_circle
from loopwright.errors import InputError

CROSSFADE_SAMPLES = 1024
HOP_S = 0.024  # from block to block of the output; tones want longer blocks, drums shorter ones
OVERLAP = 3  # hops a block; the squares of a Hann window add up to a constant from 3 on
RISE = 4.0  # a peak with this much more power than one hop ago is an attack
NEIGHBOURS = 32  # peaks to either side that tell together when an attack is
MAX_FACTOR = 4.0
SAME_PITCH = 2 ** (1.5 / 1200) - 1  # a change of length this small is a resampling: 1.5 cents, and nothing smeared


@functools.lru_cache(maxsize=8)
def _rise(n: int) -> Float32:
    """Weights from 0 to 1: the integral of a raised cosine, which itself bends at once at its ends, one of them the seam."""
    x = (np.arange(n) + 0.5) / n
    return (x - np.sin(2 * np.pi * x) / (2 * np.pi)).astype(np.float32)


def crossfade(ending: Float32, beginning: Float32) -> Float32:
    """Fade from one signal into another of the same length along axis 0, keeping the power steady.

    Weights are divided by the power that the two signals' correlation leaves: equal gain for equal signals, equal power for
    unrelated ones.
    """
    n = len(ending)
    rise = _rise(n)
    energy = float(np.sqrt(np.sum(ending**2, dtype=np.float64) * np.sum(beginning**2, dtype=np.float64)))
    rho = float(np.clip(np.sum(ending * beginning, dtype=np.float64) / energy, 0, 1)) if energy > 0 else 1.0
    power = rise**2 + (1 - rise) ** 2 + 2 * rho * rise * (1 - rise)
    shape = (n,) + (1,) * (ending.ndim - 1)
    rise = rise.reshape(shape)
    mixed: Float32 = ((ending * (1 - rise) + beginning * rise) / np.sqrt(power).reshape(shape)).astype(np.float32)
    return mixed


def stretch_circle(x: Float32, n_out: int, rate_hz: int, *, from_hz: int | None = None) -> Float32:
    """Stretch one turn of a loop to `n_out` samples at the same pitch; the result wraps as smoothly as the input.

    Args:
        x: (N,) or (N, C), one turn.
        n_out: samples wanted.
        rate_hz: rate of the result.
        from_hz: rate of `x` if it is another; the change of rate then shifts the sound by less than half a sample.

    Returns: (n_out,) or (n_out, C) float32.

    Raises InputError if the length would change by more than a factor of 4.
    """
    n = len(x)
    turn = n * rate_hz / (from_hz or rate_hz)  # samples of one turn at the rate of the result
    factor = turn / n_out
    if n < 2 or not 1 / MAX_FACTOR <= factor <= MAX_FACTOR:
        raise InputError(f"cannot stretch {turn:.0f} samples to {n_out}: the limit is a factor of {MAX_FACTOR:.0f} either way.")
    if turn == n_out and n == n_out:
        return x.astype(np.float32, copy=True)
    if abs(1 / factor - 1) < SAME_PITCH:
        return np.ascontiguousarray(resample_circle(x.T, n_out).T)
    hop = 128 * max(1, round(HOP_S * rate_hz / 128))  # sizes that are quick to transform
    block = OVERLAP * hop
    fade = min(CROSSFADE_SAMPLES, n_out // 4)
    first, last = -((fade + block // 2) // hop), -(-(n_out + block // 2) // hop)
    written = np.arange(first, last) * hop  # centres of blocks in the result,
    starts = np.round(written * factor).astype(int) - block // 2  # and where each begins in the loop
    low, high = int(starts[0]) - hop, int(starts[-1]) + block
    line = _line(x.reshape(n, -1).T, low, high, rate_hz, from_hz or rate_hz)
    blocks = _cut(line, starts - low, block, hop)
    spectra = torch.fft.rfft(blocks, dim=-1)  # (2, C, T, F)
    turned = _turn(spectra, block, 1 / factor - 1)
    long = _add_up(torch.fft.irfft(turned, block, dim=-1).numpy(), hop)
    at = block // 2 - int(written[0])
    out = long[:, at : at + n_out].T.copy()
    out[n_out - fade :] = crossfade(out[n_out - fade :], long[:, at - fade : at].T)
    return out.reshape(n_out, *x.shape[1:])


def _line(turn: Float32, low: int, high: int, rate_hz: int, from_hz: int) -> Float32:
    """Samples `low` to `high` of a loop (C, N) that goes round for ever, at `rate_hz`. -> (C, high - low)."""
    if rate_hz == from_hz:
        return around(turn, low, high).astype(np.float32, copy=False)
    step = from_hz / rate_hz
    reach = int(256 * max(1.0, step))  # longer than half of soxr's filter
    a, b = int(np.floor(low * step)) - reach, int(np.ceil(high * step)) + reach
    recording = np.ascontiguousarray(around(turn, a, b).T)
    resampled = resample(recording, from_hz, rate_hz)
    skip = low - round(a / step)
    return np.ascontiguousarray(resampled[skip : skip + high - low].T)


@functools.lru_cache(maxsize=8)
def _hann(n: int) -> Float32:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)


def _cut(line: Float32, starts: Intp, block: int, hop: int) -> torch.Tensor:
    """Windowed blocks (2, C, T, block): those that begin at `starts`, and those one hop earlier."""
    frames = np.lib.stride_tricks.sliding_window_view(line, block, axis=1)
    cut = frames[:, np.stack([starts, starts - hop])].swapaxes(0, 1)  # (2, C, T, block)
    # torch's memory is aligned, so that a transform repeats to the bit
    return torch.from_numpy(cut) * torch.from_numpy(_hann(block))


def _add_up(blocks: Float32, hop: int) -> Float32:
    """Overlap-add windowed blocks (C, T, block). -> (C, (T + OVERLAP - 1) * hop)."""
    channels, t, block = blocks.shape
    window = _hann(block)
    blocks *= window
    pieces = blocks.reshape(channels, t, OVERLAP, hop)
    out = np.zeros((channels, t + OVERLAP - 1, hop), dtype=np.float32)
    for j in range(OVERLAP):
        out[:, j : j + t] += pieces[:, :, j]
    out /= np.square(window).reshape(OVERLAP, hop).sum(axis=0)
    return out.reshape(channels, -1)


def _power(z: Complex64) -> Float32:
    """Power summed over channels. (C, ...) -> (...)."""
    power: Float32 = np.square(z[0].real) + np.square(z[0].imag)
    for other in z[1:]:
        power += np.square(other.real) + np.square(other.imag)
    return power


def _correlate(a: Complex64, b: Complex64) -> Complex64:
    """a * conj(b) summed over channels. (C, K) -> (K,)."""
    product: Complex64 = a[0] * b[0].conj()
    for u, v in zip(a[1:], b[1:], strict=True):
        product += u * v.conj()
    return product


def _turn(spectra: torch.Tensor, block: int, stretch: float) -> torch.Tensor:
    """Turn the phases of each block so that it goes on where the block before it left off.

    Args:
        spectra: (2, C, T, F): blocks, and blocks one hop earlier in the loop.
        block: samples of one.
        stretch: length gained per sample: 0.1 for a tenth longer.

    Returns: (C, T, F).
    """
    _, channels, t, f = spectra.shape
    now, earlier = spectra.numpy().reshape(2, channels, t * f)
    power = _power(now)
    peaks, bounds = _peaks(power.reshape(t, f))
    blocks_of = np.repeat(np.arange(t), np.diff(bounds))
    bins = peaks - blocks_of * f
    edges = (peaks + np.concatenate([peaks[:1], peaks[:-1]]) + 1) >> 1  # a peak rules halfway to the next
    edges[bounds[:-1]] = peaks[bounds[:-1]]
    sizes = np.diff(np.append(edges, t * f))

    here, then = now[:, peaks], earlier[:, peaks]
    attack = power[peaks] > RISE * _power(then)
    attack[: bounds[1]] = True  # the first block follows none
    # When a sound is within its block shows in the phase from bin to bin: a half turn at the centre.
    slant = _correlate(here, now[:, peaks - 1])
    slant[bounds[:-1]] = 0  # nothing is below the first bin
    slant += _correlate(now[:, np.minimum(peaks + 1, t * f - 1)], here)
    total = np.concatenate([np.zeros(1), np.cumsum(slant, dtype=np.complex128)])
    attacks = np.flatnonzero(attack)
    left = np.maximum(attacks - NEIGHBOURS, bounds[blocks_of[attacks]])
    right = np.minimum(attacks + NEIGHBOURS + 1, bounds[blocks_of[attacks] + 1])
    slant[attacks] = total[right] - total[left]
    per_sample = np.float32(2 * np.pi / block)
    late = np.angle(-slant) / -per_sample  # samples after the centre
    shift = late * np.float32(stretch)  # a sound off the centre moves away from it as the loop grows
    slope = shift * -per_sample  # radians per bin

    # An attack is put where it belongs. All else goes on with its own frequency from the peak that ruled there before.
    follows = np.repeat(np.arange(len(peaks)), sizes)  # the peak that rules each bin
    before = np.maximum(peaks - f, 0)
    ruler = follows[before]
    step = np.angle(_correlate(now[:, before], then)) + (bins - bins[ruler]).astype(np.float32) * slope[ruler]
    placed = bins.astype(np.float32) * slope
    phase = np.append(np.where(attack, placed, step), np.float32(0))
    ruler[attack] = len(peaks)  # the zero at the end
    at = bounds.tolist()
    for a, b in zip(at[1:-1], at[2:], strict=True):
        phase[a:b] += phase[ruler[a:b]]
    angles = slope[follows].reshape(t, f) * np.arange(f, dtype=np.float32)
    angles += (phase[:-1] - placed)[follows].reshape(t, f)
    turned = torch.empty_like(spectra[0])
    turns = turned.numpy()
    np.cos(angles, out=turns.real)  # numpy's are twice as fast as torch's
    np.sin(angles, out=turns.imag)
    turned *= spectra[0]
    outside = np.abs(late + shift) > block / 2  # would come in again at the other end of the block; its other blocks have it
    if outside.any():
        turned *= torch.from_numpy(np.repeat((~outside).astype(np.float32), sizes).reshape(t, f))
    return turned


def _peaks(power: Float32) -> tuple[Intp, Intp]:
    """Bins of (T, F) above their two neighbours on each side, and the first of each block.

    Returns: flat places (K,), and (T + 1,) where each block's peaks begin.
    """
    t, f = power.shape
    flat = power.reshape(-1)
    peak = np.zeros(t * f, dtype=bool)
    inside, middle = peak[2:-2], flat[2:-2]
    np.greater_equal(middle, flat[1:-3], out=inside)
    for other in (flat[:-4], flat[3:-1], flat[4:]):
        inside &= middle > other
    of_blocks = peak.reshape(t, f)
    of_blocks[:, 1] = of_blocks[:, -2:] = False  # their neighbours are another block's
    of_blocks[:, 0] = True
    peaks = np.flatnonzero(peak)
    return peaks, np.searchsorted(peaks, np.arange(t + 1) * f)
