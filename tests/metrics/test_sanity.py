"""Each fault of the sanity experiments (scripts/metric_sanity.py, musical_sanity.py) moves the right metric.

Small and without a network: an embedding here is the mean and spread of each of 16 bands over the bar, as deaf to time and to
pitch as networks are said to be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from loopwright import metrics
from loopwright.audio.constantq import ConstantQ
from loopwright.audio.mel import LogMel
from loopwright.audio.resample import resample_circle
from loopwright.config import LOOP16

N = LOOP16.bar_samples
STEP = N // 16


def drum_bar(rng: np.random.Generator) -> np.ndarray:
    """Kick on 0 and 8, snare on 4 and 12, hats at random, each with its own colour; tails wrap."""
    out = np.zeros(N)

    def hit(step: int, length: float, low: float, level: float) -> None:
        t = np.arange(6000)
        noise = rng.normal(size=6000)
        body = np.sin(2 * np.pi * 55 * t / 16_000) if low else np.diff(noise, prepend=0.0)
        np.add.at(out, (step * STEP + t) % N, level * body * np.exp(-t / length))

    for step in (0, 8):
        hit(step, rng.uniform(600, 1500), 1.0, rng.uniform(0.5, 1.0))
    for step in (4, 12):
        hit(step, rng.uniform(300, 1200), 0.0, rng.uniform(0.2, 0.5))
    for step in rng.choice(16, rng.integers(2, 7), replace=False):
        hit(int(step), rng.uniform(60, 250), 0.0, rng.uniform(0.05, 0.2))
    return out + 0.002 * np.convolve(rng.normal(size=N), np.ones(8), "same")  # a room that never falls silent


def bars(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([drum_bar(rng) for _ in range(count)]).astype(np.float32)


def measure(x: np.ndarray) -> tuple[np.ndarray, metrics.LoopFeatures, np.ndarray]:
    picture = LogMel(LOOP16)(torch.from_numpy(x)).numpy()
    bands = picture.reshape(len(x), 16, 4, -1).mean(axis=2)
    embedding = np.concatenate([bands.mean(axis=2), bands.std(axis=2)], axis=1)
    return embedding, metrics.loop_features(x, picture, bars=1, edges=(4, 27)), picture[:, ::2, ::2]


@pytest.fixture(scope="module")
def reference() -> tuple[np.ndarray, metrics.LoopFeatures, np.ndarray]:
    return measure(bars(100, 1))


@pytest.fixture(scope="module")
def innocent() -> np.ndarray:
    return bars(100, 2)


def score(reference: tuple[np.ndarray, metrics.LoopFeatures, np.ndarray], x: np.ndarray) -> dict[str, float]:
    embedding, features, _ = measure(x)
    values = {"kad": metrics.kad(reference[0], embedding), "coverage": metrics.density_coverage(reference[0], embedding)[1]}
    return values | metrics.compare_loops(reference[1], features) | metrics.summarise(features)


def noisy(x: np.ndarray) -> np.ndarray:
    return (x + 0.03 * np.random.default_rng(0).normal(size=x.shape)).astype(np.float32)


def dull(x: np.ndarray) -> np.ndarray:
    spectrum = np.fft.rfft(x)
    spectrum[:, 4000:] = 0  # above 2 kHz
    return np.fft.irfft(spectrum, N).astype(np.float32)


def late(x: np.ndarray) -> np.ndarray:
    return np.roll(x, STEP, axis=1)


def gapped(x: np.ndarray) -> np.ndarray:
    out = x.copy()
    out[:, -1280:] = 0
    return out


@pytest.mark.parametrize("spoil", [noisy, dull])
def test_a_change_of_sound_is_seen_by_the_judge(
    spoil: Callable[[np.ndarray], np.ndarray],
    reference: tuple[np.ndarray, metrics.LoopFeatures, np.ndarray],
    innocent: np.ndarray,
) -> None:
    good, bad = score(reference, innocent), score(reference, spoil(innocent))
    assert good["kad"] < 3 < 10 < bad["kad"]
    assert good["coverage"] > 0.85 > 0.6 > bad["coverage"]


def test_a_sixteenth_late_is_seen_by_the_onset_histogram_alone(
    reference: tuple[np.ndarray, metrics.LoopFeatures, np.ndarray], innocent: np.ndarray
) -> None:
    good, bad = score(reference, innocent), score(reference, late(innocent))
    assert bad["kad"] == pytest.approx(good["kad"], abs=0.01)
    assert bad["coverage"] == good["coverage"]
    assert good["onset_jsd"] < 0.02
    assert bad["onset_jsd"] > 0.05


def test_the_gap_at_the_end_is_seen_at_the_seam(
    reference: tuple[np.ndarray, metrics.LoopFeatures, np.ndarray], innocent: np.ndarray
) -> None:
    good, bad = score(reference, innocent), score(reference, gapped(innocent))
    assert good["ks_end_db"] < 0.3 < 0.95 < bad["ks_end_db"]
    assert good["onset_jsd"] < 0.02
    assert bad["onset_jsd"] < 0.05  # rhythm is as it was


def test_collapse_is_seen_by_coverage(
    reference: tuple[np.ndarray, metrics.LoopFeatures, np.ndarray], innocent: np.ndarray
) -> None:
    assert score(reference, np.repeat(innocent[:4], 25, axis=0))["coverage"] < 0.4


def test_copies_are_seen_by_novelty_alone(reference: tuple[np.ndarray, metrics.LoopFeatures, np.ndarray]) -> None:
    training = bars(100, 3)
    copies = 0.6 * np.roll(training[:50], 7 * 125 * 2, axis=1)
    library, held = measure(training)[2], reference[2]
    assert metrics.novelty(library, held, measure(copies)[2]).copied == 1.0
    assert metrics.novelty(library, held, measure(bars(50, 4))[2]).copied < 0.1
    assert score(reference, training[:50])["kad"] < 3  # the judge likes copies very much


RATE = 44_100
LENGTH = 2 * RATE
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 7, 12))


def tonal_bar(rng: np.random.Generator, *, cents: float = 0.0, half_cents: float = 0.0, stray: bool = False) -> np.ndarray:
    """A chord struck eight times, harmonics 1 to 8; `half_cents`: the second half by so much higher; `stray`: one partial in
    three 35 cents up.
    """
    root, chord = int(rng.integers(48, 66)), CHORDS[int(rng.integers(len(CHORDS)))]
    out, t = np.zeros(LENGTH), np.arange(LENGTH // 8) / RATE
    for hit in range(8):
        level = rng.uniform(0.5, 1)
        for step in chord:
            note = 440 * 2 ** ((root + step - 69 + (cents + half_cents * (hit >= 4)) / 100) / 12)
            for h in range(1, 9):
                hz = h * note * 2 ** (35 / 1200 if stray and (h + step) % 3 == 0 else 0)
                out[hit * len(t) :][: len(t)] += 0.05 * level / h * np.sin(2 * np.pi * hz * t) * np.exp(-4 * t)
    return out


def posteriors_of(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A stand-in for a transcriber: the loudest three semitones of each frame's constant-Q, folded to one octave."""
    rows = ConstantQ(frames_per_bar=128)(x, RATE)[:, 1 : 1 + 3 * 88].reshape(len(x), -1, 3, 128)
    semitones = np.zeros((len(x), 88, 128))
    semitones[:, : rows.shape[1]] = rows.max(axis=2)
    low = semitones[:, :55]  # the fundamentals, below E5
    notes = np.zeros((len(x), 128, 88), np.float32)
    best = np.argsort(-low, axis=1)[:, :3]
    np.put_along_axis(notes, best.transpose(0, 2, 1), 0.9, axis=2)
    return notes, notes


def tonal(count: int, seed: int, **fault: float) -> tuple[np.ndarray, metrics.MusicalFeatures]:
    rng = np.random.default_rng(seed)
    x = np.stack([tonal_bar(rng, **fault) for _ in range(count)]).astype(np.float32)  # type: ignore[arg-type]
    picture = LogMel(LOOP16)(torch.from_numpy(resample_circle(x, N))).numpy()
    bands = picture.reshape(count, 16, 4, -1).mean(axis=2)
    embedding = np.concatenate([bands.mean(axis=2), bands.std(axis=2)], axis=1)
    return embedding, metrics.musical_features(x, RATE, 1, posteriors=posteriors_of(x))


@pytest.fixture(scope="module")
def tuned() -> tuple[np.ndarray, metrics.MusicalFeatures]:
    return tonal(24, 1)


@pytest.fixture(scope="module")
def unspoiled() -> tuple[np.ndarray, metrics.MusicalFeatures]:
    return tonal(24, 2)


@pytest.mark.parametrize(
    ("fault", "sees"),
    [({"cents": 35.0}, "ks_tuning_offset"), ({"stray": True}, "ks_tuning_r"), ({"half_cents": 100.0}, "ks_entropy")],
)
def test_faults_of_pitch_are_heard_by_pitch_and_hardly_by_bands(
    fault: dict[str, float],
    sees: str,
    tuned: tuple[np.ndarray, metrics.MusicalFeatures],
    unspoiled: tuple[np.ndarray, metrics.MusicalFeatures],
) -> None:
    bad = tonal(24, 2, **fault)
    assert metrics.compare_music(tuned[1], unspoiled[1])[sees] < 0.4
    assert metrics.compare_music(tuned[1], bad[1])[sees] > 0.7
    assert abs(metrics.kad(tuned[0], bad[0]) - metrics.kad(tuned[0], unspoiled[0])) < 3


def test_a_blur_is_heard_by_punch() -> None:
    """20 ms of noise with a flat spectrum, convolved: the same spectrum, attacks spread."""
    rng = np.random.default_rng(5)
    sharp = np.stack([resample_circle(bar, LENGTH) for bar in bars(30, 6)])
    kernel = np.zeros(LENGTH)
    kernel[: RATE // 50] = rng.normal(size=RATE // 50) * np.hanning(RATE // 50)
    flat = np.fft.rfft(kernel)
    blurred = np.fft.irfft(np.fft.rfft(sharp) * flat / np.abs(flat), LENGTH)
    found = metrics.compare_music(*(metrics.musical_features(x.astype(np.float32), RATE, 1) for x in (sharp, blurred)))
    assert found["ks_attack_db"] > 0.8
    assert found["ks_level_db"] < 0.1


def test_the_example_in_the_docs_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    assert examples
    for example in examples:
        exec(compile(example, "docs/metrics.md", "exec"), {})
