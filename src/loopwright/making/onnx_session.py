"""Networks in onnxruntime: a graph, with its weights inside or handed in beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwright.arrays import Float32
from loopwright.errors import InputError

Arrays = Mapping[str, npt.NDArray[Any]]
GRAPHS = Path(str(files("loopwright") / "bundled" / "graphs"))


def graph_path(kind: str, sizes: Mapping[str, Any]) -> Path:
    """Where the graph of a network of these sizes lies, if it came with the package. Weights are not in it."""
    text = json.dumps(sizes, sort_keys=True)
    return GRAPHS / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.onnx"


class NoGraphError(InputError):
    """What was asked for cannot be computed without torch."""


class Session:
    """One network. Arrays by name in, arrays in the graph's order out. Runs on the CPU.

    Args:
        path: an .onnx file.
        weights: what the graph's external initializers are called and hold; none for a file that holds them itself.

    Raises InputError if onnxruntime cannot read the file, NoGraphError if it is not installed.
    """

    def __init__(self, path: Path, weights: Arrays | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise NoGraphError("onnxruntime is not installed. Install it, or use --engine torch.") from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads leave the cores to others
        self._kept: list[Any] = []
        if weights:
            plain = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in weights.items()}
            self._kept = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in plain.values()]
            options.add_external_initializers(list(plain), self._kept)
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no base class of their own
            raise InputError(f"onnxruntime cannot use {path} ({str(error).splitlines()[0][:160]}). Export it again.") from error

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs, in the graph's order."""
        return [output.name for output in self._session.get_outputs()]

    def run(self, inputs: Arrays) -> list[Float32]:
        """Compute all outputs."""
        out: list[Float32] = self._session.run(None, dict(inputs))
        return out
