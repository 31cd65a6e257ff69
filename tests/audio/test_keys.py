"""Names of keys, and the way from one to another."""

from __future__ import annotations

import pytest

from loopwright.audio.keys import TONICS, Key, parse_key
from loopwright.errors import InputError

MAJOR, MINOR = {0, 2, 4, 5, 7, 9, 11}, {0, 2, 3, 5, 7, 8, 10}  # semitones of the scales


def pitch_classes(key: Key) -> set[int]:
    return {(key.tonic + step) % 12 for step in (MINOR if key.minor else MAJOR)}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Amin", "Amin"), ("am", "Amin"), ("A minor", "Amin"), ("A", "Amaj"), ("b", "Bmaj"), ("bb", "Bbmaj"), ("Bbm", "Bbmin"),
        ("F#", "Gbmaj"), ("f# min", "Gbmin"), ("C♯_major", "Dbmaj"), ("Cb", "Bmaj"), ("E-maj", "Emaj"),
    ],
)  # fmt: skip
def test_keys_by_the_names_people_give_them(text: str, name: str) -> None:
    assert parse_key(text).name == name
    assert parse_key(name).name == name


@pytest.mark.parametrize("text", ["", "H", "Amix", "A##", "min", "C major minor", "7", "Aminn"])
def test_what_is_no_key_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InputError, match=r"no key '.*'\. Keys are named like Amin, F#min, Ebmaj or C"):
        parse_key(text)


def test_from_any_key_to_any_other_is_a_move_of_a_tritone_at_most_onto_the_same_notes() -> None:
    keys = [Key(tonic, minor) for tonic in range(12) for minor in (False, True)]
    assert len({key.name for key in keys}) == 2 * len(TONICS)
    for a in keys:
        for b in keys:
            move = a.to(b)
            assert -6 <= move <= 5
            assert {(note + move) % 12 for note in pitch_classes(a)} == pitch_classes(b)
            assert a.minor != b.minor or a.moved(move) == b
