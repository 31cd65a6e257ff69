"""Near-duplicates: rolls, gains, noise and codecs are found, other bars are not; the index agrees with comparing all pairs."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from sounds import drum_loop

from loopwright.audio.mel import LogMel
from loopwright.config import LOOP16
from loopwright.data.fingerprint import DuplicateIndex, fingerprint, similarity

N = LOOP16.bar_samples
THRESHOLD = 0.96
Float32 = np.ndarray


def log_mel(x: Float32) -> Float32:
    return LogMel(LOOP16)(torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))).numpy()


def bars(count: int) -> list[Float32]:
    """Different random patterns of hits."""
    rng = np.random.default_rng(7)
    out = []
    for _ in range(count):
        x = np.zeros(N, dtype=np.float32)
        for at in rng.choice(16, rng.integers(4, 10), replace=False) * (N // 16):
            decay, pitch = rng.uniform(200, 3000), rng.uniform(0.01, 1.5)
            t = np.arange(N // 4)
            hit = np.exp(-t / decay) * (np.sin(pitch * t) + rng.uniform(0, 1) * rng.standard_normal(len(t)))
            np.add.at(x, (at + t) % N, (rng.uniform(0.1, 0.5) * hit).astype(np.float32))
        out.append(x)
    return out


def ogg(x: Float32) -> Float32:
    buffer = io.BytesIO()
    soundfile.write(buffer, x, LOOP16.rate_hz, format="OGG", compression_level=0.2)
    buffer.seek(0)
    return soundfile.read(buffer, dtype="float32")[0][:N]


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "quieter": lambda x: 0.2 * x,
    "rolled": lambda x: np.roll(x, 9111),
    "noisy": lambda x: x + 3e-4 * np.random.default_rng(0).standard_normal(N).astype(np.float32),
    "encoded and rolled": lambda x: np.roll(ogg(x), 12_345),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_changed_copies_are_found_and_others_are_not(change: str, tmp_path: Path) -> None:
    originals = bars(24)
    index = DuplicateIndex(tmp_path / "index.sqlite")
    for row, x in enumerate(originals):
        assert index.find(fingerprint(log_mel(x)), THRESHOLD) is None
        index.add(row, fingerprint(log_mel(x)))
    for row, x in enumerate(originals):
        found = index.find(fingerprint(log_mel(CHANGES[change](x))), THRESHOLD)
        assert found is not None
        assert found[0] == row
    index.close()


def test_similarity_is_the_best_cosine_over_rolls_computed_plainly() -> None:
    a, b = (fingerprint(log_mel(x)) for x in bars(2))
    plain = max(float(np.sum(a * np.roll(b, k, axis=1))) for k in range(a.shape[1]))
    assert similarity(a, b) == pytest.approx(plain, abs=1e-5)
    assert similarity(a, np.roll(a, 17, axis=1)) == pytest.approx(1.0, abs=1e-5)


def test_variation_within_a_loop_survives() -> None:
    """The same groove with a snare and hats moved is another bar."""
    straight, busy = drum_loop(120, 1, LOOP16.rate_hz, step=2), drum_loop(120, 1, LOOP16.rate_hz, step=1)
    assert similarity(fingerprint(log_mel(straight)), fingerprint(log_mel(busy))) < THRESHOLD


def test_silence_is_no_duplicate_of_silence(tmp_path: Path) -> None:
    index = DuplicateIndex(tmp_path / "index.sqlite")
    silence = fingerprint(log_mel(np.zeros(N)))
    index.add(0, silence)
    assert index.find(silence, THRESHOLD) is None
    index.close()


def test_rows_can_be_forgotten(tmp_path: Path) -> None:
    index = DuplicateIndex(tmp_path / "index.sqlite")
    prints = [fingerprint(log_mel(x)) for x in bars(3)]
    for row, print_ in enumerate(prints):
        index.add(row, print_)
    index.forget_from(1)
    assert len(index) == 1
    assert index.find(prints[0], THRESHOLD) == (0, pytest.approx(1.0, abs=1e-3))
    assert index.find(prints[2], THRESHOLD) is None
    index.close()
