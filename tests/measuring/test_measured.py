"""What is kept of loops that were read: parts taken and joined, patterns, band edges."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from loopwright import metrics
from loopwright.config import LOOP16
from loopwright.measuring.measured import Heard, Measured, Patterns, band_edges, patterns_of
from loopwright.measuring.sides import Entry


def some(bars: list[int], *, music: bool = False) -> Measured:
    """Loops of so many bars, every number in which tells which loop it is of."""
    n = len(bars)
    entries = [Entry(f"{i}.wav", b, f"source {i // 2}") for i, b in enumerate(bars)]
    loops = [Heard(e, 10 + i, e.bars, 16_000, 2.0, -20.0 - i, f"hash {i}") for i, e in enumerate(entries)]
    owner = np.repeat(np.arange(n), bars)
    number = np.arange(n, dtype=float)
    looped: dict[str, Any] = {field.name: number for field in dataclasses.fields(metrics.LoopFeatures)}
    looped["steps"] = np.tile(number[:, None, None], (1, 3, 16))
    musical: dict[str, Any] = {field.name: number for field in dataclasses.fields(metrics.MusicalFeatures)}
    return Measured(
        loops=tuple(loops),
        embeddings={"j": np.stack([number, -number], axis=1).astype(np.float32)},
        probabilities={"j": np.stack([number, 1 - number], axis=1).astype(np.float32)},
        features=metrics.LoopFeatures(**looped),
        music=metrics.MusicalFeatures(**musical) if music else None,
        patterns=Patterns(np.tile(owner[:, None, None].astype(np.float32), (1, 2, 4)), owner),
    )


def test_taking_loops_keeps_every_field_together_also_twice_and_out_of_order() -> None:
    measured = some([1, 2, 1, 3], music=True)
    got = measured.take(np.array([3, 1, 3]))
    assert [loop.row for loop in got.loops] == [13, 11, 13]
    assert got.sources == ["source 1", "source 0", "source 1"]
    assert got.embeddings["j"][:, 0].tolist() == [3, 1, 3]
    assert got.probabilities["j"][:, 0].tolist() == [3, 1, 3]
    assert got.features.grid.tolist() == [3, 1, 3]
    assert got.music is not None
    assert got.music.rise_db.tolist() == [3, 1, 3]
    assert got.patterns.owner.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert got.patterns.bars[:, 0, 0].tolist() == [3, 3, 3, 1, 1, 3, 3, 3]


def test_joined_patterns_number_their_loops_on() -> None:
    joined = Patterns.join([some([1, 2]).patterns, some([2, 1]).patterns])
    assert joined.owner.tolist() == [0, 1, 1, 2, 2, 3]
    assert joined.bars[:, 0, 0].tolist() == [0, 1, 1, 0, 0, 1]


def test_patterns_are_means_of_two_bands_and_two_frames() -> None:
    log_mel = np.random.default_rng(0).normal(size=(4, 12)).astype(np.float32)
    first, second = patterns_of(log_mel, 2)
    assert first.shape == second.shape == (2, 3)
    assert second[1, 0] == np.float32(log_mel[2:4, 6:8].mean())


def test_band_edges_lie_where_they_should() -> None:
    from loopwright.audio.mel import mel_filterbank

    low, high = band_edges()
    bank = mel_filterbank(LOOP16).numpy()
    centres = bank.argmax(axis=1) * 16_000 / 1024
    assert centres[low - 1] < 220 < centres[low] + 100
    assert centres[high - 1] < 2100
    assert centres[high] > 1900
