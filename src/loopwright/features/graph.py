"""A published ONNX graph as a judge, run in onnxruntime as it is: nothing is converted, nothing is trained through it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy.typing as npt
import torch
from torch import Tensor

from loopwright.arrays import Float32
from loopwright.errors import WeightsError
from loopwright.features.judge import Judge
from loopwright.files import sha256_of


class GraphJudge(Judge):
    """A judge whose network is a graph. A subclass gives `rate_hz`, `dim`, what the graph `takes` and `gives`, and `embed`.

    takes: shape of the one input, without the batch. gives: shape of each output by its name, in the order of `run`.
    """

    min_samples = 1
    takes: ClassVar[tuple[int, ...]]
    gives: ClassVar[dict[str, tuple[int, ...]]]

    def __init__(self, path: Path, *, name: str = "") -> None:
        """Open the graph at `path`. Raises WeightsError if it cannot be read or is another one."""
        self.name = name or type(self).__name__
        self._session = _open(Path(path))
        inputs = [(x.name, tuple(x.shape[1:])) for x in self._session.get_inputs()]
        outputs = {x.name: tuple(x.shape[1:]) for x in self._session.get_outputs()}
        if [shape for _, shape in inputs] != [self.takes] or outputs != self.gives:
            raise WeightsError(
                f"{path} is another graph than that of {self.name}: it takes {[shape for _, shape in inputs]}, not "
                f"[{self.takes}], or gives other outputs. `loopwright features list` says which file is whose."
            )
        self._input = inputs[0][0]
        self.checksum = sha256_of(path)

    @property
    def classes(self) -> tuple[str, ...]:
        return ()

    def run(self, batch: Float32) -> list[Float32]:
        """The graph on (B, *takes): its outputs in the order of `gives`."""
        return list(self._session.run(list(self.gives), {self._input: batch}))

    def probabilities(self, waveforms: npt.ArrayLike | Tensor, *, batch: int = 16) -> Float32:  # noqa: ARG002
        """Always raises WeightsError: no graph here classifies."""
        raise WeightsError(f"{self.name} does not classify. Use a network that does: yamnet, musicnn, scnn_mtat, scnn_loop.")


def _open(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise WeightsError(f"{path.name} needs onnxruntime. Run: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class of their own
        reason = str(error).splitlines()[0][:120]
        raise WeightsError(f"{path} is not a whole ONNX graph ({reason}). Get it again.") from error
