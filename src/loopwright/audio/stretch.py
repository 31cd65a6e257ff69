"""Time-stretch of a circle: another length, the same pitch, and still no seam.

A phase vocoder with the whole bar in sight: blocks of three hops are read round the circle at one spacing and added up at
another, so the phases of each have to be turned to meet the block before it (docs/decisions/0022-own-stretch.md). The turns of
one round differ from those of the next, so the last samples are crossfaded into what precedes the first one.

Shapes: C channels, N samples, T blocks, F bins, K peaks of all blocks (flat, a peak's place is t * F + f).
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import soxr
import torch

from loopwright.audio.resample import resample_circle
from loopwright.errors import InputError

Float32 = npt.NDArray[np.float32]
Complex64 = npt.NDArray[np.complex64]
Places = npt.NDArray[np.intp]
CROSSFADE_SAMPLES = 1024
HOP_S = 0.024  # from block to block of the output; tones want longer blocks, drums shorter ones
OVERLAP = 3  # hops a block; the squares of a Hann window add up to a constant from 3 on
RISE = 4.0  # a peak with this much more power than one hop ago is an attack
NEIGHBOURS = 32  # peaks to either side that tell together when an attack is
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
        return np.take(turn, np.arange(low, high), axis=1, mode="wrap").astype(np.float32, copy=False)
    step = from_hz / rate_hz
    reach = int(256 * max(1.0, step))  # longer than half of soxr's filter
    a, b = int(np.floor(low * step)) - reach, int(np.ceil(high * step)) + reach
    around = np.ascontiguousarray(np.take(turn, np.arange(a, b), axis=1, mode="wrap").T)
    resampled = np.asarray(soxr.resample(around, from_hz, rate_hz, quality="HQ"), dtype=np.float32)
    skip = low - round(a / step)
    return np.ascontiguousarray(resampled[skip : skip + high - low].T)


@functools.lru_cache(maxsize=8)
def _hann(n: int) -> Float32:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)


def _cut(line: Float32, starts: Places, block: int, hop: int) -> torch.Tensor:
    """Windowed blocks (2, C, T, block): those that begin at `starts`, and those one hop earlier."""
    window = _hann(block)
    blocks = torch.empty(2, len(line), len(starts), block)  # torch's memory is aligned, so that a transform repeats to the bit
    view = blocks.numpy()
    for t, start in enumerate(starts):
        np.multiply(line[:, start : start + block], window, out=view[0, :, t])
        np.multiply(line[:, start - hop : start - hop + block], window, out=view[1, :, t])
    return blocks


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
    near = np.arange(len(peaks))
    left = np.maximum(near - NEIGHBOURS, bounds[blocks_of])
    right = np.minimum(near + NEIGHBOURS + 1, bounds[blocks_of + 1])
    slant = np.where(attack, (total[right] - total[left]).astype(np.complex64), slant)
    per_sample = np.float32(2 * np.pi / block)
    late = np.angle(-slant) / -per_sample  # samples after the centre
    shift = late * np.float32(stretch)  # a sound off the centre moves away from it as the loop grows
    slope = shift * -per_sample  # radians per bin

    # An attack is put where it belongs. All else goes on with its own frequency from the peak that ruled there before.
    before = np.maximum(peaks - f, 0)
    ruler = np.searchsorted(edges, before, side="right") - 1
    step = np.angle(_correlate(now[:, before], then)) + (bins - bins[ruler]).astype(np.float32) * slope[ruler]
    placed = bins.astype(np.float32) * slope
    phase = np.where(attack, placed, np.float32(0))
    goes_on = ~attack
    for a, b in zip(bounds[1:-1], bounds[2:], strict=True):
        np.copyto(phase[a:b], phase[ruler[a:b]] + step[a:b], where=goes_on[a:b])
    angles = np.repeat(phase - placed, sizes).reshape(t, f)
    angles += np.repeat(slope, sizes).reshape(t, f) * np.arange(f, dtype=np.float32)
    turns = torch.from_numpy(angles)
    turned = spectra[0] * torch.complex(turns.cos(), turns.sin())
    outside = np.abs(late + shift) > block / 2  # would come in again at the other end of the block; its other blocks have it
    if outside.any():
        turned *= torch.from_numpy(np.repeat((~outside).astype(np.float32), sizes).reshape(t, f))
    return turned


def _peaks(power: Float32) -> tuple[Places, Places]:
    """Bins of (T, F) above their two neighbours on each side, and the first of each block.

    Returns: flat places (K,), and (T + 1,) where each block's peaks begin.
    """
    peak = np.zeros(power.shape, dtype=bool)
    inside = peak[:, 2:-2]
    np.greater_equal(power[:, 2:-2], power[:, 1:-3], out=inside)
    for other in (power[:, :-4], power[:, 3:-1], power[:, 4:]):
        inside &= power[:, 2:-2] > other
    peak[:, 0] = True
    bounds = np.concatenate([[0], np.cumsum(np.count_nonzero(peak, axis=1))])
    return np.flatnonzero(peak), bounds
