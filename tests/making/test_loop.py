"""A finished loop: words, level, seam, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import loopwright
from loopwright.audio.loudness import level_to, limit_peaks, loudness_lufs
from loopwright.audio.seam import click_ratio, rest_at_seam
from loopwright.making.loop import WORDS, Loop, step_word, word_for


def test_words_are_different_for_every_seed() -> None:
    assert word_for(0) == "bababa"
    assert len({word_for(s) for s in range(20_000)}) == 20_000
    assert word_for(WORDS) != word_for(0)
    assert all(w.isalpha() for w in (word_for(s) for s in (0, 1, WORDS + 5, 2**32 - 1)))


def test_loudness_of_a_full_scale_997_hz_sine_is_the_published_one() -> None:
    """ITU-R BS.1770: a 0 dBFS 997 Hz sine on one channel reads -3.01 LUFS."""
    t = np.arange(48000) / 48000
    assert loudness_lufs(np.sin(2 * np.pi * 997 * t).astype(np.float32), 48000) == pytest.approx(-3.01, abs=0.02)


def test_levelling_reaches_the_loudness_and_keeps_the_peak() -> None:
    t = np.arange(44100) / 44100
    tone = (0.01 * np.sin(2 * np.pi * 997 * t)).astype(np.float32)
    assert loudness_lufs(level_to(tone, 44100), 44100) == pytest.approx(-18.0, abs=0.01)
    click = np.zeros(44100, np.float32)
    click[100] = 0.5
    assert np.abs(level_to(click, 44100)).max() == pytest.approx(10 ** (-0.5 / 20), rel=1e-5)
    silence = np.zeros(100, np.float32)
    assert level_to(silence, 44100) is silence


def test_the_limiter_goes_round_the_circle() -> None:
    rng = np.random.default_rng(0)
    loop = (0.1 * rng.standard_normal(22_050)).astype(np.float32)
    loop[[0, 5_000, 22_049]] = (2.0, -1.5, 1.8)
    limited = limit_peaks(loop, 44_100, 0.9)
    assert np.abs(limited).max() == pytest.approx(0.9, rel=1e-6)
    assert np.array_equal(limited[6_000:20_000], loop[6_000:20_000])  # far from a peak nothing changes
    np.testing.assert_allclose(limit_peaks(np.roll(loop, 777), 44_100, 0.9), np.roll(limited, 777), atol=1e-6)


def test_a_file_does_not_begin_in_an_attack() -> None:
    t = np.arange(44_100) / 44_100
    calm = (0.3 * np.sin(2 * np.pi * 50 * t)).astype(np.float32)
    assert rest_at_seam(calm, 44_100) is calm
    attack = calm.copy()
    attack[:3] += np.array([0.5, 0.4, 0.2], np.float32)  # the largest step is now the one over the seam
    turned = rest_at_seam(attack, 44_100)
    assert click_ratio(attack) > 1 > click_ratio(turned)
    shift = int(np.flatnonzero([np.array_equal(np.roll(attack, k), turned) for k in range(-12, 13)])[0]) - 12
    assert 0 < abs(shift) <= 11


def test_a_slow_rise_over_the_seam_is_left_behind() -> None:
    """Seed 20 of the bundled `synth` at 95 BPM: every step within a quarter of a millisecond is among the largest."""
    t = np.arange(88_200)
    loop = (0.01 * np.sin(2 * np.pi * 50 * t / 44_100)).astype(np.float32)
    rise = np.minimum(np.arange(88_200) + 30, 60) * 0.02  # 60 large steps, 30 on each side of the seam, then a slow fall
    rise[-30:] = np.arange(30) * 0.02
    loop += (rise - 1.2 * np.clip((t - 1000) / 80_000, 0, 1) * (t < 88_170)).astype(np.float32)
    loop[0] += 0.005
    turned = rest_at_seam(loop, 44_100)
    assert click_ratio(loop) > 1 > click_ratio(turned)
    shift = int(np.flatnonzero([np.array_equal(np.roll(loop, k), turned) for k in range(-177, 178)])[0]) - 177
    assert 11 < abs(shift) <= 176


def test_spiky_and_smooth_loops_come_out_alike() -> None:
    """Loudness within 3 dB of each other: what a drummer plays is spikier than a pad."""
    t = np.arange(88_200) / 44_100
    pad = (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    hits = (np.exp(-((t % 0.25) / 0.03)) * np.random.default_rng(0).standard_normal(len(t))).astype(np.float32)
    levels = [loudness_lufs(level_to(loop, 44_100), 44_100) for loop in (pad, hits)]
    assert max(levels) - min(levels) < 3.0
    assert levels[0] == pytest.approx(-18.0, abs=0.05)


def test_the_python_api(model_file: Path, tmp_path: Path) -> None:
    loops = loopwright.load(str(model_file)).generate(seeds=range(2), bpm=124)
    assert all(isinstance(loop, Loop) for loop in loops)
    assert len(loops[0].tile(3)) == 3 * len(loops[0].samples)
    path = loops[0].save(tmp_path)
    assert path == tmp_path / f"{loops[0].name}.wav"
    assert loops[0].spectrogram_png().startswith(b"\x89PNG")
    html = loops[0]._repr_html_()
    assert "<audio controls loop" in html
    assert "data:image/png;base64," in html


def test_files_of_a_walk_sort_in_its_order() -> None:
    words = [f"{step_word(i)}-bababa" for i in range(256)]
    assert words[:2] == ["a-bababa", "b-bababa"]
    assert words == sorted(set(words))
    assert all(step_word(i).isalpha() for i in range(256)), "digits in a name mean the tempo"
