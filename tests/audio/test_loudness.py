"""Loudness of loops that go round for ever."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.audio.loudness import loudness_lufs
from loopwright.audio.resample import fast_length, resample_circle, resample_turn


def plain_loudness(loop: np.ndarray, rate_hz: int) -> float:
    """BS.1770-4 sample by sample, by its coefficients for 48 kHz, over enough turns to settle."""
    assert rate_hz == 48_000
    shelf = ([1.53512485958697, -2.69169618940638, 1.19839281085285], [-1.69065929318241, 0.73248077421585])
    high_pass = ([1.0, -2.0, 1.0], [-1.99004745483398, 0.99007225036621])
    turns = -(-48_000 // len(loop)) + 1
    x = np.tile(loop.astype(np.float64), turns)
    for b, a in (shelf, high_pass):
        y, x1, x2, y1, y2 = np.empty_like(x), 0.0, 0.0, 0.0, 0.0
        for i, now in enumerate(x.tolist()):
            out = b[0] * now + b[1] * x1 + b[2] * x2 - a[0] * y1 - a[1] * y2
            x1, x2, y1, y2, y[i] = now, x1, out, y1, out
        x = y
    return float(-0.691 + 10 * np.log10(np.mean(x[-len(loop) :] ** 2)))


@pytest.mark.parametrize("n", [9973, 24_001, 48_000, 700])  # primes, a round number, and one shorter than the filters ring
def test_it_is_what_the_standards_filters_give_after_many_turns(n: int) -> None:
    rng = np.random.default_rng(n)
    loop = (rng.normal(0, 0.1, n) + 0.3 * np.sin(2 * np.pi * 3 * np.arange(n) / n)).astype(np.float32)
    assert loudness_lufs(loop, 48_000) == pytest.approx(plain_loudness(loop, 48_000), abs=1e-4)


def test_where_a_loop_begins_does_not_matter() -> None:
    loop = np.random.default_rng(0).normal(0, 0.1, 10_007).astype(np.float32)
    loop[:3000] *= 5
    assert loudness_lufs(np.roll(loop, 4321), 44_100) == pytest.approx(loudness_lufs(loop, 44_100), abs=1e-9)


def test_fast_lengths_are_the_least_with_small_factors() -> None:
    smooth = sorted(2**a * 3**b * 5**c for a in range(18) for b in range(12) for c in range(8))
    for n in (1, 2, 7, 97, 1000, 1025, 85_355, 98_585, 131_071):
        assert fast_length(n) == next(x for x in smooth if x >= n)


def test_a_turn_resampled_by_soxr_is_the_exact_circle_but_for_less_than_half_a_sample() -> None:
    t = np.arange(9000) / 9000
    loop = (np.sin(2 * np.pi * 40 * t) + 0.5 * np.cos(2 * np.pi * 301 * t)).astype(np.float32)
    for n in (8269, 9001, 12_000):
        steepest = 2 * np.pi * (40 + 0.5 * 301) / n  # a sample
        np.testing.assert_allclose(resample_turn(loop, n), resample_circle(loop, n), atol=0.5 * steepest)
