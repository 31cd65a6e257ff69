"""In tune, notes heard, in key. Whole loops as circles; NaN where a figure does not apply.

Shapes: n loops, N samples, K rows and T frames of a constant-Q, U frames of a transcriber, 88 pitches (row 0 is A0, MIDI 21).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loopwright.arrays import Float64, Int64
from loopwright.audio.constantq import ConstantQ
from loopwright.audio.key_fit import MODES, TONICS, fit_keys
from loopwright.errors import InputError
from loopwright.metrics.checks import as_loops

Array = NDArray[np.floating[Any]]

PITCHES, LOWEST_MIDI = 88, 21
THRESHOLD = 0.5  # a posterior above this is a note
_REACH = 4  # frames (46 ms) after an onset in which its note must be heard
_PARTIALS_DB = 30.0  # below the loudest partial of the loop
_SILENCE = -4.5  # log10 magnitude: a loop whose loudest partial is below -90 dB has none
_ROWS_A_SEMITONE = 3
# From F2 (87 Hz; lower rows blur) to 2.7 kHz, in frames of 16 ms: above, partials are weak and the bank costs most. All 320
# rows in twice the frames cost twice as much and say the same: offsets to 0.1 cent, r lower by 0.03.
_FIRST_ROW, _ROWS = 59, 180
BANK = ConstantQ(bands=_ROWS, f_min=27.5 * 2 ** (_FIRST_ROW / 36), frames_per_bar=128)

KEY_NAMES = tuple(tonic + mode for mode in MODES for tonic in TONICS)
_TIE = 0.01  # shares of note mass this near to the best fit as well


class Tuning(NamedTuple):
    """Each (n,). `r`: how sharply partials sit on some semitone grid, 0 (anywhere) to 1; `offset`: where that grid lies,
    cents from A440, -50 to 50 (of no meaning where r is near 0: then it is anywhere). NaN for loops without partials.
    """

    r: Float64
    offset: Float64


class Heard(NamedTuple):
    """What a transcriber hears, each (n,).

    share: of frames with a note above 0.5. notes: mean number of notes in a frame. peak: mean over frames of the strongest
    posterior. onsets: notes struck a bar. A loop without notes has zeros: here nothing heard is the figure.
    """

    share: Float64
    notes: Float64
    peak: Float64
    onsets: Float64


class Key(NamedTuple):
    """Key of n loops, each (n,).

    number: of `KEY_NAMES`, -1 for a loop without notes. in_key: share of note mass in its scale. fits: how many of the 24
    keys hold as much: a single chord fits six or more, and its key is a guess. entropy: of the twelve pitch classes, bits, 0
    to log2 12. NaN for loops without notes (fits: 0).
    """

    number: Int64
    in_key: Float64
    fits: Int64
    entropy: Float64

    @property
    def names(self) -> list[str]:
        """Names such as "Ebmin"; "" for a loop without notes."""
        return [KEY_NAMES[i] if i >= 0 else "" for i in self.number]


def tuning(waveforms: ArrayLike, rate_hz: int, *, bars: int = 1) -> Tuning:
    """Tuning of loops (n, N) of so many bars: `tuning_of_rows` of a circular constant-Q from 87 Hz to 2.7 kHz.

    Drums have partials too: whether a loop has notes to be in tune is for a transcriber to say (`heard`). Raises InputError
    for loops that are no matrix of floats or hold NaN.
    """
    loops = as_loops(waveforms, bars, rate_hz)
    r, offset = np.empty(len(loops)), np.empty(len(loops))
    for i, loop in enumerate(loops):
        found = tuning_of_rows(BANK(loop, rate_hz, bars=bars), first_row=_FIRST_ROW)
        r[i], offset[i] = found.r[0], found.offset[0]
    return Tuning(r, offset)


def tuning_of_rows(log_magnitudes: Array, *, first_row: int = 0) -> Tuning:
    """Tuning from log10 magnitudes (n, K, T), three rows a semitone, row 0 `first_row` rows above A0 (27.5 Hz).

    Partials: maxima along the rows of each frame within 30 dB of the loop's loudest, placed by a parabola through the log
    magnitudes. Each is a phasor of phase 2 pi cents / 100 and of the length of its magnitude; r and offset are length and angle
    of their mean.
    """
    x = np.asarray(log_magnitudes)
    if x.ndim != 3 or x.shape[1] < 3 or not np.isfinite(x).all():
        raise InputError(f"tuning takes finite constant-Q rows (n, K, T), got shape {x.shape}.")
    middle = x[:, 1:-1]
    top = x.max(axis=(1, 2))
    least = np.maximum(top - _PARTIALS_DB / 20, _SILENCE)[:, None, None]
    loop, row, frame = np.nonzero((middle >= x[:, :-2]) & (middle > x[:, 2:]) & (middle > least))
    below, at, above = (x[loop, row + i, frame].astype(np.float64) for i in range(3))
    place = first_row + row + 1 + 0.5 * (below - above) / (below - 2 * at + above)
    weight = 10.0**at
    phase = 2 * np.pi / _ROWS_A_SEMITONE * place
    total = np.bincount(loop, weight, minlength=len(x))
    real = np.bincount(loop, weight * np.cos(phase), minlength=len(x))
    imaginary = np.bincount(loop, weight * np.sin(phase), minlength=len(x))
    some = total > 0
    r = np.divide(np.hypot(real, imaginary), total, out=np.full(len(x), np.nan), where=some)
    offset = np.where(some, np.arctan2(imaginary, real) * (50 / np.pi), np.nan)
    return Tuning(r, offset)


def heard(notes: Array, onsets: Array, *, bars_heard: float = 1.0) -> Heard:
    """What is heard in posteriors (n, U, 88) of notes and onsets that cover `bars_heard` bars.

    An onset is a maximum in time above 0.5 whose pitch sounds (is above 0.5) within the next 46 ms: transcribers strike at
    drums too, without hearing a note.
    """
    notes, onsets = _posteriors(notes), _posteriors(onsets)
    if notes.shape != onsets.shape or not bars_heard > 0:
        raise InputError(f"notes {notes.shape} and onsets {onsets.shape} differ, or {bars_heard:g} bars are not above 0.")
    on = notes > THRESHOLD
    soon = on.copy()
    for i in range(1, _REACH + 1):
        soon[:, :-i] |= on[:, i:]
    before = np.concatenate([np.full_like(onsets[:, :1], -1), onsets[:, :-1]], axis=1)
    after = np.concatenate([onsets[:, 1:], np.full_like(onsets[:, :1], -1)], axis=1)
    struck = (onsets > THRESHOLD) & (onsets >= before) & (onsets > after) & soon
    return Heard(
        on.any(axis=2).mean(axis=1),
        on.sum(axis=2).mean(axis=1),
        notes.max(axis=2).mean(axis=1, dtype=np.float64),
        struck.sum(axis=(1, 2)) / bars_heard,
    )


def pitch_classes(notes: Array) -> Float64:
    """Share of note mass (posteriors above 0.5, summed) in each pitch class from C on. (n, U, 88) -> (n, 12), NaN without."""
    x = _posteriors(notes)
    mass = np.where(x > THRESHOLD, x, 0).sum(axis=1, dtype=np.float64)
    classes = np.zeros((len(x), 12))
    np.add.at(classes.T, (np.arange(PITCHES) + LOWEST_MIDI) % 12, mass.T)
    total = classes.sum(axis=1, keepdims=True)
    return np.divide(classes, total, out=np.full_like(classes, np.nan), where=total > 0)


def key(notes: Array) -> Key:
    """The best of the 24 major and natural minor keys for note posteriors (n, U, 88).

    First by the share of note mass inside the scale. Keys within 0.01 of the best share, always a key and its relative, are
    told apart by the correlation of the pitch classes with the profiles of Krumhansl and Kessler. On rendered bars, which hold
    one chord of a progression in a known key, that names the key in 0.27 of all bars: a chord belongs to many keys, and `fits`
    says so.
    """
    classes = pitch_classes(notes)
    some = np.isfinite(classes[:, 0])
    share, likeness = fit_keys(np.where(some[:, None], classes, 0.0))
    fitting = share >= share.max(axis=1, keepdims=True) - _TIE
    number = np.where(fitting, likeness, -np.inf).argmax(axis=1)
    logs = np.log2(classes, out=np.zeros_like(classes), where=classes > 0)
    return Key(
        np.where(some, number, -1),
        np.where(some, share[np.arange(len(share)), number], np.nan),
        np.where(some, fitting.sum(axis=1), 0),
        np.where(some, np.abs((classes * logs).sum(axis=1)), np.nan),
    )


def _posteriors(values: Array) -> Array:
    x = np.asarray(values)
    if x.ndim != 3 or x.shape[2] != PITCHES or not x.shape[1] or not np.issubdtype(x.dtype, np.floating):
        raise InputError(f"note posteriors are floats (n, frames, {PITCHES}), got {x.dtype} of shape {x.shape}.")
    if not np.isfinite(x).all():
        raise InputError("note posteriors hold NaN or infinity. Mend what made them.")
    return x
