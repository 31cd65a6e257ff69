"""Punch and pattern on clicks, ramps and bursts whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright import metrics
from loopwright.errors import InputError
from loopwright.metrics.pattern import block_power, circular_maximum, find_onsets

RATE, N = 48_000, 96_000
STEP = N // 16


def burst(at: float, *, level: float = 0.5, decay_s: float = 0.02, seed: int = 0) -> np.ndarray:
    """Noise with an instant attack at sample `at`, wrapped round the bar."""
    length = round(6 * decay_s * RATE)
    noise = np.random.default_rng(seed).normal(size=length) * np.exp(-np.arange(length) / (decay_s * RATE))
    out = np.zeros(N)
    np.add.at(out, (round(at) + np.arange(length)) % N, level * noise)
    return out


def bar(places: list[float], *, hiss_db: float = -80, **kw: float) -> np.ndarray:
    """Bursts at places in steps, over a hiss."""
    hiss = 10 ** (hiss_db / 20) * np.random.default_rng(9).normal(size=N)
    return np.asarray(sum((burst(p * STEP, seed=i, **kw) for i, p in enumerate(places)), hiss))


def test_blocks_hold_the_mean_square_at_any_rate() -> None:
    for rate, samples in ((48_000, 96_000), (44_100, 88_200), (44_100, 60_827)):
        x = np.random.default_rng(0).normal(size=(2, samples)).astype(np.float32)
        power = block_power(x, rate)
        assert power.shape == (2, round(samples / rate * 1000))
        edges = np.round(np.arange(power.shape[1] + 1) * samples / power.shape[1]).astype(int)
        plain = [[np.mean(row[a:b].astype(float) ** 2) for a, b in zip(edges, edges[1:], strict=False)] for row in x]
        np.testing.assert_allclose(power, plain, rtol=1e-4)


def test_the_circular_maximum_is_the_plain_one() -> None:
    x = np.random.default_rng(0).normal(size=(3, 50))
    for reach in (0, 1, 2, 7, 24):
        plain = np.max([np.roll(x, i, axis=1) for i in range(-reach, reach + 1)], axis=0)
        np.testing.assert_array_equal(circular_maximum(x, reach), plain)


def test_the_rise_of_a_ramp_is_its_slope() -> None:
    """A level that climbs 2 dB a millisecond for 20 ms rises 10 dB in 5 ms, wherever one looks."""
    ramp = 2.0 * np.clip(np.arange(2000) - 1000, 0, 20) - 60
    x = np.repeat(10 ** (ramp / 20), 48) * np.tile([1.0, -1.0], N // 2)
    found = metrics.punch_features(x[None], RATE)
    # 15 blocks rise by the whole 10 dB; the sixteenth, one block late, by 8
    assert found.rise_db[0] == pytest.approx((15 * 10 + 8 + 0) / 16, abs=0.2)


def test_a_step_in_level_rises_by_the_step() -> None:
    """5 blocks see a step of 30 dB; the places in between see nothing. 20 ms apart there is one attack, and it is whole."""
    level = np.where(np.arange(2000) < 1000, -40.0, -10.0)
    x = np.repeat(10 ** (level / 20), 48) * np.tile([1.0, -1.0], N // 2)
    found = metrics.punch_features(x[None], RATE)
    assert found.rise_db[0] == pytest.approx(5 * 30 / 16, abs=0.01)
    assert found.crest_db[0] == pytest.approx(-10 - 10 * np.log10((1e-4 + 1e-1) / 2), abs=0.01)
    assert found.level_db[0] == pytest.approx(10 * np.log10((1e-4 + 1e-1) / 2), abs=0.01)


def test_crest_of_a_sine_is_3_db() -> None:
    x = 0.5 * np.sin(2 * np.pi * 100 * np.arange(N) / RATE)
    assert metrics.punch_features(x[None], RATE).crest_db[0] == pytest.approx(3.01, abs=0.01)


def test_a_blur_takes_the_rise() -> None:
    x = bar([0, 4, 8, 12], hiss_db=-50)
    kernel = np.zeros(N)
    kernel[np.arange(-480, 480)] = 1 / 960  # 20 ms, centred
    soft = np.sign(x) * np.sqrt(np.maximum(np.fft.irfft(np.fft.rfft(x**2) * np.fft.rfft(kernel), N), 0))
    found = metrics.punch_features(np.stack([x, soft]), RATE)
    assert found.rise_db[0] > found.rise_db[1] + 5
    assert found.attack_db[0] > found.attack_db[1] + 3


def test_sound_before_a_hit_is_measured_against_the_hit() -> None:
    """Square pulses whose level is known: the hit at 0 dB, the 12 ms ahead of it at -20, -25 or next to nothing."""
    for ahead_db in (-20.0, -25.0, -60.0):
        level = np.full(2000, -70.0)
        for at in (300, 900, 1500):
            level[at - 12 : at] = ahead_db
            level[at : at + 40] = 0.0
        x = 0.5 * np.repeat(10 ** (level / 20), 48) * np.tile([1.0, -1.0], N // 2)
        assert metrics.punch_features(x[None], RATE).pre_db[0] == pytest.approx(ahead_db, abs=0.1)


def test_early_energy_of_an_exponential_decay_is_its_closed_form() -> None:
    for decay_s in (0.01, 0.05):
        found = metrics.punch_features(bar([1, 5, 9, 13], decay_s=decay_s)[None], RATE)
        expected = (1 - np.exp(-2 * 0.02 / decay_s)) / (1 - np.exp(-2 * 0.08 / decay_s))
        assert found.early[0] == pytest.approx(expected, abs=0.04)


def test_hits_in_a_row_have_no_early_share() -> None:
    close = [i / 2 for i in range(32)]  # every 62 ms: none is alone for 80
    found = metrics.punch_features(bar(close, decay_s=0.005)[None], RATE)
    assert np.isnan(found.early[0])
    assert np.isfinite(found.pre_db[0])


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_onsets_are_found_to_milliseconds_and_over_the_seam(rate: int) -> None:
    places = [0, 2.02, 4, 7, 8, 11.3, 15.99]
    x = bar(places)
    if rate == 44_100:
        from loopwright.audio.resample import resample_circle

        x = resample_circle(x.astype(np.float32), 88_200)
    found = find_onsets(x[None], rate)
    wanted = np.array(places) * 125
    distance = np.abs(found.block[:, None] - wanted[None])
    assert len(found.block) == len(places) - 1  # 15.99 and 0 are 1 ms apart: one hit
    assert np.minimum(distance, 2000 - distance).min(axis=1).max() <= 3


def test_a_hat_is_heard_over_a_kick() -> None:
    kick = np.sin(2 * np.pi * 50 * np.arange(N) / RATE) * np.exp(-np.arange(N) / (0.3 * RATE))
    hat = 0.02 * np.diff(burst(2 * STEP, level=1.0), prepend=0.0)
    found = find_onsets((kick + hat)[None], RATE)
    assert np.abs(found.block - 250).min() <= 1


def test_pattern_of_a_straight_bar_and_of_late_hits() -> None:
    straight, late = bar([0, 3, 4, 6, 8, 11, 12, 14]), bar([0.1, 3.1, 4.1, 6.1, 8.1, 11.1, 12.1, 14.1])
    found = metrics.pattern_features(np.stack([straight, late]), RATE)
    np.testing.assert_array_equal(found.onsets, 8)
    np.testing.assert_allclose(found.grid_ms, [0.0, 12.5], atol=0.7)
    np.testing.assert_allclose(found.swing, 50, atol=0.5)


@pytest.mark.parametrize("percent", [50.0, 58.0, 66.7, 45.0])
def test_swing_is_where_the_second_sixteenth_falls(percent: float) -> None:
    places = [p for pair in range(8) for p in (2 * pair, 2 * pair + 2 * percent / 100)]
    assert metrics.pattern_features(bar(places, decay_s=0.008)[None], RATE).swing[0] == pytest.approx(percent, abs=0.6)


def test_two_bars_are_measured_as_one_of_them_twice() -> None:
    x = bar([0, 2.2, 4, 7, 8, 12.3])
    one, two = metrics.pattern_features(x[None], RATE), metrics.pattern_features(np.tile(x, 2)[None], RATE, bars=2)
    np.testing.assert_allclose(np.array(two), np.array(one), rtol=1e-6)
    hits, twice = metrics.punch_features(x[None], RATE), metrics.punch_features(np.tile(x, 2)[None], RATE, bars=2)
    np.testing.assert_allclose(np.array(twice), np.array(hits), rtol=1e-5)


def test_where_the_loop_starts_and_its_level_change_nothing() -> None:
    x = bar([0, 3, 4.1, 8, 11, 14.3])
    found = metrics.punch_features(np.stack([x, np.roll(x, 48 * 333), 0.01 * x]), RATE)
    for name in ("rise_db", "attack_db", "crest_db", "early", "pre_db"):
        np.testing.assert_allclose(getattr(found, name), getattr(found, name)[0], rtol=2e-3, err_msg=name)
    assert found.level_db[2] == pytest.approx(found.level_db[0] - 40, abs=1e-3)


def test_silence_has_no_punch_and_no_pattern() -> None:
    silence = np.zeros((1, N))
    assert all(np.isnan(value).all() for value in metrics.punch_features(silence, RATE))
    assert all(np.isnan(value).all() for value in metrics.pattern_features(silence, RATE))
    steady = np.sin(2 * np.pi * 200 * np.arange(N) / RATE)[None]  # sound without a hit
    found = metrics.punch_features(steady, RATE)
    assert np.isnan(found.early[0])
    assert np.isnan(found.pre_db[0])
    assert np.isfinite(found.rise_db[0])
    assert np.isnan(metrics.pattern_features(steady, RATE).grid_ms[0])


def test_roles_are_counted_stem_by_stem() -> None:
    stems = np.stack([[bar([0, 8]), bar([4, 12, 15]), np.zeros(N)], [bar([1]), np.zeros(N), bar([0, 1, 2, 3])]])
    np.testing.assert_array_equal(metrics.onsets_per_role(stems, RATE), [[2, 3, 0], [1, 0, 4]])
    with pytest.raises(InputError, match="roles"):
        metrics.onsets_per_role(stems[0], RATE)


def test_mistakes_are_told() -> None:
    bad = np.zeros((2, 1000))
    bad[1, 0] = np.nan
    for measure in (metrics.punch_features, metrics.pattern_features):
        with pytest.raises(InputError, match="1 of 2 loops hold NaN"):
            measure(bad, RATE)
    with pytest.raises(InputError, match="too low"):
        block_power(np.zeros((1, 7), np.float32), 300)
