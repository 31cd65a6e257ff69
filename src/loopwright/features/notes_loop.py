"""`notes_loop`, our own small transcriber: what it is trained on, its loss, and notes from what it hears. MIT.

The same kind of network as Basic Pitch (`features.transcriber.PitchNet`), trained on rendered loops whose notes are known.
Everything is a circle: a note may go over the seam.

Shapes: B batch, T frames of the circle, E notes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from loopwright.arrays import Float32, Float64
from loopwright.features.transcriber import LOWEST_NOTE, SEMITONES, Heard, PitchNet

ROWS_HEARD = 320  # all rows: harmonics up to 12.8 kHz
WIDTHS = {"contour": 8, "notes": 32, "onsets": 32}
POSITIVE_SHARE = 0.01  # of the onsets' loss: they are one cell in 400. With half of it, what was not sure was above 0.9
ONSETS_WEIGHT = 5.0  # brings the onsets' loss to the size of the others
BESIDE = 1  # frames beside an onset that count as it
ONSET, FRAME = 0.7, 0.5  # what is heard above these begins, and goes on: best on held-out bars
GAP_S = 0.06  # a note may be unheard for so long and go on


def new_notes_loop(**widths: int) -> PitchNet:
    """A fresh network to train, 68 kB in the default widths."""
    net = PitchNet(**(WIDTHS | widths), rows=ROWS_HEARD)
    for layer in (net.contour_out, net.note_out, net.onset_out):
        assert layer.bias is not None
        torch.nn.init.constant_(layer.bias, -3.0)  # notes are rare
    return net


def note_targets(events: npt.ArrayLike, frames: int, length_s: float) -> tuple[Float32, Float32]:
    """What should be heard of known notes.

    Args:
        events: (E, 3) or more: start and length in seconds, MIDI note. Starts lie anywhere on the circle; notes longer than it
            go all round. Notes outside the piano's 88 are left out.
        frames, length_s: of the circle. Frame t is at t / frames of it.

    Returns:
        Notes and onsets, each (88, T), 0 or 1.
    """
    notes, onsets = np.zeros((2, SEMITONES, frames), dtype=np.float32)
    for start_s, event_s, note in np.asarray(events, dtype=np.float64).reshape(-1, np.shape(events)[-1])[:, :3]:
        row = round(note) - LOWEST_NOTE
        if not 0 <= row < SEMITONES:
            continue
        start, stop = (x * frames / length_s for x in (start_s, start_s + event_s))
        first = int(np.ceil(start - 1e-6))
        count = min(max(int(np.ceil(stop - 1e-6)) - first, 1), frames)
        notes[row, (first + np.arange(count)) % frames] = 1.0
        onsets[row, (round(start) + np.arange(-BESIDE, BESIDE + 1)) % frames] = 1.0
    return notes, onsets


def transcription_loss(heard: Heard, notes: Tensor, onsets: Tensor) -> dict[str, Tensor]:
    """Binary cross-entropies of logits against targets (B, 88, T); train on their sum.

    `contour` wants a note on the middle one of its three rows, and does not mind the other two.
    """
    target = torch.zeros_like(heard.contour)
    target[:, ::3] = notes
    mind = torch.ones_like(target)
    for beside in (1, -1):
        mind = mind * (1.0 - target.roll(beside, dims=1))
    mind = torch.maximum(mind, target)
    contour = F.binary_cross_entropy_with_logits(heard.contour, target, weight=mind)
    sounding = F.binary_cross_entropy_with_logits(heard.notes, notes)
    each = F.binary_cross_entropy_with_logits(heard.onsets, onsets, reduction="none")
    on = (each * onsets).sum() / onsets.sum().clamp_min(1.0)
    off = (each * (1.0 - onsets)).sum() / (1.0 - onsets).sum().clamp_min(1.0)
    weighed = ONSETS_WEIGHT * (POSITIVE_SHARE * on + (1.0 - POSITIVE_SHARE) * off)
    return {"contour": contour, "notes": sounding, "onsets": weighed}


def note_events(
    notes: npt.ArrayLike, onsets: npt.ArrayLike, length_s: float, *, onset: float = ONSET, frame: float = FRAME
) -> Float64:
    """Notes from what is heard of one loop.

    A note starts at a local maximum of its pitch's onsets above `onset`, and goes on while its pitch is heard above `frame`
    (gaps shorter than GAP_S do not end it), until the pitch's next onset or all round the circle.

    Args:
        notes, onsets: posteriors, (88, T).
        length_s: of the circle.
        onset, frame: thresholds.

    Returns:
        (E, 4), by start: start in seconds (0 to length_s), length in seconds, MIDI note, mean posterior.
    """
    n, o = (np.asarray(x, dtype=np.float64) for x in (notes, onsets))
    frames = n.shape[1]
    gap = max(1, round(GAP_S * frames / length_s))
    peaks = (o > onset) & (o >= np.roll(o, 1, axis=1)) & (o > np.roll(o, -1, axis=1))
    found = []
    for row in np.flatnonzero(peaks.any(axis=1)):
        starts = np.flatnonzero(peaks[row])
        for start, following in zip(starts, [*starts[1:], starts[0] + frames], strict=True):
            way = np.take(n[row], np.arange(start, following), mode="wrap")
            loud = np.flatnonzero(way > frame)
            if not len(loud) or loud[0] > gap:
                continue
            breaks = np.flatnonzero(np.diff(loud) > gap)
            last = int(loud[breaks[0]] if len(breaks) else loud[-1]) + 1
            found.append((start, last, row + LOWEST_NOTE, way[:last].mean()))
    events = np.array(sorted(found), dtype=np.float64).reshape(-1, 4)
    events[:, :2] *= length_s / frames
    return events
