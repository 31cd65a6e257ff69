"""Generator and ring vocoder as ONNX graphs, for `making.onnx_model`.

What is exported is the networks alone: the mapping (latent to style), the synthesis (styles and noise to z-scores) and the
vocoder's backbone. The circular STFTs around the backbone stay in numpy (`making.onnx_ring`). A generator of notes or drums
ends at its parts: what is made of them is in numpy too (`making.speaker`).

A graph holds its weights, for others to use, or calls them external: then one small file serves every model of its sizes, and
the weights come from the model's own safetensors file.

Shapes: B batch, Z latent, L style inputs, W style, S steps, C channels, M mel bands, T frames.
"""

from __future__ import annotations

import copy
import io
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from loopwright.errors import ConfigError
from loopwright.files import atomic_path
from loopwright.making.graph_parts import GridGraph, KitGraph, features, to_mel
from loopwright.models.generator import Generator, StyledGenerator
from loopwright.models.layers import upsample
from loopwright.models.pattern_kit import PatternKit
from loopwright.models.pitch_grid import PitchGridGenerator
from loopwright.vocoder.ring import RingVocoder

OPSET = 17


class MappingGraph(nn.Module):
    """z (B, Z), truncation (1,), and labels (B,) of a conditional generator -> styles (B, W)."""

    def __init__(self, generator: StyledGenerator) -> None:
        super().__init__()
        self.net = generator

    def forward(self, z: Tensor, truncation: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.net.w_avg + (self.net.mapping(z, labels) - self.net.w_avg) * truncation


class SynthesisGraph(nn.Module):
    """ws (B, L, W, S) and noise maps (B, 1, m, t) -> z-scored log-mels (B, M, T), as `Generator.synthesis`.

    One style for all time is S = 1. The number of turns follows from the size of the first noise map.
    """

    outputs = ("log_mel",)

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.net = generator

    def forward(self, ws: Tensor, *noise: Tensor) -> Tensor:
        net = self.net
        y: Tensor | None = None
        for i, x in enumerate(features(net, ws, noise)):
            part = to_mel(net.to_mel[i], x, ws[:, 2 * i + 1])
            y = part if y is None else upsample(y, mel=net.dims == 2, circular=net.circular) + part
        assert y is not None
        y = y[:, 0] if net.dims == 2 else y[:, :, 0]
        return y if not net.bound else net.bound * torch.tanh(y * (net.gain / net.bound))


class RingGraph(nn.Module):
    """The backbone: log_mel (B, M, T) and noise (B, C, T) -> tone, air, click, hiss (B, T, ...)."""

    def __init__(self, vocoder: RingVocoder) -> None:
        super().__init__()
        self.net = vocoder

    def forward(self, log_mel: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        return self.net.backbone(log_mel, noise)


def _axes(names: Sequence[str], axes: Mapping[int, str]) -> dict[str, dict[int, str]]:
    return {name: dict(axes) for name in names}


def generator_graphs(generator: StyledGenerator, *, weights: bool = True) -> dict[str, bytes]:
    """`mapping` and `synthesis` as ONNX bytes, with the weights or without. What the synthesis gives depends on the kind."""
    z, one = torch.randn(2, generator.z_dim), torch.ones(1)
    labels = (torch.zeros(2, dtype=torch.int64),) if generator.classes else ()
    names = ["z", "truncation", *(["labels"] if labels else [])]
    axes = {name: {0: "batch"} for name in names if name != "truncation"}
    mapping = _export(MappingGraph(generator), (z, one, *labels), names, ["w"], axes | {"w": {0: "batch"}}, weights)
    return {"mapping": mapping, "synthesis": _synthesis_graph(generator, weights)}


def _synthesis_graph(generator: StyledGenerator, weights: bool) -> bytes:
    kit = isinstance(generator, PatternKit)
    batch = 1 if kit else 2  # a kit's voices are those of one loop
    columns = generator.constant.shape[3]
    ws = torch.randn(batch, generator.n_styles, generator.w_dim, columns)
    maps = [torch.randn(batch, 1, m, t) for m, t in generator.noise_shapes()]
    names = ["ws", *(f"noise_{i}" for i in range(len(maps)))]
    inputs: list[Tensor] = [ws, *maps]
    axes: dict[str, dict[int, str]] = {"ws": {0: "batch", 3: "steps"}} if not kit else {"ws": {3: "steps"}}
    for i, name in enumerate(names[1:]):
        axes[name] = ({} if kit else {0: "batch"}) | {3: f"columns_{i}"}
    given: tuple[int, ...] | None = None
    if isinstance(generator, PatternKit):
        module: nn.Module = KitGraph(generator)
        outputs = list(KitGraph.outputs) + ([] if generator.given else list(KitGraph.made))
        inputs = [torch.arange(generator.roles), *inputs]
        names = ["roles", *names]
        axes |= {"roles": {0: "voices"}, "kit": {0: "voices"}, "tails": {0: "voices"}}
        axes |= {"gains": {0: "voices", 2: "frames"}, "residual": {2: "frames"}}
        axes |= {} if generator.given else {name: {2: "steps_made"} for name in KitGraph.made}
        given = (1, generator.roles, generator.layers, generator.frames) if generator.given else None
    elif isinstance(generator, PitchGridGenerator):
        module, outputs = GridGraph(generator), list(GridGraph.outputs)
        axes |= {name: {0: "batch", 2: "frames"} for name in outputs}
        given = (2, generator.grid.pitches, generator.frames) if generator.given else None
    else:
        assert isinstance(generator, Generator)
        module, outputs = SynthesisGraph(generator), list(SynthesisGraph.outputs)
        axes |= {name: {0: "batch", 2: "frames"} for name in outputs}
    if given is not None:
        inputs, names = [torch.rand(given), *inputs], ["given", *names]
        axes["given"] = ({} if kit else {0: "batch"}) | {len(given) - 1: "given_frames"}
    return _export(module, tuple(inputs), names, outputs, axes, weights)


def ring_graph(vocoder: RingVocoder, *, weights: bool = True) -> bytes:
    """The backbone of a ring vocoder as ONNX bytes, with the weights or without."""
    frames = 2 * vocoder.mel.n_fft // vocoder.mel.hop
    inputs = torch.zeros(2, vocoder.mel.n_mels, frames), torch.zeros(2, vocoder.config.noise_channels, frames)
    outputs = ["tone", "air", "click", "hiss"]
    axes = _axes(["log_mel", "noise"], {0: "batch", 2: "frames"}) | _axes(outputs, {0: "batch", 1: "frames"})
    return _export(RingGraph(vocoder), inputs, ["log_mel", "noise"], outputs, axes, weights)


def _export(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    names: list[str],
    outputs: list[str],
    axes: dict[str, dict[int, str]],
    weights: bool,
) -> bytes:
    try:
        import onnx
    except ImportError as error:
        raise ConfigError("exporting needs the package onnx. Install it: pip install loopwright[export]") from error
    buffer = io.BytesIO()
    stored = set(module.state_dict())  # what a model file holds: other buffers are constants, and stay in the graph
    if not weights:  # the exporter keeps one of several equal tensors, and biases of a trained model may well be equal
        module = copy.deepcopy(module)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
                if name in stored:
                    tensor.copy_(torch.rand(tensor.shape, generator=generator))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter speaks of its successor, and of shapes that it takes as constants
        torch.onnx.export(
            module.eval(),
            inputs,
            buffer,  # type: ignore[arg-type]  # it takes files, too
            input_names=names,
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
            do_constant_folding=weights,
        )
    model = onnx.load_model_from_string(buffer.getvalue())
    model.graph.name = type(module).__name__
    if not weights:
        for tensor in model.graph.initializer:
            if tensor.name in stored:
                tensor.ClearField("raw_data")
                tensor.data_location = onnx.TensorProto.EXTERNAL
                del tensor.external_data[:]
                tensor.external_data.add(key="location", value="weights")
    onnx.checker.check_model(model) if weights else None
    out: bytes = model.SerializeToString(deterministic=True)
    return out


def write_graph(path: Path, graph: bytes, metadata: Mapping[str, Any]) -> None:
    """Write a graph with `metadata` (JSON values) in its properties, atomically."""
    import onnx

    model = onnx.load_model_from_string(graph)
    model.producer_name = "loopwright"
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in metadata.items()})
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
