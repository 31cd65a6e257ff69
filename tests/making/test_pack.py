from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from loopwright.cli import cli
from loopwright.errors import InputError
from loopwright.making.gather import gather, read_loop
from loopwright.making.loop import Loop


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
