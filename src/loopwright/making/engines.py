"""Which engine makes a model's loops: onnxruntime where it can, since it starts sooner and is quicker on a CPU, else torch."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from loopwright.errors import InputError
from loopwright.making.model import Model
from loopwright.making.onnx_model import OnnxModel, is_export
from loopwright.making.onnx_session import NoGraphError

ENGINES = ("auto", "onnx", "torch")


def load(name: str = "drums", *, vocoder: str | None = None, device: str = "cpu", engine: str = "auto") -> Model:
    """A model to make loops with: `load("drums").generate(seeds=range(8), bpm=124)`.

    Args:
        name: bundled name, model file, run folder, or folder of an ONNX export.
        vocoder: name or file, instead of the model's own.
        device: for torch.
        engine: `onnx`; `torch`; or `auto`, which is onnx on the CPU where it can, and torch otherwise.

    Raises InputError if there is no such model, it is damaged, or the engine cannot compute it.
    """
    if engine not in ENGINES:
        raise InputError(f"no engine '{engine}'. There are: {', '.join(ENGINES)}.")
    if is_export(Path(name)):
        if engine == "torch":
            raise InputError(f"{name} is an ONNX export, which torch does not read. Use --engine onnx.")
        return OnnxModel.load(name, vocoder=vocoder)
    if engine == "onnx" and device != "cpu":
        raise InputError(f"the onnx engine computes on the CPU, not on '{device}'. Use --engine torch.")
    found = importlib.util.find_spec("onnxruntime") is not None
    if engine == "onnx" or (engine == "auto" and device == "cpu" and found):
        try:
            return OnnxModel.load(name, vocoder=vocoder)
        except NoGraphError:
            if engine == "onnx":
                raise
    from loopwright.making.torch_model import TorchModel  # seconds of import, only where they are needed

    return TorchModel.load(name, vocoder=vocoder, device=device)
