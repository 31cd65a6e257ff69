from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from loopwright.audio.wavmeta import read_chunks
from loopwright.cli import cli
from loopwright.errors import InputError
from loopwright.making import load
from loopwright.making.loop import Loop
from loopwright.making.pack import gather, generate_pack, read_loop, write_pack


def tone(name: str, beats: int = 4, n: int = 8000) -> Loop:
    return Loop((0.3 * np.sin(2 * np.pi * 5 * np.arange(n) / n)).astype(np.float32), 8000, beats, name, {"seed": 3})


def test_a_loop_comes_back_with_its_tempo_and_origin(tmp_path: Path) -> None:
    loop = tone("a")
    again = read_loop(loop.save(tmp_path / "a.wav"))
    assert again.beats == 4
    assert again.bpm == pytest.approx(240.0)
    assert again.info == {"seed": 3}
    np.testing.assert_allclose(again.samples, loop.samples, atol=2e-7)


def test_gathering_keeps_all_even_of_one_name(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        tone("same").save(tmp_path / folder / "same.wav")
    run = CliRunner().invoke(cli, ["pack", str(tmp_path / "x"), str(tmp_path / "y" / "same.wav"), "-o", str(tmp_path / "P")])
    assert run.exit_code == 0, run.output
    assert sorted(p.name for p in (tmp_path / "P" / "Loops").iterdir()) == ["same-b.wav", "same.wav"]
    assert len(json.loads((tmp_path / "P" / "manifest.json").read_text())["loops"]) == 2


def test_files_that_are_no_loops(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros(100), 8000)
    with pytest.raises(InputError, match="does not say how many beats"):
        gather([tmp_path / "x.wav"], tmp_path / "P")
    assert not (tmp_path / "P").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no WAV files in"):
        gather([tmp_path / "empty"], tmp_path / "P")


def test_a_pack_has_what_a_daw_and_a_lawyer_need(model_file: Path, tmp_path: Path) -> None:
    out = generate_pack(str(model_file), tmp_path / "Night Drive", seeds=[0, 1, 5], bpm=124, sheet=tmp_path / "s.png")
    manifest = json.loads((out / "manifest.json").read_text())
    assert len(manifest["loops"]) == 3
    assert (out / "LICENSE.txt").read_text()
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    for entry in manifest["loops"]:
        path = out / entry["file"]
        n = soundfile.info(path).frames
        assert soundfile.info(path).subtype == "PCM_24"
        assert n == round(60 * 44100 * 4 / 124)
        meta = read_chunks(path)
        assert meta.bpm == pytest.approx(60 * 44100 * 4 / n, rel=1e-6)
        assert meta.beats == 4
        assert meta.loops == ((0, n - 1),)
        assert meta.comment["seed"] == entry["seed"]
        assert path.name.startswith("Loopwright_NightDrive_124_")
        digits = [part for part in path.stem.split("_") if any(c.isdigit() for c in part)]
        assert digits == ["124"], "numbers in a name mean the tempo alone"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")], "no temporary folder is left"


def test_the_same_command_writes_the_same_bytes(model_file: Path, tmp_path: Path) -> None:
    a = generate_pack(str(model_file), tmp_path / "A" / "P", seeds=[2], bpm=99)
    b = generate_pack(str(model_file), tmp_path / "B" / "P", seeds=[2], bpm=99)
    (x,), (y,) = list((a / "Loops").iterdir()), list((b / "Loops").iterdir())
    assert x.name == y.name
    assert x.read_bytes() == y.read_bytes()


def test_an_existing_folder_is_kept_unless_forced(model_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "P"
    out.mkdir()
    (out / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match=r"exists already. Pass --force .* P-2|P-2"):
        generate_pack(str(model_file), out, seeds=[0])
    assert (out / "mine.txt").read_text() == "precious"
    generate_pack(str(model_file), out, seeds=[0], force=True)
    assert not (out / "mine.txt").exists()
    assert (out / "manifest.json").exists()


def test_a_failure_half_way_leaves_the_old_pack_and_no_debris(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = generate_pack(str(model_file), tmp_path / "P", seeds=[0])
    before = sorted(p.name for p in (out / "Loops").iterdir())
    calls = []
    real = soundfile.write

    def full(*args: object, **kwargs: object) -> None:
        calls.append(1)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        real(*args, **kwargs)

    monkeypatch.setattr(soundfile, "write", full)
    with pytest.raises(InputError, match="No space left"):
        generate_pack(str(model_file), out, seeds=[1, 2, 3], force=True)
    assert sorted(p.name for p in (out / "Loops").iterdir()) == before
    assert [p.name for p in tmp_path.iterdir()] == ["P"]


def test_the_command_line(model_file: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke(cli, ["generate", str(model_file), "--seeds", "0,4-5", "--bpm", "100", "-o", str(tmp_path / "P")])
    assert run.exit_code == 0, run.output
    assert len(list((tmp_path / "P" / "Loops").glob("*_100_*.wav"))) == 3
    bad = CliRunner().invoke(cli, ["generate", str(model_file), "--seeds", "5-1"])
    assert bad.exit_code == 2
    assert "not a range of seeds" in bad.output


def test_whose_music_is_played_is_named_in_the_pack(tmp_path: Path) -> None:
    drums = load("drums")
    named = drums.clip_of(0)
    assert named is not None
    assert any("Groove MIDI Dataset" in credit for credit in named.credits)
    out = write_pack(drums.generate([0, 1], bpm=120), tmp_path / "Pack", facts={})
    text = (out / "LICENSE.txt").read_text()
    assert all(f"* {credit}\n" in text for credit in named.credits)
    assert json.loads((out / "manifest.json").read_text())["loops"][1]["credits"] == list(named.credits)
    free = write_pack(load("synth").generate([0], bpm=120), tmp_path / "Free", facts={})  # all CC0
    assert "name its makers" not in (free / "LICENSE.txt").read_text()
