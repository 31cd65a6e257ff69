"""The pitch grid: loops as a score (pitches x time), a sound (harmonics), and a residual of noise bands. Numpy only.

What a loop so described reads in the circular constant-Q is linear in products of its parts, and known in closed form:

    magnitude[k, t] = sum over h, p of combs[k, h, p] gains[h, t] score[p, t]  +  sum over b of spread[k, b] residual[b, t],

each row then smeared over time by the length of its band's window. A note is a comb and the comb's place is a grid, so a loop
made of these parts is in tune whatever the parts are.

Shapes: K rows of the constant-Q, H harmonics, P pitches, R residual bands, T frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from loopwright.arrays import Float64
from loopwright.audio.constantq import ConstantQ, hann_window

A4_HZ, A4_NOTE = 440.0, 69


@dataclass(frozen=True)
class PitchGrid:
    """Which pitches, how many harmonics, how many bands of residual, and the bank that reads them.

    Args:
        lowest: MIDI note of row 0 of a score; 24 is C1.
        pitches: rows of a score, a semitone each.
        harmonics: partials of a note, the fundamental included.
        residual: noise bands, evenly spread over the bank's rows.
        bank: the constant-Q.
    """

    lowest: int = 24
    pitches: int = 73
    harmonics: int = 16
    residual: int = 64
    bank: ConstantQ = field(default_factory=ConstantQ)

    @property
    def fundamentals(self) -> Float64:
        """Frequencies of the pitches in Hz, equal temperament on A440, (P,)."""
        return A4_HZ * 2.0 ** ((self.lowest + np.arange(self.pitches) - A4_NOTE) / 12)

    @property
    def partials(self) -> Float64:
        """Frequencies of all harmonics of all pitches in Hz, (H, P)."""
        return np.arange(1, self.harmonics + 1)[:, None] * self.fundamentals

    @property
    def residual_rows(self) -> Float64:
        """Row of the bank that each residual band is centred on, (R,)."""
        return (np.arange(self.residual) + 0.5) * self.bank.bands / self.residual - 0.5

    def combs(self) -> Float64:
        """What steady partials of amplitude 1 read in the bank, (K, H, P); 0 for those above it."""
        read = self.bank.response(self.partials.ravel())
        return read.T.reshape(self.bank.bands, self.harmonics, self.pitches)

    def residual_weights(self, rows: npt.ArrayLike) -> Float64:
        """Weights of the residual bands at rows, whole or not: linear between centres, constant beyond. (N,) -> (N, R)."""
        at = np.interp(np.asarray(rows, dtype=np.float64), self.residual_rows, np.arange(self.residual))
        return np.maximum(1.0 - np.abs(at[:, None] - np.arange(self.residual)), 0.0)

    def spread(self) -> Float64:
        """Residual bands to rows, (K, R)."""
        return self.residual_weights(np.arange(self.bank.bands))

    def smear(self, frames: int, length_s: float) -> Float64:
        """How much of each change of an envelope a band lets through: real factors on its Fourier series.

        A partial on a band with an envelope is that band's window around the partial: the slow changes pass, those beyond the
        half width do not. Low bands therefore see a note come and go slowly, as they do of real loops.

        Args:
            frames: of the whole circle.
            length_s: of the whole circle.

        Returns:
            (K, frames // 2 + 1), for `numpy.fft.rfft` of rows (K, frames).
        """
        change_hz = np.arange(frames // 2 + 1) / length_s
        return hann_window(change_hz / self.bank.half_widths[:, None])

    def magnitude(self, score: npt.ArrayLike, gains: npt.ArrayLike, residual: npt.ArrayLike, length_s: float) -> Float64:
        """What the parts read in the bank: (P, T), (H, T), (R, T), circle in seconds -> (K, T)."""
        score, gains, residual = (np.asarray(x, dtype=np.float64) for x in (score, gains, residual))
        rows = np.einsum("khp,ht,pt->kt", self.combs(), gains, score, optimize=True) + self.spread() @ residual
        frames = rows.shape[1]
        smeared = np.fft.irfft(np.fft.rfft(rows, axis=1) * self.smear(frames, length_s), n=frames, axis=1)
        return np.abs(smeared)
