"""What synth loops play, against music theory."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.corpus.notes import MAJOR, led, parse_numeral, voicing
from loopwright.corpus.parts import PARTS, note_events, rhythm


@pytest.mark.parametrize(
    ("text", "mode", "root", "intervals"),
    [
        ("I", "major", 0, (0, 4, 7)),
        ("vi", "major", 9, (0, 3, 7)),
        ("VI", "minor", 8, (0, 4, 7)),
        ("iv", "minor", 5, (0, 3, 7)),
        ("ii7", "major", 2, (0, 3, 7, 10)),
        ("Idom7", "major", 0, (0, 4, 7, 10)),
        ("Vsus2", "major", 7, (0, 2, 7)),
        ("bVIIM", "modal", 10, (0, 4, 7)),
        ("bIIM7", "modal", 1, (0, 4, 7, 11)),
        ("Im", "modal", 0, (0, 3, 7)),
        ("viidim", "major", 11, (0, 3, 6)),
    ],
)
def test_roman_numerals(text: str, mode: str, root: int, intervals: tuple[int, ...]) -> None:
    assert parse_numeral(text, mode) == (root, intervals)


@pytest.mark.parametrize("text", ["", "H", "Iwhat", "viii"])
def test_unknown_numerals_are_errors(text: str) -> None:
    with pytest.raises(ValueError, match=r"numeral|quality"):
        parse_numeral(text, "major")


def test_a_voicing_has_the_notes_of_its_chord_above_the_lowest() -> None:
    notes = voicing((7, (0, 4, 7)), 2, 48)  # G over tonic D is A major: A, C sharp, E
    assert {n % 12 for n in notes} == {9, 1, 4}
    assert all(48 <= n < 60 for n in notes)


def test_rhythm_strings() -> None:
    assert rhythm("x---x-..x.......") == [(0.0, 4.0), (4.0, 2.0), (8.0, 1.0)]


@pytest.mark.parametrize("style", list(PARTS))
@pytest.mark.parametrize("bars", [1, 2, 4])
def test_parts_stay_in_the_loop_and_near_the_chord(style: str, bars: int) -> None:
    chords = [(0, (0, 4, 7)), (5, (0, 4, 7))]
    inside = total = 0
    for seed in range(30):
        notes = PARTS[style](np.random.default_rng(seed), chords, 3, MAJOR, bars)
        assert notes
        for note in notes:
            assert 0 <= note.at < 16 * bars + 1  # a strum may end after the bar line; it goes round
            assert note.length > 0
            assert 20 <= note.midi <= 112
            assert 0 < note.velocity <= 1
            total += 1
            inside += (note.midi - 3) % 12 in MAJOR
        for _, start, duration, _, part in note_events(notes, "x", bars):
            assert 0 <= start < bars
            assert 0 < duration <= bars
            assert part == "x"
    assert inside / total > (0.75 if style == "bass" else 0.99)


def test_voice_leading_moves_less_than_root_positions() -> None:
    """I vi IV V and back: in root position the voices move by 26 + 11 + 6 + 21 = 64 semitones."""
    chords = [(0, (0, 4, 7)), (9, (0, 3, 7)), (5, (0, 4, 7)), (7, (0, 4, 7))]
    for seed in range(20):
        voiced = [sorted(notes) for notes in led(chords, 0, 48, np.random.default_rng(seed))]
        for notes, (root, intervals) in zip(voiced, chords, strict=True):
            assert {n % 12 for n in notes} == {(root + i) % 12 for i in intervals}
        pairs = zip(voiced, voiced[1:] + voiced[:1], strict=True)
        assert sum(abs(a - b) for x, y in pairs for a, b in zip(x, y, strict=True)) < 0.7 * 64
