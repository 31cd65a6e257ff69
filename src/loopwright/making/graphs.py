"""Generator and ring vocoder as ONNX graphs, for `making.onnx_model`.

What is exported is the networks alone: the mapping (latent to style), the synthesis (styles and noise to z-scores) and the
vocoder's backbone. The circular STFTs around the backbone stay in numpy (`making.onnx_ring`).

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
import torch.nn.functional as F
from torch import Tensor, nn

from loopwright.errors import ConfigError
from loopwright.files import atomic_path
from loopwright.models.generator import Generator, StyledConv, ToMel
from loopwright.models.kernels import pad_cylinder
from loopwright.models.layers import ModulatedConv, blur_taps, upsample
from loopwright.vocoder.ring import RingVocoder

OPSET = 17
WEIGHTS = "net."  # before the names of weights in a graph; after it they are those of the state dict


class MappingGraph(nn.Module):
    """z (B, Z), truncation (1,), and labels (B,) of a conditional generator -> styles (B, W)."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.net = generator

    def forward(self, z: Tensor, truncation: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.net.w_avg + (self.net.mapping(z, labels) - self.net.w_avg) * truncation


class SynthesisGraph(nn.Module):
    """ws (B, L, W, S) and noise maps (B, 1, m, t) -> z-scored log-mels (B, M, T), as `Generator.synthesis`.

    One style for all time is S = 1. The number of turns follows from the size of the first noise map. Styles are applied by
    splitting time into S steps, so that they are computed once a step and the graph has no fixed length.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.net = generator

    def forward(self, ws: Tensor, *noise: Tensor) -> Tensor:
        net = self.net
        constant = net.constant
        column = torch.arange(noise[0].shape[3]) % constant.shape[3]
        x = constant[..., column].expand(ws.shape[0], -1, -1, -1)
        x = self._styled(net.first, x, ws[:, 0], noise[0])
        y = self._to_mel(net.to_mel[0], x, ws[:, 1])
        for i, (up, conv, to_mel) in enumerate(zip(net.ups, net.convs, net.to_mel[1:], strict=True)):
            x = self._styled(up, x, ws[:, 2 * i + 1], noise[2 * i + 1])
            x = self._styled(conv, x, ws[:, 2 * i + 2], noise[2 * i + 2])
            y = upsample(y, mel=net.dims == 2, circular=net.circular) + self._to_mel(to_mel, x, ws[:, 2 * i + 3])
        y = y[:, 0] if net.dims == 2 else y[:, :, 0]
        return y if not net.bound else net.bound * torch.tanh(y * (net.gain / net.bound))

    @staticmethod
    def _by_step(x: Tensor, factor: Tensor) -> Tensor:
        """(B, C, M, T) times (B, C, S), each step for T/S frames."""
        b, c, m, t = x.shape
        s = factor.shape[2]
        return (x.reshape(b, c, m, s, -1) * factor[:, :, None, :, None]).reshape(b, c, m, t)

    @staticmethod
    def _styles(conv: ModulatedConv, w: Tensor) -> Tensor:
        return conv.affine(w.transpose(1, 2)).transpose(1, 2)

    def _styled(self, layer: nn.Module, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        assert isinstance(layer, StyledConv)
        conv, root2 = layer.conv, 2**0.5
        styles = self._styles(conv, w)
        weight = conv.weight * conv.scale
        norms = torch.rsqrt(torch.matmul(weight.square().sum(dim=(2, 3)), styles.square()) + 1e-8)
        x = self._by_step(x, styles)
        mel = conv.kernel[0] > 1
        if conv.up:
            x = pad_cylinder(x, 0, 1, circular=conv.circular)
            x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=(2, 2) if mel else (1, 2))
            taps = blur_taps(4.0 if mel else 2.0)
            kernel = taps[None] * blur_taps(1.0)[:, None] if mel else taps[None]
            channels = int(conv.weight.shape[0])
            x = F.conv2d(x, kernel.repeat(channels, 1, 1, 1), padding=(int(mel), 0), groups=channels)[..., 1:-1]
        else:
            x = pad_cylinder(x, 0, conv.kernel[1] // 2, circular=conv.circular)
            x = F.conv2d(x, weight, padding=(conv.kernel[0] // 2, 0))
        x = self._by_step(x, norms * root2)
        x = x + (layer.noise_strength * root2)[:, None, None] * noise + (layer.bias * root2)[:, None, None]
        return F.leaky_relu(x, 0.2)

    def _to_mel(self, layer: nn.Module, x: Tensor, w: Tensor) -> Tensor:
        assert isinstance(layer, ToMel)
        x = self._by_step(x, self._styles(layer.conv, w))
        return F.conv2d(x, layer.conv.weight * layer.conv.scale) + layer.bias[:, None, None]


class RingGraph(nn.Module):
    """The backbone: log_mel (B, M, T) and noise (B, C, T) -> tone, air, click, hiss (B, T, ...)."""

    def __init__(self, vocoder: RingVocoder) -> None:
        super().__init__()
        self.net = vocoder

    def forward(self, log_mel: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        return self.net.backbone(log_mel, noise)


def _axes(names: Sequence[str], axes: Mapping[int, str]) -> dict[str, dict[int, str]]:
    return {name: dict(axes) for name in names}


def generator_graphs(generator: Generator, *, weights: bool = True) -> dict[str, bytes]:
    """`mapping` and `synthesis` as ONNX bytes, with the weights or without."""
    z, one = torch.randn(2, generator.z_dim), torch.ones(1)
    labels = (torch.zeros(2, dtype=torch.int64),) if generator.classes else ()
    names = ["z", "truncation", *(["labels"] if labels else [])]
    axes = {name: {0: "batch"} for name in names if name != "truncation"}
    mapping = _export(MappingGraph(generator), (z, one, *labels), names, ["w"], axes | {"w": {0: "batch"}}, weights)
    ws = torch.randn(2, generator.n_styles, generator.w_dim, generator.constant.shape[3])
    maps = [torch.randn(2, 1, m, t) for m, t in generator.noise_shapes()]
    names = [f"noise_{i}" for i in range(len(maps))]
    axes = {"ws": {0: "batch", 3: "steps"}, "log_mel": {0: "batch", 2: "frames"}}
    axes |= {name: {0: "batch", 3: f"columns_{i}"} for i, name in enumerate(names)}
    synthesis = _export(SynthesisGraph(generator), (ws, *maps), ["ws", *names], ["log_mel"], axes, weights)
    return {"mapping": mapping, "synthesis": synthesis}


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
    if not weights:  # the exporter keeps one of several equal tensors, and biases of a trained model may well be equal
        module = copy.deepcopy(module)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for tensor in [*module.parameters(), *module.buffers()]:
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
            if tensor.name.startswith(WEIGHTS):
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
