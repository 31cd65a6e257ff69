"""`prepare`, `dataset` and `loopify` as a user types them: results on stdout, the rest on stderr, errors in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner
from sounds import drum_loop

from loopwright.cli import cli
from loopwright.errors import InputError

RATE = 22_050


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "loops"
    top.mkdir()
    soundfile.write(top / "a_100bpm.wav", drum_loop(100, 2, RATE, seed=1, step=1), RATE)
    soundfile.write(top / "b_126bpm.wav", drum_loop(126, 2, RATE, seed=2, step=2), RATE)
    (top / "c.wav").write_text("no audio")
    return top


def test_prepare_then_look(folder: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    dry = run(cli, ["prepare", str(folder), "--dry-run", "--workers", "1"])
    assert dry.exit_code == 0, dry.output
    assert "kept      a_100bpm.wav: 100.00 BPM, 8 beats, 2 rows" in dry.stdout
    assert "rejected  c.wav: cannot read c.wav as audio" in dry.stdout
    assert dry.stdout.splitlines()[-1].startswith("2 of 3 files would give 4 rows")
    out = tmp_path / "out"
    real = run(cli, ["prepare", str(folder), "-o", str(out), "--repr", "loop16", "--workers", "1", "--keep-duplicates"])
    assert real.exit_code == 0, real.output
    assert real.stdout.startswith(f"4 rows from 2 of 3 files in {out}")
    assert "1 rejected: cannot be read as audio" in real.stderr
    value = json.loads(run(cli, ["dataset", "inspect", str(out), "--json"]).stdout)
    assert (value["rows"], value["representation"]) == (4, "loop16")
    assert "near_duplicates: 0" in run(cli, ["dataset", "stats", str(out)]).stdout


def test_mistakes(folder: Path) -> None:
    run = CliRunner().invoke
    assert "Missing option '-o'" in run(cli, ["prepare", str(folder)]).output
    wrong = run(cli, ["prepare", str(folder), "--dry-run", "--licence", "gpl"])
    assert isinstance(wrong.exception, InputError)
    assert "unknown licence 'gpl'" in str(wrong.exception)


def test_loopify(folder: Path, tmp_path: Path) -> None:
    source = str(folder / "a_100bpm.wav")
    result = CliRunner().invoke(cli, ["loopify", source, "--bpm", "120", "-o", str(tmp_path / "o"), "--json"])
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert value["samples"] == round(60 * RATE * 8 / 120)
    assert len(soundfile.read(tmp_path / "o/a_120bpm_loop.wav")[0]) == value["samples"]  # the name would lie otherwise


def test_loopify_of_several_files(tmp_path: Path) -> None:
    """The same name in two folders gives two loops; what is wrong with one file does not keep the others."""
    files = [tmp_path / "x/a 93bpm.wav", tmp_path / "broken.wav", tmp_path / "y/a 93bpm.wav"]
    for i, file in enumerate(files):
        file.parent.mkdir(exist_ok=True)
        soundfile.write(file, drum_loop(150, 4, RATE, seed=i, step=1), RATE)
    files[1].write_bytes(b"RIFF")
    result = CliRunner().invoke(cli, ["loopify", *map(str, files), "-o", str(tmp_path / "o")])
    assert str(result.exception) == "1 of 3 files gave no loop, see above."
    assert "broken.wav as audio" in result.stderr
    assert "the name says 93 BPM, the audio 150.00" in result.stderr
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["a 93bpm_loop.wav", "a 93bpm_loop_2.wav"]
