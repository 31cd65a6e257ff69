"""Note F1 of a transcriber of ours and of Basic Pitch on the same held-out bars, by style, as Markdown.

Run: python scripts/transcriber_f1.py PREPARED [--weights FILE] [--side test] [-o OUT.md]
PREPARED: tone48 bars with audio whose notes are known. A note is right if its pitch is, and it starts within 50 ms on the
circle; ends are not asked about. Ours at the thresholds of its file. Basic Pitch is its published graph at its published
thresholds, and at the best on `validation`; it hears each bar as a circle, in two windows of which the middles are kept. Notes
are read off all posteriors alike. Intervals at 95 %, from halves of the sources.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from loopwright.arrays import Int64
from loopwright.audio.resample import resample_circle
from loopwright.data import PreparedData
from loopwright.features.basic_pitch import HOP, RATE_HZ, BasicPitch
from loopwright.features.registry import HEARD_FRAMES, load_judge, read_transcriber, weights_path
from loopwright.features.weights import read_weights
from loopwright.files import write_text
from loopwright.tasks.train_transcriber import (
    Posteriors,
    choose_thresholds,
    note_counts,
    open_notes,
    rows_with_notes,
    scores_by_style,
)
from loopwright.training.transcriber_loop import posteriors

PUBLISHED = {"onset": 0.5, "frame": 0.3}
EDGE = 43  # frames left out at either end of a window


def heard_by_basic_pitch(judge: BasicPitch, prepared: PreparedData, rows: Int64) -> Posteriors:
    """Notes and onsets of bars of 2 s, (n, 88, 172): frames 43 to 128 of two windows, half a bar apart."""
    parts = []
    for first in range(0, len(rows), 16):
        loops = [resample_circle(x, 2 * RATE_HZ) for x in prepared.audio(rows[first : first + 16])]
        halves = [np.stack([np.roll(x, EDGE * HOP - turn) for x in loops]) for turn in (0, RATE_HZ)]
        heard = [judge.notes(half.astype(np.float32)) for half in halves]
        parts.append([np.concatenate([x[:, EDGE : EDGE + 86] for x in two], axis=1) for two in zip(*heard, strict=True)][:2])
    notes, onsets = (np.concatenate(x).transpose(0, 2, 1) for x in zip(*parts, strict=True))
    return notes, onsets


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path, help="File of ours; the one in the box if left out.")
    parser.add_argument("--side", default="test")
    parser.add_argument("-o", "--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    prepared = open_notes(args.data)
    validation, rows = rows_with_notes(prepared, "validation"), rows_with_notes(prepared, args.side)
    net = read_transcriber("notes_loop", args.weights)
    header = read_weights(weights_path("notes_loop", args.weights))[1]
    ours = posteriors(net, prepared, rows, heard_frames=HEARD_FRAMES)
    judge = load_judge("basic_pitch")
    assert isinstance(judge, BasicPitch)
    theirs = heard_by_basic_pitch(judge, prepared, rows)
    chosen = choose_thresholds(prepared, validation, heard_by_basic_pitch(judge, prepared, validation))
    runs = [
        ("notes_loop", header["scores"]["thresholds"], ours),
        ("Basic Pitch, as published", PUBLISHED, theirs),
        ("Basic Pitch, thresholds of validation", chosen, theirs),
    ]
    lines = [
        "| transcriber | onset, frame | style | F1 | precision | recall | bars (sources) |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, thresholds, heard in runs:
        scores = scores_by_style(prepared, rows, note_counts(prepared, rows, heard, **thresholds))
        for style, row in scores.items():
            cells = [f"{row[key][0]:.3f} [{row[key][1]:.3f}, {row[key][2]:.3f}]" for key in ("f1", "precision", "recall")]
            at = f"{thresholds['onset']}, {thresholds['frame']}"
            lines.append(f"| {name} | {at} | {style} | {' | '.join(cells)} | {row['bars']} ({row['sources']}) |")
    print("\n".join(lines))
    if args.out:
        write_text(args.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
