"""A model as a folder of ONNX graphs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from random_model import random_model
from same_loops import GRIFFIN_LIM, WILD, same_log_mels

from loopwright.cli import cli
from loopwright.config import LOOP16
from loopwright.errors import InputError
from loopwright.making.engines import load
from loopwright.making.export import export_onnx
from loopwright.making.onnx_model import OnnxModel
from loopwright.making.torch_model import TorchModel


@pytest.mark.slow
@pytest.mark.parametrize(("dims", "styles"), [(1, ()), (2, ("house", "techno"))])
def test_an_export_makes_torchs_loops(tmp_path: Path, dims: int, styles: tuple[str, ...]) -> None:
    file = random_model(tmp_path / "random.safetensors", "tiny", LOOP16, styles=styles, dims=dims)
    run = CliRunner().invoke(cli, ["export", str(file), "--onnx", "-o", str(tmp_path / "E")])
    assert run.exit_code == 0, run.output
    ours, theirs = load(str(tmp_path / "E")), TorchModel.load(str(file))
    assert isinstance(ours, OnnxModel)
    assert ours.sizes == theirs.sizes
    same_log_mels(ours, theirs)
    same_log_mels(ours, theirs, bars=2, truncation=0.5, style=styles[-1] if styles else None)
    a, b = ours.generate([4], bpm=131)[0], theirs.generate([4], bpm=131)[0]
    np.testing.assert_allclose(a.samples, b.samples, atol=GRIFFIN_LIM)


@pytest.mark.slow
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
    ours = load(str(out))
    np.testing.assert_allclose(
        ours.generate([5])[0].samples, TorchModel.load(str(loop48_file)).generate([5])[0].samples, atol=WILD
    )
    with pytest.raises(InputError, match="exists already"):
        export_onnx(str(loop48_file), out)
    with pytest.raises(InputError, match="torch does not read"):
        load(str(out), engine="torch")
    data = bytearray((out / "synthesis.onnx").read_bytes())
    data[-1000] ^= 1
    (out / "synthesis.onnx").write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"synthesis\.onnx is missing or was altered"):
        load(str(out))
    header["onnx"]["format"] = 99
    (out / "model.json").write_text(json.dumps(header))
    with pytest.raises(InputError, match=r"newer loopwright \(format 99\)"):
        load(str(out))
