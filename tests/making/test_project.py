"""A recording is found in the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from loopwright.audio.wavmeta import read_chunks
from loopwright.cli import cli
from loopwright.errors import InputError
from loopwright.making.places import log_mel_of
from loopwright.making.project import project, target_log_mel
from loopwright.making.torch_model import TorchModel


@pytest.fixture(scope="module")
def model(model_file: Path) -> TorchModel:
    return TorchModel.load(str(model_file))


def test_a_loop_of_the_models_own_is_found_again(model: TorchModel) -> None:
    target = torch.from_numpy(model.log_mel(model.styles_of([1000]), [0]))
    found = project(model, target, bpm=120, steps=60, starts=64)
    assert found.error < 0.6 * found.random_error
    error = np.abs(log_mel_of(model, found.place).clip(-3.5) - target[0].numpy().clip(-3.5)).mean()
    assert found.error == pytest.approx(20 * float(error), rel=1e-4), "the place is what was found"


def test_variations_from_the_command_line(model_file: Path, tmp_path: Path) -> None:
    t = np.arange(round(44100 * 240 / 100))
    beat = np.sin(2 * np.pi * 60 * t / 44100) * np.exp(-((t % (len(t) // 4)) / 3000))
    soundfile.write(tmp_path / "mine.wav", beat * 0.5, 44100)
    command = [
        "variations",
        str(tmp_path / "mine.wav"),
        "--model",
        str(model_file),
        "-n",
        "2",
        "--steps",
        "3",
        "-o",
        str(tmp_path / "V"),
    ]
    run = CliRunner().invoke(cli, command)
    assert run.exit_code == 0, run.output
    assert "reconstruction error" in run.output
    files = sorted((tmp_path / "V" / "Loops").iterdir())
    assert len(files) == 2
    assert read_chunks(files[0]).bpm == pytest.approx(100, abs=0.01)


@pytest.mark.parametrize(("seconds", "level", "message"), [(2.0, 0.0, "is silent"), (30.0, 0.5, "is not 1 bar")])
def test_files_that_cannot_be_one_bar(model: TorchModel, tmp_path: Path, seconds: float, level: float, message: str) -> None:
    soundfile.write(tmp_path / "x.wav", np.full(int(8000 * seconds), level), 8000)
    with pytest.raises(InputError, match=message):
        target_log_mel(model, tmp_path / "x.wav")
