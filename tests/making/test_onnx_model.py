"""The onnx engine makes the loops that torch makes, without torch."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from same_loops import GRIFFIN_LIM, SAME_MEL, WAVE, WILD, same_log_mels

from loopwright.errors import InputError
from loopwright.files import save_tensors
from loopwright.making.bundled import bundled_models, read_header
from loopwright.making.draws import white_noise
from loopwright.making.engines import load
from loopwright.making.onnx_model import OnnxModel
from loopwright.making.onnx_session import graph_path
from loopwright.making.torch_model import TorchModel
from loopwright.vocoder import render


@pytest.mark.parametrize("name", sorted(bundled_models()))
def test_every_bundled_model_has_its_graphs_and_they_are_todays_generator(name: str) -> None:
    ours, theirs = load(name, engine="onnx"), TorchModel.load(name)
    assert isinstance(ours, OnnxModel)
    assert (ours.styles, ours.name, ours.vocoder_name) == (theirs.styles, theirs.name, theirs.vocoder_name)
    assert ours.sizes == theirs.sizes
    assert ours.sizes.noise_shapes(2) == theirs.generator.noise_shapes(2)
    same_log_mels(ours, theirs)
    same_log_mels(ours, theirs, bars=2, truncation=0.7)
    a, b = ours.generate([1], bpm=124)[0], theirs.generate([1], bpm=124)[0]
    assert (a.name, a.beats, a.info) == (b.name, b.beats, b.info)
    tolerance = GRIFFIN_LIM if ours.vocoder_name == "griffinlim" else WAVE
    np.testing.assert_allclose(a.samples, b.samples, atol=tolerance)


@pytest.mark.slow
def test_the_ring_vocoder_gives_torchs_samples_at_every_tempo(loop48_file: Path) -> None:
    ours, theirs = load(str(loop48_file), engine="onnx"), TorchModel.load(str(loop48_file))
    assert isinstance(ours, OnnxModel)
    assert ours.vocoder_name == theirs.vocoder_name == "ring"
    same_log_mels(ours, theirs, bars=4)
    for bpm, bars in ((120, 1), (60, 1), (97.3, 2), (200, 1)):
        a, b = ours.generate([5], bpm=bpm, bars=bars)[0], theirs.generate([5], bpm=bpm, bars=bars)[0]
        np.testing.assert_allclose(a.samples, b.samples, atol=WILD)
        log_mel = ours.log_mel(ours.bar_styles(ours.styles_of([5]), [5], bars), [5], bars=bars)[0]

        def noise(frames: int) -> np.ndarray:
            return white_noise(5, ours.mel.hop, frames)

        assert ours.vocoder is not None
        assert theirs.vocoder is not None
        light, full = (render(x, log_mel, bpm, rate_hz=44_100, noise=noise) for x in (ours.vocoder, theirs.vocoder))
        np.testing.assert_allclose(light, full, atol=SAME_MEL)


def test_a_loop_does_not_depend_on_its_batch(loop48_file: Path) -> None:
    ours = load(str(loop48_file), engine="onnx")
    np.testing.assert_array_equal(ours.generate([7])[0].samples, ours.generate([6, 7, 8])[1].samples)


def test_generating_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from loopwright.cli import cli\n"
        f"arguments = ['generate', 'drums', '-n', '1', '--engine', 'onnx', '-o', {str(tmp_path / 'P')!r}]\n"
        "cli.main(arguments, standalone_mode=False)\n"
        "assert not {'torch', 'onnx', 'scipy', 'matplotlib'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert len(list((tmp_path / "P" / "Loops").iterdir())) == 1


def test_damaged_and_newer_model_files(loop48_file: Path, tmp_path: Path) -> None:
    data = bytearray(loop48_file.read_bytes())
    data[-100] ^= 1
    (tmp_path / "bad.safetensors").write_bytes(bytes(data))
    with pytest.raises(InputError, match="was altered"):
        load(str(tmp_path / "bad.safetensors"))
    save_tensors(tmp_path / "new.safetensors", {"a": torch.zeros(1)}, {**read_header(loop48_file), "format": 99})
    with pytest.raises(InputError, match=r"newer loopwright \(format 99\)"):
        load(str(tmp_path / "new.safetensors"))


def test_a_graphs_name_does_not_depend_on_the_order_of_sizes() -> None:
    assert graph_path("x", {"a": 1, "b": 2}) == graph_path("x", {"b": 2, "a": 1})


def test_loops_of_a_bundled_model_pass_the_checks() -> None:
    """The same as `scripts/check_bundled.py drums -n 1000`, with few."""
    spec = importlib.util.spec_from_file_location("check_bundled", Path(__file__).parents[2] / "scripts" / "check_bundled.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    rows, tempos = script.check(load("drums"), 4)
    assert tempos == 4
    assert [row for row in rows if not row[-1]] == []
