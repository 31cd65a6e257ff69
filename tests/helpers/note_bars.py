"""Bars whose notes are known: plucked tones of a few harmonics through the constant-Q, as prepared data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from loopwright.audio.constantq import ConstantQ
from loopwright.config import LOOP16, TONE48, Representation
from loopwright.data import PreparedData
from loopwright.data.prepared_writer import PreparedWriter

RATE_HZ = 48_000


def played(*notes: tuple[float, float, int]) -> np.ndarray:
    """A bar of 2 s at 48 kHz, (96000,): notes (start and length in seconds, MIDI note), which may go over the seam."""
    bar = np.zeros(2 * RATE_HZ)
    for start, length, note in notes:
        t = np.arange(round(length * RATE_HZ)) / RATE_HZ
        hz = 440.0 * 2 ** ((note - 69) / 12)
        tone = sum((np.sin(2 * np.pi * h * hz * t) / h for h in range(1, 7)), np.zeros(len(t)))
        tone *= np.exp(-3 * t) * np.minimum(1, t / 0.002) * np.minimum(1, (length - t) / 0.01)
        np.add.at(bar, (round(start * RATE_HZ) + np.arange(len(t))) % len(bar), 0.1 * tone)
    return bar


def write_notes(path: Path, *, known: bool = True, tone: bool = True) -> PreparedData:
    """20 bars to learn from, 16 to choose by, 16 to be asked about; four notes each, of two styles."""
    rng = np.random.default_rng(0)
    bank = ConstantQ()
    representation: Representation = TONE48 if tone else LOOP16
    with PreparedWriter(path, representation, 1, audio=False) as writer:
        for number in range(52):
            split = "train" if number < 20 else "validation" if number < 36 else "test"
            notes = [(beat / 2, 0.3, int(rng.integers(48, 72))) for beat in range(4)]
            rows = bank(played(*notes)[None], RATE_HZ)[0] if tone else np.full((64, 256), -3.0, dtype=np.float32)
            record: dict[str, Any] = {"file": f"{number}.wav", "split": split, "source": f"s{number}", "licence": "CC0-1.0"}
            record["style"] = ("arp", "bass")[number % 2]
            if known:
                record["events"] = [[note, start / 2, length / 2, 0.8, "lead"] for start, length, note in notes]
            writer.add(rows, None, record)
        writer.commit()
        return writer.finish()
