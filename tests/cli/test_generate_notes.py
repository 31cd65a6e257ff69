"""`generate` and its like with models of notes and of drum hits: MIDI in and out, keys, and what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from random_model import random_model

from loopwright.audio.drum_events import Hit
from loopwright.audio.note_events import Note, read_notes
from loopwright.audio.wavmeta import read_chunks
from loopwright.cli import cli
from loopwright.config import LOOP48, TONE48
from loopwright.making.clip import Clip

MELODY = Clip(tuple(Note(n, i / 4, 0.2, 0.8) for i, n in enumerate((57, 60, 64, 69, 65, 62, 59, 57))), 2)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("keys") / "keys.safetensors"
    return str(random_model(path, "house-tonal", TONE48, channels=(16, 16, 16, 16, 16)))


@pytest.fixture(scope="module")
def beats(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(random_model(tmp_path_factory.mktemp("beats") / "beats.safetensors", "house-drums", LOOP48))


@pytest.fixture
def melody(tmp_path: Path) -> Path:
    path = tmp_path / "my.mid"
    path.write_bytes(MELODY.midi(120))
    return path


def command(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_a_midi_file_is_played_for_all_its_bars_and_written_beside_each_loop(keys: str, melody: Path, tmp_path: Path) -> None:
    out = tmp_path / "P"
    run = command("generate", keys, "-n", "2", "--midi", str(melody), "--midi-out", "--bpm", "97.3", "-o", str(out))
    assert run.exit_code == 0, run.output
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["bars"], manifest["plays"]) == (2, "my.mid")
    for entry in manifest["loops"]:
        assert entry["samples"] == round(60 * 44_100 * 8 / 97.3)
        assert entry["key"] == "Amin"
        assert "_Amin_" in entry["file"]
        assert read_chunks(out / entry["file"]).comment["key"] == "Amin"
        notes, bars = read_notes(out / entry["midi"])
        assert bars == 2
        assert [n.note for n in notes] == [n.note for n in MELODY.notes]
        assert (out / entry["midi"]).stem == (out / entry["file"]).stem


def test_a_key_is_asked_for_and_kept(keys: str, tmp_path: Path) -> None:
    out = tmp_path / "P"
    run = command("generate", keys, "-n", "3", "--key", "f# minor", "--midi-out", "-o", str(out))
    assert run.exit_code == 0, run.output
    manifest = json.loads((out / "manifest.json").read_text())
    assert [manifest["key"], *(entry["key"] for entry in manifest["loops"])] == ["Gbmin"] * 4
    for entry in manifest["loops"]:
        notes, _ = read_notes(out / entry["midi"])
        assert {n.note % 12 for n in notes} <= {6, 8, 9, 11, 1, 2, 4}  # F# natural minor
    walked = command("interpolate", keys, "0", "1", "-n", "2", "--key", "Amin", "-o", str(tmp_path / "W"))
    assert walked.exit_code == 0, walked.output
    assert all("_Amin_" in path.name for path in (tmp_path / "W" / "Loops").iterdir())


def test_a_beat_from_midi_in_the_kits_of_many_seeds(beats: str, tmp_path: Path) -> None:
    beat = tmp_path / "beat.mid"
    beat.write_bytes(Clip((Hit("kick", 0.0, 1.0), Hit("snare", 0.5, 0.8)), 1).midi(100))
    run = command("generate", beats, "-n", "2", "--midi", str(beat), "--midi-out", "-o", str(tmp_path / "P"))
    assert run.exit_code == 0, run.output
    loops = json.loads((tmp_path / "P" / "manifest.json").read_text())["loops"]
    assert all("key" not in entry and (tmp_path / "P" / entry["midi"]).is_file() for entry in loops)
    mixed = command("mix", beats, "0", "1", "--levels", "kit", "-o", str(tmp_path / "M"))
    assert mixed.exit_code == 0, mixed.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("generate", "KEYS", "--key", "H"), "no key 'H'"),
        (("generate", "KEYS", "--midi", "gone.mid"), "no file gone.mid"),
        (("generate", "BEATS", "--midi", "MELODY", "--bars", "1", "--key", "Amin"), "knows no notes"),
        (("generate", "BEATS", "--key", "Amin"), "knows no notes, so it has no key"),
        (("generate", "drums-mel", "--midi", "MELODY"), "is given nothing to play, so it takes no MIDI"),
        (("generate", "drums-mel", "--midi-out"), "draws its loops whole: it knows no notes to write"),
        (("generate", "KEYS", "--vocoder", "griffinlim"), "makes its sound of notes, without a vocoder"),
        (("mix", "KEYS", "0", "1", "--levels", "kit"), "no level 'kit'"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_no_pack(
    arguments: tuple[str, ...], says: str, keys: str, beats: str, melody: Path, tmp_path: Path
) -> None:
    names = {"KEYS": keys, "BEATS": beats, "MELODY": str(melody)}
    run = command(*(names.get(word, word) for word in arguments), "-o", str(tmp_path / "P"))
    assert says in str(run.exception)
    assert not (tmp_path / "P").exists()


def test_an_export_keeps_what_the_model_plays(keys: str, tmp_path: Path) -> None:
    from loopwright.making.bundled import read_header

    run = command("export", keys, "-o", str(tmp_path / "small.safetensors"))
    assert run.exit_code == 0, run.output
    assert read_header(tmp_path / "small.safetensors")["bank"] == read_header(Path(keys))["bank"]
