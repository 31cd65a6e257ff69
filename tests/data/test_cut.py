"""Cutting: every row is a circle, attacks survive, and seamless loops are not touched."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.audio.seam import click_ratio
from loopwright.data.cut import cut_circle, cut_loop, join_ends

RATE = 44_100
rng = np.random.default_rng(0)


def test_a_seamless_loop_is_not_touched() -> None:
    at_the_top = np.cos(2 * np.pi * 100 * np.arange(RATE) / RATE).astype(np.float32)
    assert np.array_equal(join_ends(at_the_top, RATE), at_the_top)
    assert np.array_equal(cut_loop(at_the_top, 1, RATE)[0], at_the_top)


def test_a_steep_but_seamless_place_is_turned_away_from_or_hardly_changed() -> None:
    noise = rng.standard_normal(RATE).astype(np.float32)
    noise[0], noise[-1] = 1.6, -1.6  # large for noise, but no click
    turned = join_ends(noise, RATE)
    assert any(np.array_equal(turned, np.roll(noise, k)) for k in range(-11, 12) if k)
    assert click_ratio(turned) < 0.4
    low = np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE).astype(np.float32)  # as steep within a quarter millisecond
    assert np.max(np.abs(join_ends(low, RATE) - low)) < 0.01


def test_channels_are_not_turned_apart() -> None:
    noise = rng.standard_normal((RATE, 2)).astype(np.float32)
    noise[0, 0], noise[-1, 0] = 1.6, -1.6  # alone, this channel would be turned
    joined = join_ends(noise, RATE)
    width = round(0.004 * RATE)
    assert np.array_equal(joined[width:-width], noise[width:-width])
    assert click_ratio(joined[:, 0]) < 0.4
    rows = cut_loop(noise, 3, RATE)
    assert all(np.array_equal(row[width:-2000], noise[i * RATE // 3 :][width : RATE // 3 - 2000]) for i, row in enumerate(rows))
    assert max(click_ratio(row[:, c]) for row in rows for c in range(2)) < 0.4


def test_a_step_at_the_seam_is_spread_over_four_milliseconds() -> None:
    x = np.sin(2 * np.pi * 100.25 * np.arange(RATE) / RATE).astype(np.float32)  # ends a quarter of a turn off: step 1
    assert click_ratio(x) > 10
    y = join_ends(x, RATE)
    assert click_ratio(y) < 0.4
    width = round(0.004 * RATE)
    assert np.array_equal(y[width:-width], x[width:-width])
    assert np.max(np.abs(np.diff(y))) < 1.5 * np.max(np.abs(np.diff(x)))  # no new click where the halves end


@pytest.mark.parametrize("n_rows", [1, 2, 3, 4])
def test_rows_of_noise_with_drifting_level_wrap_like_any_other_place(n_rows: int) -> None:
    x = (rng.standard_normal(3 * RATE) * np.linspace(0.1, 1, 3 * RATE)).astype(np.float32)
    rows = cut_loop(np.cumsum(x).astype(np.float32), n_rows, RATE)
    assert sum(len(row) for row in rows) == len(x)
    assert all(click_ratio(row) < 0.4 for row in rows)


def test_the_row_ends_with_what_came_before_its_start() -> None:
    """Across the wrap the recording just before the start goes on: sample for sample at the very end."""
    x = rng.standard_normal(4000).astype(np.float32)
    x[1999:2001] = 0.5  # meets exactly, so nothing is left to mend
    row = cut_circle(x, 2000, 1500, 8000)
    fade = round(8000 * 1024 / 48_000)
    assert row[-1] == pytest.approx(x[1999], abs=0.05)
    assert np.array_equal(row[40 : 1500 - fade - 40], x[2040 : 3460 - fade])


def test_the_attack_on_the_downbeat_is_kept_whole() -> None:
    x = np.zeros(4 * RATE, dtype=np.float32)
    hit = (np.exp(-np.arange(2000) / 300) * np.sin(np.arange(2000) * 0.3)).astype(np.float32)
    for beat in range(8):
        x[beat * RATE // 2 : beat * RATE // 2 + 2000] += hit
    for row in cut_loop(x, 2, RATE):
        assert np.max(np.abs(row[:2000] - hit)) < 1e-3


def test_nothing_before_the_start_means_silence_before_it() -> None:
    x = rng.standard_normal(3000).astype(np.float32)
    assert abs(cut_circle(x, 0, 2000, 8000)[-1]) < 0.5
