"""What file names say: the conventions of sample packs, and the traps in them."""

from __future__ import annotations

import pytest

from loopwright.data.clues import clues_from_name, key_from_name, normal_key, says_one_shot


def best_bpm(name: str) -> float | None:
    clues = [clue for clue in clues_from_name(name) if clue.bpm]
    return max(clues, key=lambda clue: clue.weight).bpm if clues else None


@pytest.mark.parametrize(
    ("name", "bpm"),
    [
        ("Kit_120_Amin.wav", 120),
        ("drums 95bpm.wav", 95),
        ("drums 92.5 BPM.wav", 92.5),
        ("BPM_174_amen.wav", 174),
        ("bpm140.flac", 140),
        ("SO_LM_128_drum_loop_stomp_Fmin.wav", 128),  # the way Splice's packs are named
        ("FL_VT_Kit01_85_Gm.wav", 85),
        ("110BPM/loop_03.wav", 110),
        ("House 124 bpm/kick 99.wav", 124),  # an explicit folder is worth more than a bare number
        ("amen_16bit_44100.wav", None),
        ("TR808_kick.wav", None),
        ("loop_007.wav", None),
        ("loop01.wav", None),
        ("Beat 3.wav", None),
        ("2023-11-04 jam.wav", None),
    ],
)
def test_the_tempo_in_a_name(name: str, bpm: float | None) -> None:
    assert best_bpm(name) == bpm


def test_two_bare_numbers_weaken_each_other() -> None:
    one, two = clues_from_name("a_120.wav"), clues_from_name("a_120_140.wav")
    assert [clue.bpm for clue in two] == [120, 140]
    assert two[0].weight < one[0].weight


@pytest.mark.parametrize(("name", "beats"), [("groove_4bars_90bpm.wav", 16), ("2 bar break.wav", 8), ("32beats.wav", 32)])
def test_bars_and_beats_in_a_name(name: str, beats: float) -> None:
    assert [clue.beats for clue in clues_from_name(name) if clue.beats] == [beats]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Kit_120_Amin.wav", "A minor"),
        ("pad_C#m_90.wav", "C# minor"),
        ("lead Bb minor 128.wav", "Bb minor"),
        ("bass_Gmaj.wav", "G major"),
        ("arp_F#_140.wav", "F#"),
        ("keys_120_D.wav", "D"),
        ("A day in May.wav", ""),
        ("Big Drums.wav", ""),
        ("drum.wav", ""),
    ],
)
def test_the_key_in_a_name(name: str, key: str) -> None:
    assert key_from_name(name) == key


@pytest.mark.parametrize(("text", "key"), [("a minor", "A minor"), ("Ebmaj", "Eb major"), ("D# minor", "Eb minor"), ("H", "")])
def test_keys_have_one_spelling(text: str, key: str) -> None:
    assert normal_key(text) == key


def test_one_shots_say_so() -> None:
    assert says_one_shot("Pack/One Shots/kick.wav")
    assert says_one_shot("snare_oneshot_3.wav")
    assert not says_one_shot("loops/one_shotgun.wav")


@pytest.mark.parametrize(
    "name",
    [
        "Juno 60 pad.wav",
        "MPC-60 groove.wav",
        "SID 64 lead.wav",
        "CR-78 loop.wav",
        "DX100 bass.wav",
        "Roland SH 101.wav",
        "take 77.wav",
        "120__some_user__kick.wav",
        "107_98.wav.wav",
    ],
)
def test_model_numbers_and_ids_are_hardly_tempi(name: str) -> None:
    assert all(clue.weight <= 1.5 for clue in clues_from_name(name) if clue.bpm)


def test_a_model_number_does_not_weaken_the_tempo_beside_it() -> None:
    clues = [clue for clue in clues_from_name("MPC 60 break 93.wav") if clue.bpm]
    assert {clue.bpm: clue.weight for clue in clues} == {60: 0.8, 93: 4.5}


@pytest.mark.parametrize(("name", "half"), [("120bpm", 0.5), ("92.5bpm", 0.05), ("92.53 bpm", 0.005), ("kit 93", 0.5)])
def test_how_exactly_a_tempo_is_written(name: str, half: float) -> None:
    (clue,) = clues_from_name(f"{name}.wav")
    assert clue.half == pytest.approx(half)
