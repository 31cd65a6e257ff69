"""A circular constant-Q transform: pitch on one axis, time on a circle on the other. Numpy only.

One Fourier transform of the whole circle, then for each band a Hann window *in frequency* and a short inverse transform: the
band's analytic signal, whose power is averaged over each frame (the idea of arXiv:1210.0084, on a circle, magnitudes only).
Nothing is padded and nothing cut off, so a loop rolled by frames gives rolled rows, exactly; a loop played twice gives its
rows twice. Bands stand `bands_per_octave` to the octave from `f_min` on, so that a transposition moves rows.

A sinusoid of amplitude 1 on a band reads 0 (log10). Frame t is centred on time t / (frames in the circle).

Shapes: B batch, N samples, K bands, T frames (frames_per_bar x bars), F frequencies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from loopwright.arrays import Complex64, Float32, Float64
from loopwright.errors import InputError


@dataclass(frozen=True)
class ConstantQ:
    """Settings of the bank, and the bank: call it with audio.

    Args:
        bands: rows, K.
        bands_per_octave: 36 are three a semitone.
        f_min: centre of band 0 in Hz; 27.5 is A0, MIDI note 21.
        frames_per_bar: columns a bar.
        extra_hz: what each window is wider by on either side than its two neighbours' distance, in Hz: without it, low bands
            would ring for seconds.
        floor: smallest magnitude that is told from silence.

    >>> bank = ConstantQ()
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(96_000) / 48_000)
    >>> rows = bank(tone, 48_000)
    >>> rows.shape, int(rows[0, :, 0].argmax()), round(float(rows[0, 144, 0]), 3) + 0.0
    ((1, 320, 256), 144, 0.0)
    """

    bands: int = 320
    bands_per_octave: int = 36
    f_min: float = 27.5
    frames_per_bar: int = 256
    extra_hz: float = 10.0
    floor: float = 1e-5

    @property
    def frequencies(self) -> Float64:
        """Centres in Hz, (K,)."""
        return self.f_min * 2.0 ** (np.arange(self.bands) / self.bands_per_octave)

    @property
    def half_widths(self) -> Float64:
        """Distance in Hz from a band's centre to where its window ends, (K,)."""
        step = 1.0 / self.bands_per_octave
        return self.frequencies * (2.0**step - 2.0**-step) + self.extra_hz

    def response(self, frequencies_hz: npt.ArrayLike) -> Float64:
        """Magnitude in each band of steady sinusoids of amplitude 1, exactly: the window. (F,) -> (F, K)."""
        distance = np.asarray(frequencies_hz, dtype=np.float64)[:, None] - self.frequencies
        return hann_window(distance / self.half_widths)

    def __call__(self, audio: npt.ArrayLike, rate_hz: int, *, bars: int = 1) -> Float32:
        """log10 magnitudes of whole loops.

        Args:
            audio: (N,) or (B, N); each a circle of `bars` bars.
            rate_hz: of the audio. Only the spectrum up to the last band counts, so the rate makes no difference; what lies
                above half the rate reads as silence.
            bars: bars in the circle.

        Returns:
            (B, K, T) float32, not below log10(floor).

        Raises:
            InputError: not one or two axes, no samples, or no bars.
        """
        waves = np.atleast_2d(np.asarray(audio, dtype=np.float32))
        if waves.ndim != 2 or waves.shape[1] < 2 or bars < 1:
            raise InputError(
                f"a constant-Q takes mono loops (samples) or (loops, samples) of one bar or more, got shape "
                f"{np.shape(audio)} as {bars} bars. Mix channels down first."
            )
        n = waves.shape[1]
        plan = _plan(self, n / rate_hz, bars)
        out = np.empty((len(waves), self.bands, self.frames_per_bar * bars), dtype=np.float32)
        for wave, rows in zip(waves, out, strict=True):  # one by one: a loop's bands fit into the cache
            spectrum = np.zeros(plan.stop, dtype=np.complex64)
            bins = np.fft.rfft(wave)[: plan.stop]
            spectrum[: len(bins)] = bins
            spectrum *= np.float32(2.0 / n)
            plan.power(spectrum, rows)
        np.maximum(out, self.floor**2, out=out)
        np.log10(out, out=out)
        out *= 0.5
        return np.maximum(out, np.float32(np.log10(self.floor)), out=out)

    def magnitude(self, audio: npt.ArrayLike, rate_hz: int, *, bars: int = 1) -> Float32:
        """Magnitudes themselves: 10 ** of the call. (N,) or (B, N) -> (B, K, T)."""
        return 10.0 ** self(audio, rate_hz, bars=bars)


def hann_window(x: Float64) -> Float64:
    """Hann window with ends at -1 and 1."""
    return np.where(np.abs(x) < 1.0, 0.5 + 0.5 * np.cos(np.pi * np.clip(x, -1.0, 1.0)), 0.0)


@dataclass(frozen=True)
class _Plan:
    """Windows of a bank on a circle of one length.

    Attributes:
        frames: T.
        stop: bins of the spectrum in use.
        starts: first bin of each band.
        windows: what its bins are multiplied by.
        sizes: length of its inverse transform: a multiple of T, wide enough for all its bins.
    """

    frames: int
    stop: int
    starts: list[int]
    windows: list[Complex64]
    sizes: list[int]

    def groups(self) -> Iterator[tuple[int, int, int]]:
        """Runs of bands of one size: first, last + 1, size."""
        first = 0
        for i in range(1, len(self.sizes) + 1):
            if i == len(self.sizes) or self.sizes[i] != self.sizes[first]:
                yield first, i, self.sizes[first]
                first = i

    def power(self, spectrum: Complex64, out: Float32) -> None:
        """Mean power of each band in each frame. (stop,) -> out (K, T)."""
        for first, last, size in self.groups():
            bins = np.zeros((last - first, size), dtype=np.complex64)
            for row, start, window in zip(bins, self.starts[first:last], self.windows[first:last], strict=True):
                np.multiply(spectrum[start : start + len(window)], window, out=row[: len(window)])
            signal = np.fft.ifft(bins, axis=1, norm="forward")  # what a shift of all bins changes is the phase only
            power = signal.real**2 + signal.imag**2
            out[first:last] = power.reshape(last - first, self.frames, -1).mean(axis=2)


@lru_cache(maxsize=8)
def _plan(bank: ConstantQ, length_s: float, bars: int) -> _Plan:
    frames = bank.frames_per_bar * bars
    starts, windows, sizes = [], [], []
    for centre, half in zip(bank.frequencies, bank.half_widths, strict=True):
        start = max(int(np.floor((centre - half) * length_s)) + 1, 0)
        bins = np.arange(start, max(int(np.ceil((centre + half) * length_s)), start + 1))
        size = frames
        while size < max(2 * half * length_s, len(bins)):
            size *= 2
        # the first of a frame's samples is moved ahead, so that the frame is centred on its place in time
        ahead = 0.5 * (size // frames - 1) / size
        starts.append(start)
        windows.append(
            (hann_window((bins / length_s - centre) / half) * np.exp(-2j * np.pi * ahead * bins)).astype(np.complex64)
        )
        sizes.append(size)
    stop = max(start + len(window) for start, window in zip(starts, windows, strict=True))
    return _Plan(frames, stop, starts, windows, sizes)
