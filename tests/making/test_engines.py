"""Which engine makes a model's loops."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopwright.errors import InputError
from loopwright.making.engines import load
from loopwright.making.onnx_model import OnnxModel
from loopwright.making.onnx_session import NoGraphError
from loopwright.making.torch_model import TorchModel


def test_a_model_without_a_graph_goes_to_torch_or_says_what_to_do(model_file: Path) -> None:
    assert isinstance(load(str(model_file)), TorchModel)
    with pytest.raises(NoGraphError, match="loopwright export MODEL --onnx"):
        load(str(model_file), engine="onnx")
    with pytest.raises(InputError, match="not on 'cuda'"):
        load("drums", engine="onnx", device="cuda")
    with pytest.raises(InputError, match=r"no model 'dums'\. Bundled models"):
        load("dums")
    with pytest.raises(InputError, match=r"no engine 'jax'\. There are: auto, onnx, torch"):
        load("drums", engine="jax")


def test_a_bundled_model_goes_to_onnx_and_may_go_to_torch() -> None:
    assert isinstance(load(), OnnxModel)
    assert isinstance(load("synth", device="cpu"), OnnxModel)
    assert isinstance(load("drums", engine="torch"), TorchModel)
