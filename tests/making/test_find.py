"""From a name to a model file."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopwright.config import LOOP48, PAPER16
from loopwright.errors import InputError
from loopwright.files import load_tensors, save_tensors
from loopwright.making.bundled import bundled_models
from loopwright.making.find import default_vocoder, find_model, shown_name
from loopwright.making.torch_model import TorchModel


def test_unknown_damaged_and_newer_models(model_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no model 'dums'\. Bundled models: "):
        TorchModel.load("dums")
    data = bytearray(model_file.read_bytes())
    data[-100] ^= 1
    (tmp_path / "bad.safetensors").write_bytes(bytes(data))
    with pytest.raises(InputError, match="was altered"):
        TorchModel.load(str(tmp_path / "bad.safetensors"))
    tensors, header = load_tensors(model_file)
    save_tensors(tmp_path / "new.safetensors", tensors, {**header, "format": 99})
    with pytest.raises(InputError, match=r"newer loopwright \(format 99\)"):
        TorchModel.load(str(tmp_path / "new.safetensors"))
    save_tensors(tmp_path / "other.safetensors", tensors, {"kind": "vocoder"})
    with pytest.raises(InputError, match="is not a loopwright model"):
        TorchModel.load(str(tmp_path / "other.safetensors"))


def test_names_runs_and_files_are_found(tmp_path: Path) -> None:
    assert find_model("drums") == bundled_models()["drums"]
    for name in ("a", "b"):
        (tmp_path / "runs" / name / "checkpoints").mkdir(parents=True)
        (tmp_path / "runs" / name / "checkpoints" / "last.safetensors").touch()
    assert find_model(str(tmp_path / "runs" / "a")).name == "last.safetensors"
    for name in ("a", "b"):
        (tmp_path / "runs" / name / "checkpoints" / "best.safetensors").touch()
    assert find_model(str(tmp_path / "runs" / "a")).name == "best.safetensors"
    assert find_model(str(tmp_path / "runs")).parts[-3] == "b", "of a folder of runs the newest"
    (tmp_path / "mine.safetensors").touch()
    assert find_model(str(tmp_path / "mine.safetensors")) == tmp_path / "mine.safetensors"
    with pytest.raises(InputError, match=r"no model '.*/nothing'\. Bundled models: drums, drums-mel, synth, synth-mel\."):
        find_model(str(tmp_path / "nothing"))


def test_what_a_model_is_called() -> None:
    assert shown_name("drums", find_model("drums")) == "drums"
    assert shown_name("x/mine.safetensors", Path("x/mine.safetensors")) == "mine"
    assert shown_name("runs/3", Path("runs/3/checkpoints/best.safetensors")) == "loops"


def test_the_vocoder_that_goes_with_a_representation() -> None:
    assert Path(default_vocoder(LOOP48)).name == "vocoder_loop48.safetensors"
    assert default_vocoder(PAPER16) == "griffinlim"
