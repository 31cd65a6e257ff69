"""Basic Pitch as a judge: which notes does a transcriber hear? (Bittner et al., ICASSP 2022, arXiv:2203.09893)

The published graph runs as it is in onnxruntime, on 22,050 Hz mono. It hears what networks for tags do not: whether there are
notes, and which. It never teaches: a loop that pleased it in training would please it here. Copyright 2022 Spotify AB,
Apache License 2.0; nothing of it is distributed here.

Shapes: B batch, N samples, W windows a loop, T frames (172 a window, 86.13 a second), P pitches (88, row 0 is A0, MIDI 21).
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from loopwright.arrays import Float32, Int64
from loopwright.errors import MelMismatchError
from loopwright.features.graph import GraphJudge

RATE_HZ = 22_050
WINDOW = 43_844  # samples of the graph's input: 2 s less 256
FRAMES, PITCHES, CONTOUR = 172, 88, 264
HOP = 256  # samples from one frame to the next
LOWEST_MIDI = 21
_SLACK = 441  # samples (20 ms) between windows that may stay unheard: a bar of 44,100 is one window, as published
_HARMONICS = 16  # of the rhythm: turns of a window
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.97)

# Of each part of an embedding: such that pairs of real tonal bars differ by about 1 in its square.
_SCALES = {"mean": 1.2, "high": 0.52, "onsets": 2.8, "phase": 25.0, "sure": 1.7, "many": 0.4, "struck": 2.2, "rhythm": 1.3}
EMBEDDING = 3 * PITCHES + 7 * 3 + 3 * len(_QUANTILES) + _HARMONICS


class Posteriors(NamedTuple):
    """What was heard, 0..1: `notes` and `onsets` (B, T, 88), `contour` (B, T, 264: three rows a semitone)."""

    notes: Float32
    onsets: Float32
    contour: Float32


class BasicPitch(GraphJudge):
    """Posteriors of notes, and an embedding pooled from them.

    `embed` takes loops at 22,050 Hz of any length. A loop is a circle: one shorter than 43,844 samples goes round again, a
    longer one is heard in as many windows as cover it, spread evenly, the last of them over the seam.
    """

    rate_hz = RATE_HZ
    dim = EMBEDDING
    takes: ClassVar[tuple[int, ...]] = (WINDOW, 1)
    gives: ClassVar[dict[str, tuple[int, ...]]] = {
        "StatefulPartitionedCall:1": (FRAMES, PITCHES),
        "StatefulPartitionedCall:2": (FRAMES, PITCHES),
        "StatefulPartitionedCall:0": (FRAMES, CONTOUR),
    }

    def notes(self, waveforms: npt.ArrayLike | Tensor, *, batch: int = 8) -> Posteriors:
        """Posteriors of loops at 22,050 Hz. (B, N) in [-1, 1] -> three arrays (B, T, rows), T = 172 W.

        Raises MelMismatchError for another shape or NaN.
        """
        clips = np.asarray(waveforms, dtype=np.float32)
        if clips.ndim != 2 or not clips.shape[1]:
            raise MelMismatchError(f"{self.name} hears loops (batch, samples) at {RATE_HZ} Hz, got shape {clips.shape}.")
        if bad := np.flatnonzero(~np.isfinite(clips).all(axis=1)).tolist():
            raise MelMismatchError(f"{self.name}: {len(bad)} of {len(clips)} loops hold NaN or infinity (first: row {bad[0]}).")
        count, places = windows(clips.shape[1])
        out = [np.empty((len(clips) * count, *shape), dtype=np.float32) for shape in self.gives.values()]
        for first in range(0, len(clips) * count, batch):
            numbers = np.arange(first, min(first + batch, len(clips) * count))
            part = np.stack([clips[i // count][places[i % count]] for i in numbers])[..., None]
            for whole, found in zip(out, self.run(part), strict=True):
                whole[numbers] = found
        return Posteriors(*(x.reshape(len(clips), count * FRAMES, x.shape[2]) for x in out))

    def embed(self, waveforms: npt.ArrayLike | Tensor, *, batch: int = 8) -> Float32:
        """Pooled posteriors of loops at 22,050 Hz. (B, N) -> (B, D) float32: see `pool`."""
        clips = np.asarray(waveforms, dtype=np.float32)
        turn = clips.shape[-1] / HOP
        parts = [pool(self.notes(clips[i : i + batch], batch=batch), turn) for i in range(0, len(clips), batch)]
        return np.concatenate(parts) if parts else np.zeros((0, self.dim), dtype=np.float32)


def windows(samples: int) -> tuple[int, Int64]:
    """How many windows a loop of so many samples needs, and the samples of each on the circle: (W, 43844)."""
    count = max(1, math.ceil(samples / (WINDOW + _SLACK)))
    starts = np.round(np.arange(count) * samples / count).astype(np.int64)
    return count, (starts[:, None] + np.arange(WINDOW)) % samples


def pool(heard: Posteriors, turn: float = FRAMES) -> Float32:
    """One vector a loop. (B, T, ...) -> (B, D). `turn`: frames in a turn of the loop; what a window repeats is left out.

    Every part is a mean, a maximum, a quantile or a Fourier magnitude over time, so a loop that starts elsewhere has nearly
    the same vector (the graph's own windows have edges, hence nearly). Parts are scaled so that on real tonal loops each adds
    about as much to a squared distance as the others.

    * which notes, and for how long: mean and 97 % quantile of each pitch's posterior;
    * which notes are struck: mean of each pitch's onset posterior;
    * in tune or not: in each octave, how the contour is shared among the three rows of a semitone;
    * how many, how sure: quantiles over time of the strongest posterior and of the sum of all, and of the strongest onset;
    * rhythm: Fourier magnitudes of the summed onsets at 1 to 16 times a window (or a turn, where that is shorter).
    """
    batch, frames = len(heard.notes), min(FRAMES, max(2 * _HARMONICS, round(turn)))
    notes, onsets, contour = (x.reshape(batch, -1, FRAMES, x.shape[2])[:, :, :frames] for x in heard)
    beats = onsets.sum(axis=3)
    notes, onsets, contour = (x.reshape(batch, -1, x.shape[3]) for x in (notes, onsets, contour))
    phase = contour.mean(axis=1)[:, : 7 * 36].reshape(batch, 7, 12, 3).mean(axis=2)  # row 3j + 1 is on the note
    phase = phase - phase.mean(axis=2, keepdims=True)
    sure, many, struck = notes.max(axis=2), notes.sum(axis=2), onsets.max(axis=2)
    rhythm = np.abs(np.fft.rfft(beats, axis=2))[:, :, 1 : _HARMONICS + 1].mean(axis=1) / frames
    parts = {
        "mean": notes.mean(axis=1),
        "high": np.quantile(notes, 0.97, axis=1),
        "onsets": onsets.mean(axis=1),
        "phase": phase.reshape(batch, -1),
        "sure": np.quantile(sure, _QUANTILES, axis=1).T,
        "many": np.quantile(many, _QUANTILES, axis=1).T,
        "struck": np.quantile(struck, _QUANTILES, axis=1).T,
        "rhythm": rhythm,
    }
    return np.concatenate([parts[key] * scale for key, scale in _SCALES.items()], axis=1).astype(np.float32)
