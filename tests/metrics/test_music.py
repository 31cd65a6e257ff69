"""The musical features together: joining, summing up, comparing; what does not apply is NaN and is said."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from loopwright import metrics
from loopwright.errors import InputError
from loopwright.metrics.music import MEASURES

RATE, N = 44_100, 88_200


def loops(count: int, seed: int) -> np.ndarray:
    """A chord under some hits."""
    rng = np.random.default_rng(seed)
    t = np.arange(N) / RATE
    out = np.zeros((count, N))
    for x in out:
        for hz in rng.choice([220.0, 261.5, 330.0, 440.0, 523.5], 2, replace=False):
            x += 0.2 * np.sin(2 * np.pi * hz * t)
        for step in rng.choice(16, 6, replace=False):
            x += rng.uniform(0.2, 0.8) * np.roll(rng.normal(size=N) * np.exp(-t / 0.01), step * N // 16)
    return (0.3 * rng.uniform(0.3, 1, (count, 1)) * out).astype(np.float32)


def posteriors(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    notes, onsets = (np.full((count, 172, 88), 0.1, np.float32) for _ in range(2))
    for i in range(count):
        for at in (0, 40, 80):
            pitch = rng.integers(20, 60)
            notes[i, at : at + rng.integers(10, 60), pitch] = 0.8
            onsets[i, at, pitch] = 0.8
    return notes, onsets


def test_features_are_those_of_the_single_measures() -> None:
    x, heard = loops(3, 0), posteriors(3, 0)
    got = metrics.musical_features(x, RATE, 1, posteriors=heard)
    assert len(got) == 3
    np.testing.assert_array_equal(got.tuning_r, metrics.tuning(x, RATE).r)
    np.testing.assert_array_equal(got.rise_db, metrics.punch_features(x, RATE).rise_db)
    np.testing.assert_array_equal(got.swing, metrics.pattern_features(x, RATE).swing)
    np.testing.assert_array_equal(got.struck, metrics.heard(*heard, bars_heard=172 * 256 / 22_050 / 2).onsets)
    np.testing.assert_array_equal(got.struck, 3 / (172 * 256 / 22_050 / 2))
    assert got.key_names == metrics.key(heard[0]).names


def test_batches_and_order_change_nothing() -> None:
    x, heard = loops(70, 1), posteriors(70, 1)
    whole = metrics.musical_features(x, RATE, 1, posteriors=heard)
    parts = [metrics.musical_features(x[i : i + 9], RATE, 1, posteriors=[p[i : i + 9] for p in heard]) for i in range(0, 70, 9)]
    joined = metrics.MusicalFeatures.join(parts)
    order = np.random.default_rng(0).permutation(70)
    other = metrics.musical_features(x[order], RATE, 1, posteriors=[p[order] for p in heard])
    for name in (*MEASURES, "key", "key_fits"):
        np.testing.assert_allclose(getattr(joined, name), getattr(whole, name), rtol=1e-6, err_msg=name)
        np.testing.assert_allclose(getattr(other, name), getattr(whole[order], name), rtol=1e-6, err_msg=name)


def test_without_a_transcriber_notes_do_not_apply_and_the_rest_does() -> None:
    got = metrics.musical_features(loops(2, 2), RATE, 1)
    for name in ("note_share", "notes", "peak", "struck", "in_key", "entropy"):
        assert np.isnan(getattr(got, name)).all(), name
    assert got.key.tolist() == [-1, -1]
    assert np.isfinite(got.tuning_r).all()
    assert np.isnan(metrics.summarise_music(got)["loops_with_notes"])


def test_a_loop_without_notes_has_no_tuning() -> None:
    notes, onsets = posteriors(3, 3)
    notes[1] = 0.2
    got = metrics.musical_features(loops(3, 3), RATE, 1, posteriors=(notes, onsets))
    assert np.isnan(got.tuning_r).tolist() == [False, True, False]
    assert got.note_share[1] == 0
    assert np.isnan(got.in_key[1])
    summary = metrics.summarise_music(got)
    assert summary["loops_with_notes"] == pytest.approx(2 / 3)
    assert summary["tuning_r"] == np.median(got.tuning_r[[0, 2]])


def test_silence_is_measured_and_said() -> None:
    x = np.concatenate([loops(2, 4), np.zeros((1, N), np.float32)])
    got = metrics.musical_features(x, RATE, 1)
    assert all(np.isnan(getattr(got, name)[2]) for name in MEASURES)
    summary = metrics.summarise_music(got)
    assert summary["silent"] == pytest.approx(1 / 3)
    assert summary["level_db"] == pytest.approx(np.median(got.level_db[:2]))


def test_the_summary_of_known_values() -> None:
    got = metrics.musical_features(loops(40, 5), RATE, 1, posteriors=posteriors(40, 5))
    summary = metrics.summarise_music(got)
    low, high = np.percentile(got.level_db, [10, 90])
    assert summary["level_spread_db"] == pytest.approx(high - low)
    assert summary["cents_off"] == np.median(np.abs(got.tuning_offset))
    assert summary["keys_fitting"] == np.median(got.key_fits)


def test_distances_equal_scipys_and_are_nan_where_nothing_applies() -> None:
    a = metrics.musical_features(loops(30, 6), RATE, 1)
    b = metrics.musical_features(0.3 * loops(25, 7), RATE, 1)
    found = metrics.compare_music(a, b)
    for name in ("rise_db", "level_db", "onsets", "tuning_r"):
        expected = stats.ks_2samp(getattr(a, name), getattr(b, name)).statistic
        assert found[f"ks_{name}"] == pytest.approx(expected), name
    swing = [x.swing[np.isfinite(x.swing)] for x in (a, b)]
    assert found["ks_swing"] == pytest.approx(stats.ks_2samp(*swing).statistic)
    assert np.isnan(found["ks_note_share"])
    assert metrics.compare_music(a, a)["ks_rise_db"] == 0
    assert np.isnan(metrics.compare_music(a, b[np.arange(4)])["ks_rise_db"])  # four loops are no distribution


def test_a_set_without_notes_is_not_in_tune_like_another() -> None:
    heard = posteriors(10, 8)
    a = metrics.musical_features(loops(10, 8), RATE, 1, posteriors=heard)
    b = metrics.musical_features(loops(10, 9), RATE, 1, posteriors=[0 * p for p in heard])
    found = metrics.compare_music(a, b)
    assert found["ks_note_share"] == 1.0
    assert np.isnan(found["ks_tuning_r"])


def test_mistakes_are_told() -> None:
    x, heard = loops(2, 10), posteriors(2, 10)
    spoiled = x.copy()
    spoiled[0, 3] = np.nan
    with pytest.raises(InputError, match="NaN or infinity"):
        metrics.musical_features(spoiled, RATE, 1)
    with pytest.raises(InputError, match="same 2 loops"):
        metrics.musical_features(x, RATE, 1, posteriors=[p[:1] for p in heard])
    with pytest.raises(InputError, match="same 2 loops"):
        metrics.musical_features(x, RATE, 1, posteriors=heard[:1])
    with pytest.raises(InputError, match="0 bars"):
        metrics.musical_features(x, RATE, 0)
    assert len(metrics.musical_features(x[:0], RATE, 1)) == 0


def test_a_loop_too_short_for_hits_is_measured_as_far_as_it_goes() -> None:
    got = metrics.musical_features(loops(1, 11)[:, :600], RATE, 1)
    assert np.isfinite(got.level_db[0])
    assert np.isnan(got.onsets[0])
