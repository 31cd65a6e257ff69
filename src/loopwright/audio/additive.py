"""Circular additive synthesis: oscillators and shaped noise from the parts of a pitch grid. Numpy only, no vocoder.

The spectrum of the whole circle is written down and transformed once. A partial with an envelope is that envelope's few
Fourier coefficients around the partial's bin; a noise band is white noise times its envelope, worked out at the band's own
low rate. So the loop is exactly circular (whole cycles round the circle), nothing aliases (what lies too high is not
written), notes end without clicks (envelopes are smooth), and any tempo, key and rate cost the same. Another tempo stretches
envelopes only; another key multiplies frequencies.

A steady partial reads its amplitude in `ConstantQ`, and noise its level, in the mean of power.

Shapes: N samples, P pitches, H harmonics, R residual bands, T frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from loopwright.arrays import Complex64, Float32, Float64
from loopwright.audio.pitchgrid import PitchGrid
from loopwright.errors import InputError

HIGHEST = 0.45  # of the rate: no partial above
AIR_HZ = 20_000  # no noise above
LOWEST_HZ = 20.0  # no noise below
QUIET = 10.0**-4.5  # of the loudest partial: softer ones are left out for the whole loop, so that no gate clicks
REACH = 1.5  # of a spectrum of T coefficients: how far the interpolated envelope is followed; the rest is 40 dB down and more
BASS_HZ = 160.0  # below, stereo is narrow
WIDTH = 0.6  # level of the side to the middle


def envelope_kernel(reach: int, frames: int) -> Float64:
    """Fourier series of the kernel that joins frames: a raised cosine of two frames, whose copies add up to one.

    Positive, so that envelopes stay so, and smooth enough for its series to be short. (2 reach + 1,) for -reach..reach.
    """
    u = np.arange(-reach, reach + 1) / frames
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.sinc(2 * u) / (1 - 4 * u**2)
    return np.where(np.abs(np.abs(u) - 0.5) < 1e-9, 0.5, out)


@dataclass(frozen=True)
class Additive:
    """Renders the parts of a pitch grid as audio.

    Args:
        grid: what the rows of the parts are.
        width: of stereo: 0 is mono twice. The middle is always the mono loop itself, so stereo folds down to it exactly.
    """

    grid: PitchGrid = field(default_factory=PitchGrid)
    width: float = WIDTH

    def __call__(
        self,
        score: npt.ArrayLike,
        gains: npt.ArrayLike,
        residual: npt.ArrayLike,
        *,
        length_s: float,
        rate_hz: int = 44_100,
        transpose: float = 0.0,
        seed: int = 0,
        stereo: bool = False,
    ) -> Float32:
        """A loop.

        Args:
            score: amplitudes of the pitches, (P, T).
            gains: of the harmonics, (H, T); or for each pitch, (H, P, T).
            residual: what noise bands read in the bank, (R, T).
            length_s: of the circle; rounded to whole samples.
            rate_hz: 44,100 to 96,000, or any other.
            transpose: semitones, whole or not. Moves partials, and leaves noise where it is.
            seed: of phases and noise. Same seed, same loop.
            stereo: two channels.

        Returns:
            (N,), or with `stereo` (N, 2), float32, not limited.

        Raises:
            InputError: parts of other sizes than the grid's, of different numbers of frames, negative or not finite; no length.
        """
        grid = self.grid
        s, g, r = (np.asarray(x, dtype=np.float32) for x in (score, gains, residual))
        frames = s.shape[-1] if s.ndim == 2 else 0
        pitched = g.ndim == 3
        want = [(grid.pitches, frames), (grid.harmonics, *([grid.pitches] if pitched else []), frames), (grid.residual, frames)]
        if not frames or [s.shape, g.shape, r.shape] != want:
            raise InputError(
                f"score, gains and residual have shapes {s.shape}, {g.shape} and {r.shape}; this grid takes "
                f"({grid.pitches}, T), ({grid.harmonics}, T) and ({grid.residual}, T) of one T."
            )
        if not all(np.isfinite(x).all() and (x >= 0).all() for x in (s, g, r)):
            raise InputError("score, gains and residual are amplitudes: finite and not below 0.")
        n = round(length_s * rate_hz)
        if n < 2 * frames:
            raise InputError(f"a loop of {length_s} s has too few samples for {frames} frames. Give its length in seconds.")
        rng = np.random.default_rng([seed, 0x70C4])
        spectrum = _Spectrum(n, rate_hz, int(np.ceil(REACH * frames)), stereo=stereo)
        self._oscillators(spectrum, s, g, transpose, rng)
        self._noise(spectrum, r, rng)
        if stereo:
            return np.stack([spectrum.wave(self.width), spectrum.wave(-self.width)], axis=1)
        return spectrum.wave(0.0)

    def _oscillators(self, spectrum: _Spectrum, s: Float32, g: Float32, transpose: float, rng: np.random.Generator) -> None:
        grid, frames, reach = self.grid, s.shape[1], spectrum.reach
        phases = rng.random((grid.harmonics, grid.pitches))
        sides = rng.integers(0, 2, (grid.harmonics, grid.pitches)) * 2 - 1
        hertz = grid.partials * 2.0 ** (transpose / 12)
        loudest = s.max(axis=1) * g.max(axis=-1).reshape(grid.harmonics, -1)  # (H, P); a bound is enough
        h, p = np.nonzero((hertz <= HIGHEST * spectrum.rate_hz) & (loudest > QUIET * loudest.max()))
        hertz = hertz[h, p]
        starts = np.rint(hertz * spectrum.length_s).astype(np.int64)
        # a side in quadrature leaves a partial equally loud left and right, apart by phase only
        turns = (1j * sides[h, p] / np.sqrt(1.0 + (BASS_HZ / hertz) ** 4)).astype(np.complex64)
        kernel = envelope_kernel(reach, frames).astype(np.float32)
        wrapped = np.arange(-reach, reach + 1) % frames
        first = np.exp(2j * np.pi * phases[h, p]).astype(np.complex64)
        for some in np.array_split(np.arange(len(h)), max(1, len(h) // 64)):  # few at a time stay in the cache
            envelopes = s[p[some]] * (g[h[some], p[some]] if g.ndim == 3 else g[h[some]])
            series = np.fft.fft(envelopes, axis=1, norm="forward") * first[some, None]
            lines = series[:, wrapped] * kernel
            for start, line, turn in zip(starts[some], lines, turns[some], strict=True):
                spectrum.middle[start : start + len(line)] += line
                if spectrum.stereo:
                    spectrum.side[start : start + len(line)] += line * turn

    def _noise(self, spectrum: _Spectrum, r: Float32, rng: np.random.Generator) -> None:
        bank, length = self.grid.bank, spectrum.length_s
        top = min(AIR_HZ, HIGHEST * spectrum.rate_hz)
        bins = np.arange(int(np.ceil(LOWEST_HZ * length)), int(top * length))
        hertz = bins / length
        rows = bank.bands_per_octave * np.log2(hertz / bank.f_min)
        at = np.interp(rows, self.grid.residual_rows, np.arange(len(r))).astype(np.float32)  # ascending
        edges = np.searchsorted(at, np.arange(-1, len(r) + 1), side="right")
        edges[-2:] = len(at)
        # a bin's amplitude such that a band's window, squared and summed, reads the residual
        level = 1.0 / np.sqrt(0.75 * np.interp(hertz, bank.frequencies, bank.half_widths) * length)
        highest = bank.frequencies[-1]
        level *= np.where(hertz > highest, (highest / hertz) ** 2, 1.0) * 0.5**0.5
        envelopes = {band: _Envelope(r[band], spectrum.reach) for band in range(len(r)) if r[band].any()}
        for target in (spectrum.middle, spectrum.side) if spectrum.stereo else (spectrum.middle,):
            white = rng.standard_normal((len(bins), 2), dtype=np.float32).view(np.complex64)[:, 0]
            white *= level.astype(np.float32)
            for band, envelope in envelopes.items():
                first, last = edges[band], edges[band + 2]
                if first == last:
                    continue
                line = envelope.shape(white[first:last] * (1.0 - np.abs(at[first:last] - band)))
                target[bins[first] : bins[first] + len(line)] += line


class _Spectrum:
    """The analytic spectrum of a circle, with room for what reaches below 0: bin k stands at index k + reach."""

    def __init__(self, n: int, rate_hz: int, reach: int, *, stereo: bool) -> None:
        self.n, self.rate_hz, self.reach, self.stereo = n, rate_hz, reach, stereo
        self.length_s = n / rate_hz
        size = n // 2 + 1 + 2 * reach
        self.middle = np.zeros(size, dtype=np.complex64)
        self.side = np.zeros(size if stereo else 0, dtype=np.complex64)

    def wave(self, side: float) -> Float32:
        """The middle plus `side` times the side, as audio (N,)."""
        analytic = self.middle + np.complex64(side) * self.side if side else self.middle
        half = self.n // 2 + 1
        real = analytic[self.reach : self.reach + half].copy()
        below = analytic[: self.reach + 1][::-1].conj()  # the real part of a negative frequency is that of its mirror image
        real[: self.reach + 1] += below[:half]
        real[0] = real[0].real
        real *= np.float32(0.5)
        return np.fft.irfft(real, n=self.n, norm="forward").astype(np.float32, copy=False)


class _Envelope:
    """An envelope in time (T,) that bands of noise are multiplied by, at whatever rate holds the product."""

    def __init__(self, envelope: Float32, reach: int) -> None:
        self.reach = reach
        at = np.arange(-reach, reach + 1)
        self.series = np.fft.fft(envelope, norm="forward")[at % len(envelope)] * envelope_kernel(reach, len(envelope))
        self.waves: dict[int, Complex64] = {}

    def shape(self, band: Complex64) -> Complex64:
        """Bins (n,) times the envelope: bins (n + 2 reach,), from `reach` below on."""
        size = 1
        while size < len(band) + 2 * self.reach:
            size *= 2
        if size not in self.waves:
            series = np.zeros(size, dtype=np.complex64)
            series[np.arange(-self.reach, self.reach + 1) % size] = self.series
            self.waves[size] = np.fft.ifft(series, norm="forward").astype(np.complex64, copy=False)
        padded = np.zeros(size, dtype=np.complex64)
        padded[self.reach : self.reach + len(band)] = band
        wave = np.fft.ifft(padded, norm="forward") * self.waves[size]
        return np.fft.fft(wave, norm="forward")[: len(band) + 2 * self.reach].astype(np.complex64, copy=False)
