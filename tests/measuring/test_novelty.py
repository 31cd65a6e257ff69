"""Copies are found, whatever was done to hide them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import soundfile
from measuring_material import QUICK, folder, loop

from loopwright.measuring.evaluate import evaluate


def test_copies_are_found_though_rolled_and_quieter(real: Path, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    for seed in range(10):
        soundfile.write(copies / f"{seed}.wav", 0.5 * np.roll(loop(seed), 3000 * seed), 16_000, subtype="FLOAT")
    got = evaluate(real, copies, tmp_path / "out", dataclasses.replace(QUICK, metrics=("novelty",)))
    assert got.novelty.values["copied"].value == 1.0
    assert got.novelty.values["generated"].value > 0.95
    fresh = folder(tmp_path / "fresh", range(400, 410))
    got = evaluate(real, fresh, tmp_path / "out", dataclasses.replace(QUICK, metrics=("novelty",)))
    assert got.novelty.values["copied"].value < 0.4
