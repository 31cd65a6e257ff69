"""The onnx engine makes the loops that torch makes, without torch."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from random_model import write_random_model

from loopwright.cli import cli
from loopwright.config import LOOP16, LOOP48
from loopwright.errors import InputError
from loopwright.files import save_tensors
from loopwright.making.bundled import bundled_models, read_header
from loopwright.making.export import export_onnx
from loopwright.making.model import white_noise
from loopwright.making.onnx_model import OnnxModel, load_maker
from loopwright.making.onnx_session import NoGraphError, graph_path
from loopwright.making.torch_model import Model, load
from loopwright.vocoder import render

WAVE = 1e-4  # largest difference of a bundled model's samples with the ring vocoder; a loop's peak is near 1
SAME_MEL = 1e-5  # ... when both vocoders get one and the same log-mel
RANDOM = 3e-4  # of a random model: log-mels differ by up to 2e-5 between engines: 1.1e-4 was seen in 63 of 176,400 samples
GRIFFIN_LIM = 6e-2  # its iterations magnify the last float digits: 0.03 at worst between torch and torch plus 1e-6


@pytest.fixture(scope="session")
def loop48_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_model(tmp_path_factory.mktemp("m48") / "random.safetensors", "house", LOOP48, biases=True)


def same_log_mels(ours: OnnxModel, theirs: Model, *, bars: int = 1, truncation: float = 1.0, style: str | None = None) -> None:
    for seed in (0, 3):
        w = theirs.styles_of([seed], style=style, truncation=truncation)
        want = theirs.log_mel(theirs.bar_styles(w, [seed], bars, truncation=truncation), [seed], bars=bars)[0]
        got = ours.log_mel(seed, bars=bars, truncation=truncation, style=style)
        np.testing.assert_allclose(got, want.numpy(), atol=2e-5)


@pytest.mark.parametrize("name", sorted(bundled_models()))
def test_every_bundled_model_has_its_graphs_and_they_are_todays_generator(name: str) -> None:
    ours, theirs = load_maker(name, engine="onnx"), load(name)
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


def test_the_ring_vocoder_gives_torchs_samples_at_every_tempo(loop48_file: Path) -> None:
    ours, theirs = load_maker(str(loop48_file), engine="onnx"), load(str(loop48_file))
    assert isinstance(ours, OnnxModel)
    assert ours.vocoder_name == theirs.vocoder_name == "ring"
    same_log_mels(ours, theirs, bars=4)
    for bpm, bars in ((120, 1), (60, 1), (97.3, 2), (200, 1)):
        a, b = ours.generate([5], bpm=bpm, bars=bars)[0], theirs.generate([5], bpm=bpm, bars=bars)[0]
        np.testing.assert_allclose(a.samples, b.samples, atol=RANDOM)
        log_mel = ours.log_mel(5, bars=bars)

        def noise(frames: int) -> np.ndarray:
            return white_noise(5, ours.mel.hop, frames)

        light, full = (render(x.vocoder, log_mel, bpm, rate_hz=44_100, noise=noise) for x in (ours, theirs))
        np.testing.assert_allclose(light, full, atol=SAME_MEL)


def test_a_loop_does_not_depend_on_its_batch(loop48_file: Path) -> None:
    ours = load_maker(str(loop48_file), engine="onnx")
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


@pytest.mark.parametrize(("dims", "styles"), [(1, ()), (2, ("house", "techno"))])
def test_an_export_makes_torchs_loops(tmp_path: Path, dims: int, styles: tuple[str, ...]) -> None:
    file = write_random_model(tmp_path / "random.safetensors", "tiny", LOOP16, styles=styles, dims=dims)
    run = CliRunner().invoke(cli, ["export", str(file), "--onnx", "-o", str(tmp_path / "E")])
    assert run.exit_code == 0, run.output
    ours, theirs = load_maker(str(tmp_path / "E")), load(str(file))
    assert isinstance(ours, OnnxModel)
    assert ours.sizes == theirs.sizes
    same_log_mels(ours, theirs)
    same_log_mels(ours, theirs, bars=2, truncation=0.5, style=styles[-1] if styles else None)
    a, b = ours.generate([4], bpm=131)[0], theirs.generate([4], bpm=131)[0]
    np.testing.assert_allclose(a.samples, b.samples, atol=GRIFFIN_LIM)


def test_an_export_says_what_it_is_and_refuses_damage(loop48_file: Path, tmp_path: Path) -> None:
    import onnx

    out = tmp_path / "E"
    export_onnx(str(loop48_file), out)
    assert sorted(p.name for p in out.iterdir()) == ["mapping.onnx", "model.json", "synthesis.onnx", "vocoder.onnx"]
    header = json.loads((out / "model.json").read_text())
    assert header["mel"]["name"] == "loop48"
    for name in header["onnx"]["files"]:
        graph = onnx.load(out / name)
        assert {p.key: json.loads(p.value) for p in graph.metadata_props}["opset"] == graph.opset_import[0].version == 17
    ours = load_maker(str(out))
    np.testing.assert_allclose(ours.generate([5])[0].samples, load(str(loop48_file)).generate([5])[0].samples, atol=RANDOM)
    with pytest.raises(InputError, match="exists already"):
        export_onnx(str(loop48_file), out)
    with pytest.raises(InputError, match="torch does not read"):
        load_maker(str(out), engine="torch")
    data = bytearray((out / "synthesis.onnx").read_bytes())
    data[-1000] ^= 1
    (out / "synthesis.onnx").write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"synthesis\.onnx is missing or was altered"):
        load_maker(str(out))
    header["onnx"]["format"] = 99
    (out / "model.json").write_text(json.dumps(header))
    with pytest.raises(InputError, match=r"newer loopwright \(format 99\)"):
        load_maker(str(out))


def test_a_model_without_a_graph_goes_to_torch_or_says_what_to_do(model_file: Path) -> None:
    assert isinstance(load_maker(str(model_file)), Model)
    with pytest.raises(NoGraphError, match="loopwright export MODEL --onnx"):
        load_maker(str(model_file), engine="onnx")
    with pytest.raises(InputError, match="not on 'cuda'"):
        load_maker("drums", engine="onnx", device="cuda")
    with pytest.raises(InputError, match=r"no model 'dums'\. Bundled models"):
        load_maker("dums")


def test_damaged_and_newer_model_files(loop48_file: Path, tmp_path: Path) -> None:
    data = bytearray(loop48_file.read_bytes())
    data[-100] ^= 1
    (tmp_path / "bad.safetensors").write_bytes(bytes(data))
    with pytest.raises(InputError, match="was altered"):
        load_maker(str(tmp_path / "bad.safetensors"))
    save_tensors(tmp_path / "new.safetensors", {"a": torch.zeros(1)}, {**read_header(loop48_file), "format": 99})
    with pytest.raises(InputError, match=r"newer loopwright \(format 99\)"):
        load_maker(str(tmp_path / "new.safetensors"))


def test_a_graphs_name_does_not_depend_on_the_order_of_sizes() -> None:
    assert graph_path("x", {"a": 1, "b": 2}) == graph_path("x", {"b": 2, "a": 1})


def test_loops_of_a_bundled_model_pass_the_checks() -> None:
    """The same as `scripts/check_bundled.py drums -n 1000`, with few."""
    spec = importlib.util.spec_from_file_location("check_bundled", Path(__file__).parents[2] / "scripts" / "check_bundled.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    rows, tempos = script.check(load_maker("drums"), 4)
    assert tempos == 4
    assert [row for row in rows if not row[-1]] == []
