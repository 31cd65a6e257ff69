"""Loop metrics on signals whose answer is known: clicks on and off the grid, gaps, rolled copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from loopwright import metrics
from loopwright.audio.mel import LogMel
from loopwright.config import LOOP16
from loopwright.errors import InputError
from loopwright.metrics import loops

N = LOOP16.bar_samples
STEP = N // 16
EDGES = (4, 27)


def hit(at: float, *, low: bool = False, level: float = 1.0) -> np.ndarray:
    """A decaying burst starting at sample `at`, wrapped round the bar."""
    t = np.arange(2400)
    body = (
        np.sin(2 * np.pi * 60 * t / 16000) if low else np.diff(np.random.default_rng(0).normal(size=2404), n=4) / 8
    )  # next to nothing below 2 kHz
    out = np.zeros(N)
    np.add.at(out, (round(at) + t) % N, 0.5 * level * body * np.exp(-t / 500))
    return out


def bar(steps: list[float], **kw: Any) -> np.ndarray:
    return sum((hit(s * STEP, **kw) for s in steps), np.zeros(N))


def measure(*waveforms: np.ndarray, bars: int = 1) -> loops.LoopFeatures:
    x = np.stack(waveforms).astype(np.float32)
    log_mel = LogMel(LOOP16)(torch.from_numpy(x)).numpy()
    return metrics.loop_features(x, log_mel, bars=bars, edges=EDGES)


def test_wrap_jump_is_the_rank_of_the_seam_step() -> None:
    t = np.arange(N)
    periodic = np.sin(2 * np.pi * 110 * t / 16000)  # 220 whole turns: the seam is a step like any other
    broken = np.sin(2 * np.pi * 110.1 * t / 16000)  # 220.2 turns
    ranks = loops.wrap_jump(np.stack([periodic, broken, np.zeros(N), periodic * 1e-3]))
    expected = stats.percentileofscore(np.abs(np.diff(periodic)), abs(periodic[0] - periodic[-1]), kind="mean") / 100
    assert ranks[0] == pytest.approx(expected, abs=1e-12)
    assert ranks[0] < 1.0
    assert ranks[1] == 1.0
    assert ranks[2] == 0.5
    assert ranks[3] == pytest.approx(ranks[0], abs=0.01)  # level is nothing


def test_wrap_jump_of_noise_is_even() -> None:
    """Exchangeable samples: the seam's rank is uniform, by Kolmogorov-Smirnov at 1e-3."""
    ranks = loops.wrap_jump(np.random.default_rng(0).normal(size=(400, 500)))
    assert stats.kstest(ranks, "uniform").pvalue > 1e-3


def test_end_level_sees_the_gap() -> None:
    tone = np.ones((1, N))
    gap = tone.copy()
    gap[:, -1280:] = 0  # the reference's 80 ms
    half = tone.copy()
    half[:, -1000:] = 0.5
    assert loops.end_level(tone)[0] == pytest.approx(0)
    assert loops.end_level(gap)[0] == -120
    assert loops.end_level(half)[0] == pytest.approx(10 * np.log10(0.25 / (1 - 0.75 / 32)), abs=1e-9)
    assert loops.end_level(np.zeros((1, N)))[0] == 0


def test_histograms_put_hits_on_their_steps_and_bands() -> None:
    got = measure(bar([0, 8], low=True) + bar([4, 12], level=0.3))
    low, high = got.steps[0, 0], got.steps[0, 2]
    assert set(np.argsort(low)[-2:]) == {0, 8}
    assert set(np.argsort(high)[-2:]) == {4, 12}
    assert got.steps.sum(axis=2) == pytest.approx(1.0)
    assert low[[0, 8]].sum() > 0.8


def test_a_roll_by_steps_rolls_the_histogram_and_nothing_else() -> None:
    x = bar([0, 3, 6, 10, 12])
    one, two = measure(x), measure(np.roll(x, STEP * 5))
    assert np.roll(one.steps, 5, axis=2) == pytest.approx(two.steps, abs=1e-6)
    for name in ("beat", "half_bar", "grid"):
        assert getattr(one, name) == pytest.approx(getattr(two, name), abs=1e-6)


def test_periodicity_is_one_for_four_on_the_floor_and_low_for_a_single_hit() -> None:
    four, pair, one = measure(bar([0, 4, 8, 12])), measure(bar([0, 1, 8, 9])), measure(bar([0]))
    assert four.beat[0] == pytest.approx(1.0, abs=0.02)
    assert pair.half_bar[0] == pytest.approx(1.0, abs=0.02)
    assert pair.beat[0] < 0.2
    assert abs(one.beat[0]) < 0.1
    assert four.bar[0] == 0.0  # one bar has no bar to repeat


def test_bar_periodicity_of_two_bars() -> None:
    x = np.concatenate([bar([0, 3, 7]), bar([0, 3, 7])])
    y = np.concatenate([bar([0, 3, 7]), bar([1, 5, 14])])
    assert measure(x, bars=2).bar[0] == pytest.approx(1.0, abs=0.02)
    assert measure(y, bars=2).bar[0] < 0.5
    assert measure(x, bars=2).steps[0] == pytest.approx(measure(bar([0, 3, 7])).steps[0], abs=0.02)


def test_grid_sharpness_falls_with_tempo_error_and_jitter() -> None:
    rng = np.random.default_rng(0)
    straight = measure(bar(list(range(0, 16, 2)))).grid[0]
    drift = measure(bar([s * 0.96 for s in range(0, 16, 2)])).grid[0]
    loose = measure(bar([s + 0.5 * rng.uniform(-1, 1) for s in range(0, 16, 2)])).grid[0]
    assert straight > drift + 0.02
    assert drift > loose


def test_seam_flux_is_even_for_four_on_the_floor_and_high_after_a_gap() -> None:
    steady = np.random.default_rng(0).normal(size=N) * 0.1
    gap = steady.copy()
    gap[-1280:] = 0
    four, smooth, broken = measure(bar([0, 4, 8, 12])), measure(steady), measure(gap)
    assert four.seam[0] == pytest.approx(0, abs=0.05)
    assert abs(smooth.seam[0]) < 0.7
    assert broken.seam[0] > smooth.seam[0] + 1.0


def test_silence_is_finite_everywhere() -> None:
    got = measure(np.zeros(N), bar([0]))
    for name in ("wrap", "seam", "end_db", "beat", "half_bar", "bar", "grid", "steps"):
        assert np.isfinite(getattr(got, name)).all(), name
    assert all(np.isfinite(v) for v in metrics.compare_loops(got, got).values())
    assert metrics.compare_loops(got[np.array([1])], got[np.array([0])])["onset_jsd"] == pytest.approx(np.log(2))


def test_compare_and_join() -> None:
    one, two = measure(bar([0, 8]), bar([0, 4])), measure(bar([1, 9]), bar([1, 5]))
    assert set(metrics.compare_loops(one, one).values()) == {0.0}
    assert metrics.compare_loops(one, two)["onset_jsd"] > 0.3  # a sixteenth late
    both = loops.LoopFeatures.join([one, two])
    assert len(both) == 4
    assert both[np.array([2, 3])].steps == pytest.approx(two.steps)
    assert metrics.summarise(both)["beat"] == pytest.approx(np.concatenate([one.beat, two.beat]).mean())


def test_ks_equals_scipys() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=70).round(1), rng.normal(size=45).round(1) + 0.3
    assert loops.kolmogorov_smirnov(a, b) == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-12)


def plain_nearest(training: np.ndarray, query: np.ndarray) -> tuple[float, int, int]:
    """Every item, every roll, one at a time."""
    centre = training.mean(axis=(0, 2))[:, None]
    best = (-2.0, 0, 0)
    for i, item in enumerate(training):
        for roll in range(item.shape[1]):
            a, b = query - centre, np.roll(item - centre, roll, axis=1)
            a, b = a - a.mean(), b - b.mean()
            best = max(best, (float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)), i, roll))
    return best


def test_nearest_equals_the_plain_search_over_every_roll(monkeypatch: pytest.MonkeyPatch) -> None:
    from loopwright.metrics import copies

    monkeypatch.setattr(copies, "_QUERIES", 2)
    monkeypatch.setattr(copies, "_ITEMS", 4)
    rng = np.random.default_rng(0)
    training, queries = rng.normal(size=(9, 5, 12)), rng.normal(size=(5, 5, 12))
    got = metrics.nearest(training, queries)
    for i, query in enumerate(queries):
        similarity, index, roll = plain_nearest(training, query)
        assert (got.item[i], got.roll[i]) == (index, roll)
        assert got.similarity[i] == pytest.approx(similarity, abs=1e-5)


def test_a_rolled_copy_is_found_and_said_to_be_one() -> None:
    rng = np.random.default_rng(0)
    training, held_out = rng.normal(size=(40, 8, 32)), rng.normal(size=(60, 8, 32))
    copies = 0.3 + np.roll(training[[7, 3]], 5, axis=2) + 0.01 * rng.normal(size=(2, 8, 32))
    got = metrics.nearest(training, copies)
    assert got.item.tolist() == [7, 3]
    assert got.roll.tolist() == [5, 5]
    assert (got.similarity > 0.999).all()
    assert metrics.novelty(training, held_out, copies).copied == 1.0
    fresh = metrics.novelty(training, held_out, rng.normal(size=(200, 8, 32)))
    assert fresh.copied < 0.05
    pairs = np.arange(40) // 2
    alone = metrics.nearest(training, training, groups=(pairs, pairs))
    assert (alone.item // 2 != pairs).all()
    assert metrics.nearest(training, training).item.tolist() == list(range(40))


def test_bad_shapes_are_named() -> None:
    x = np.zeros((2, N), np.float32)
    with pytest.raises(InputError, match="do not divide into 16 steps"):
        metrics.loop_features(x, np.zeros((2, 64, 250)), bars=1, edges=EDGES)
    with pytest.raises(InputError, match=r"take \(n, N\) and \(n, M, T\)"):
        metrics.loop_features(x, np.zeros((3, 64, 256)), bars=1, edges=EDGES)
    with pytest.raises(InputError, match="do not split 64 mel bands"):
        metrics.loop_features(x, np.zeros((2, 64, 256)), bars=1, edges=(9, 64))
    with pytest.raises(InputError, match="log-mels of one shape"):
        metrics.nearest(np.zeros((2, 4, 8)), np.zeros((2, 4, 9)))
