"""Re-timed frames: hits on the grid, rings at their own speed, held sounds evenly."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.audio.retime import hits, retimed_places

T, BANDS = 256, 12


def struck(at: list[int], fall: float) -> np.ndarray:
    """Hits that fall by `fall` decades a frame from 0.5 to silence; the spectrum is flat. (M, T)."""
    since = np.min([(np.arange(T) - hit) % T for hit in at], axis=0)
    return np.tile(np.maximum(0.5 - fall * since, -5.0), (BANDS, 1)).astype(np.float32)


@pytest.mark.parametrize("frames", [160, 233, 300, 400])
@pytest.mark.parametrize("fall", [0.1, 0.005])
def test_hits_stay_on_the_grid_and_frames_go_round_once(frames: int, fall: float) -> None:
    at = [0, 40, 64, 150, 192]
    log_mel = struck(at, fall)
    places = retimed_places(log_mel, frames)
    assert places.shape == (frames,)
    assert places.min() >= 0
    assert places.max() < T
    steps = np.diff(places, append=places[0]) % T
    assert steps.sum() == pytest.approx(T)
    assert steps.max() < 40
    if fall == 0.1:
        assert hits(log_mel).tolist() == at
    for hit in at:
        new = round(hit * frames / T) % frames
        assert abs((places[new] - hit + T / 2) % T - T / 2) <= T / frames


@pytest.mark.parametrize("frames", [200, 340])
def test_a_dying_sound_keeps_its_speed_and_a_held_one_is_stretched_evenly(frames: int) -> None:
    steps = np.diff(retimed_places(struck([0, 128], 0.1), frames))
    assert np.median(steps[4:40]) == pytest.approx(1.0)
    held = np.diff(retimed_places(struck([0, 128], 0.001), frames))
    np.testing.assert_allclose(held, T / frames, rtol=1e-6)


def test_without_hits_or_change_it_is_linear() -> None:
    flat = np.full((BANDS, T), -1.0, dtype=np.float32)
    np.testing.assert_allclose(retimed_places(flat, 300), np.arange(300) * T / 300)
    np.testing.assert_array_equal(retimed_places(struck([0, 64], 0.1), T), np.arange(T))
