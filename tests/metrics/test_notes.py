"""Notes heard against notes played: counts by hand, mir_eval, and the circle."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.errors import InputError
from loopwright.metrics import match_notes, note_scores


def test_counts_by_hand() -> None:
    played = [[0.0, 0.5, 60], [0.5, 0.5, 60], [0.5, 0.5, 64]]
    assert match_notes(played, played, length_s=2.0) == 3
    assert match_notes(played, [[0.5, 0.1, 61]], length_s=2.0) == 0  # another pitch
    assert match_notes(played, [[0.04, 0.1, 60], [0.06, 0.1, 60]], length_s=2.0) == 1  # one is too late for a pair
    assert match_notes(played, [[1.96, 0.1, 60]], length_s=2.0) == 1  # over the seam
    assert match_notes(played, [[1.96, 0.1, 60]], length_s=4.0) == 0
    assert match_notes([], played, length_s=2.0) == 0
    assert match_notes(played, np.zeros((0, 4)), length_s=2.0) == 0


def test_as_many_pairs_as_possible_are_made() -> None:
    """The nearest note first would leave one alone: 0.00-0.04 must be paired, and 0.05-0.08."""
    assert match_notes([[0.0, 1, 60], [0.05, 1, 60]], [[0.04, 1, 60], [0.08, 1, 60]], length_s=2.0) == 2
    assert match_notes([[0.05, 1, 60], [0.0, 1, 60]], [[0.04, 1, 60], [0.08, 1, 60]], length_s=2.0) == 2


def some_notes(rng: np.random.Generator, count: int) -> np.ndarray:
    """Crowded, so that pairs compete; away from the seam."""
    return np.stack([rng.uniform(0.2, 1.0, count), rng.uniform(0.05, 0.5, count), rng.integers(60, 63, count)], axis=1)


def test_scores_are_mir_evals() -> None:
    """Oracle: mir_eval on the same notes, which knows no circle, hence away from the seam."""
    transcription = pytest.importorskip("mir_eval.transcription", reason="mir_eval is not installed (extra dev)")
    rng = np.random.default_rng(0)
    for _ in range(20):
        played, heard = some_notes(rng, int(rng.integers(1, 40))), some_notes(rng, int(rng.integers(1, 40)))
        counts = match_notes(played, heard, length_s=2.0), len(played), len(heard)

        def intervals(notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return np.stack([notes[:, 0], notes[:, 0] + notes[:, 1]], axis=1), 440.0 * 2 ** ((notes[:, 2] - 69) / 12)

        want = transcription.precision_recall_f1_overlap(*intervals(played), *intervals(heard), offset_ratio=None)
        assert note_scores(counts) == pytest.approx(want[:3], abs=1e-12)


def test_time_goes_round() -> None:
    rng = np.random.default_rng(1)
    played, heard = some_notes(rng, 30), some_notes(rng, 25)
    straight = match_notes(played, heard, length_s=2.0)
    assert straight > 5
    for turn in (0.7, 1.2, 1.5):
        rolled = [(notes + np.array([turn, 0, 0])) % [2.0, 9.0, 200.0] for notes in (played, heard)]
        assert match_notes(*rolled, length_s=2.0) == straight


def test_loops_are_counted_together() -> None:
    got = note_scores([[1, 2, 4], [3, 3, 4]])
    assert got == pytest.approx((4 / 8, 4 / 5, 8 / 13))
    assert note_scores([[0, 0, 0]]) == (0.0, 0.0, 0.0)
    assert note_scores([[0, 0, 2]]) == (0.0, 0.0, 0.0)


def test_what_is_no_notes_is_refused() -> None:
    with pytest.raises(InputError, match="rows of start, length and MIDI note"):
        match_notes([[0.0, 1.0]], [[0.0, 1.0, 60]], length_s=2.0)
    with pytest.raises(InputError, match="rows of start"):
        match_notes([[0.0, 1.0, np.nan]], [[0.0, 1.0, 60]], length_s=2.0)
