"""Scores from notes and notes from scores, round the circle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.audio.pitchgrid import PitchGrid
from loopwright.audio.score import into_range, notes_of_score, score_of_notes
from loopwright.errors import InputError

GRID = PitchGrid()
TUNE = np.array([[0.0, 0.25, 60, 1.0], [0.5, 0.25, 64, 0.5], [1.0, 0.5, 40, 0.7], [1.75, 0.5, 67, 0.8]])


def test_a_note_covers_its_frames_by_their_share() -> None:
    """Ten frames in 1 s. From 0.23 to 0.57 s: frames 2 (0.15 to 0.25 s) to 6 (0.55 to 0.65 s) by hand."""
    score = score_of_notes([[0.23, 0.34, 24, 0.5]], GRID, frames=10, length_s=1.0)
    np.testing.assert_allclose(score[0], 0.5 * np.array([0, 0, 0.2, 1, 1, 1, 0.2, 0, 0, 0]), atol=1e-6)
    assert not score[1:].any()


def test_notes_go_over_the_seam_or_all_round_and_none_is_lost() -> None:
    score = score_of_notes([[0.9, 0.2, 60, 1], [0.3, 5.0, 62, 1], [0.5, 0.0, 64, 1]], GRID, frames=20, length_s=1.0)
    np.testing.assert_allclose(score[36, [17, 18, 19, 0, 1, 2, 3]], [0, 0.5, 1, 1, 1, 0.5, 0], atol=1e-5)
    np.testing.assert_allclose(score[38], 1.0)
    assert score[40].sum() == pytest.approx(1.0)


@settings(max_examples=20, deadline=None)
@given(shift=st.integers(0, 255))
def test_notes_come_back_wherever_the_circle_is_entered(shift: int) -> None:
    turned = TUNE.copy()
    turned[:, 0] = (turned[:, 0] + shift / 128) % 2
    got = notes_of_score(0.3 * score_of_notes(turned, GRID, frames=256, length_s=2.0), GRID, length_s=2.0)
    want = turned[turned[:, 0].argsort()]
    distance = (got[:, 0] - want[:, 0] + 1) % 2 - 1 if len(got) == len(want) else np.array([np.inf])
    np.testing.assert_allclose(distance, 0, atol=1.01 / 128)
    np.testing.assert_allclose(got[:, 1], want[:, 1], atol=2.01 / 128)
    assert got[:, 2].tolist() == want[:, 2].tolist()
    np.testing.assert_allclose(got[:, 3], want[:, 3], atol=1e-3)


def test_a_pitch_struck_again_is_two_notes_and_one_held_is_one() -> None:
    decay = np.exp(-np.arange(32) / 16)
    score = np.zeros((73, 128))
    score[10, 20:52], score[10, 52:84] = decay, decay
    score[30] = 0.9
    got = notes_of_score(score, GRID, length_s=2.0)
    assert got[:, 2].tolist() == [54, 34, 34]
    np.testing.assert_allclose(got[:, 0], [0, 20 / 64, 52 / 64])
    assert got[0, 1] == 2.0


def test_silence_holds_no_notes_and_a_tune_of_none_is_silence() -> None:
    assert notes_of_score(np.zeros((73, 64)), GRID, length_s=2.0).shape == (0, 4)
    assert not score_of_notes([], GRID, frames=64, length_s=2.0).any()


def test_notes_outside_move_by_octaves_or_are_refused() -> None:
    tune = [[0, 1, 12, 1], [0, 1, 23, 1], [0, 1, 60, 1], [0, 1, 97, 1], [0, 1, 127, 1]]
    moved, count = into_range(tune, GRID)
    assert moved[:, 2].tolist() == [24, 35, 60, 85, 91]
    assert count == 4
    with pytest.raises(InputError, match="MIDI note 12 is outside this model's 24 to 96"):
        score_of_notes(tune, GRID, frames=64, length_s=2.0)
    with pytest.raises(InputError, match="rows of start, length, MIDI note and velocity"):
        score_of_notes([[1, 2, 3]], GRID, frames=64, length_s=2.0)
