"""Networks that hear pitch, on the circular constant-Q: Basic Pitch, our own of the same kind, and plain folds of the rows.

Basic Pitch (Bittner et al., ICASSP 2022, arXiv:2203.09893; Spotify AB, Apache-2.0) is six convolutions on harmonically
stacked rows: rows shifted by 36 log2(h), so that all harmonics of a note stand at its fundamental. Its own front-end is
replaced by the rows of `audio.constantq`, which stand on the same frequencies, three a semitone from A0; the weights are read
from the published graph as they are. Time wraps.

Shapes: B batch, K rows of the constant-Q, T frames, C channels. Frequency on axis 2, time on axis 3; 264 rows are 88 semitones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopwright.errors import MelMismatchError, WeightsError
from loopwright.features.base import Tap
from loopwright.features.bridge import resize, time_weights

ROWS = 264  # of a contour: three a semitone of a piano
SEMITONES = 88
LOWEST_NOTE = 21  # MIDI note of semitone 0
HARMONICS = (0.5, 1, 2, 3, 4, 5, 6, 7)
RANGE_DB = 80.0  # below the loop's loudest cell, what is heard
SCALE, OFFSET = 2.480741, -0.876918  # the published BatchNorm of the input
PUBLISHED_ROWS = 309  # of Basic Pitch's own constant-Q: above, its stack holds zeros
CENTRE, SPREAD = -3.4, 1.1  # decades: brings rows of loops near zero mean and unit variance


class Heard(NamedTuple):
    """Logits, or their sigmoids: what is heard."""

    contour: Tensor  # (B, 264, T)
    notes: Tensor  # (B, 88, T)
    onsets: Tensor  # (B, 88, T)


class Maps(NamedTuple):
    """Feature maps before the last convolutions."""

    contour: Tensor  # (B, C, 264, T)
    notes: Tensor  # (B, C, 88, T)
    onsets: Tensor  # (B, C, 88, T)


def harmonic_stack(log_rows: Tensor, rows: int) -> Tensor:
    """The network's input: loudness below the loop's top, stacked by harmonics.

    Args:
        log_rows: log10 magnitudes, (B, K, T).
        rows: how many of the K rows are used; where a harmonic lies above them, the stack is 0.

    Returns:
        (B, 8, 264, T).
    """
    level_db = 20.0 * log_rows
    top = level_db.amax(dim=(1, 2), keepdim=True)
    x = ((level_db - top) / RANGE_DB + 1.0).clamp(0.0, 1.0) * SCALE + OFFSET
    x = x[:, :rows]
    shifts = [round(36 * math.log2(h)) for h in HARMONICS]
    before, after = max(-min(shifts), 0), max(max(shifts) + ROWS - rows, 0)
    x = F.pad(x, (0, 0, before, after))
    return torch.stack([x[:, before + shift : before + shift + ROWS] for shift in shifts], dim=1)


def circular_conv(x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: int = 1, pad: int | None = None) -> Tensor:
    """Convolution that wraps time and continues frequency with zeros. (B, C, F, T) -> (B, K, F / stride, T).

    `stride` and `pad` are those of frequency; pad is by itself half the kernel.
    """
    side = weight.shape[3] // 2
    assert x.shape[3] >= side, (x.shape, weight.shape)
    x = torch.cat([x[..., -side:], x, x[..., :side]], dim=3) if side else x
    return F.conv2d(x, weight, bias, stride=(stride, 1), padding=(weight.shape[2] // 2 if pad is None else pad, 0))


class PitchNet(nn.Module):
    """Basic Pitch's graph behind its front-end, in any width; published: 8, 32, 32.

    Args:
        contour, notes, onsets: maps of the three branches.
        rows: of the constant-Q that are used.

    Shape: log10 rows (B, K, T) -> Heard.
    """

    def __init__(self, contour: int = 8, notes: int = 32, onsets: int = 32, *, rows: int = PUBLISHED_ROWS) -> None:
        super().__init__()
        self.rows = rows
        stack = len(HARMONICS)
        self.contour_maps = nn.Conv2d(stack, contour, (39, 3))
        self.contour_out = nn.Conv2d(contour, 1, (5, 5))
        self.note_maps = nn.Conv2d(1, notes, (7, 7))
        self.note_out = nn.Conv2d(notes, 1, (3, 7))
        self.onset_maps = nn.Conv2d(stack, onsets, (5, 5))
        self.onset_out = nn.Conv2d(onsets + 1, 1, (3, 3))

    def hear(self, log_rows: Tensor, *, heads: bool = True) -> tuple[Maps, Heard | None]:
        """Maps and, unless only these are wanted, logits."""
        if log_rows.ndim != 3 or log_rows.shape[1] < self.rows or log_rows.shape[2] < 4:
            raise MelMismatchError(
                f"a transcriber hears constant-Q rows (batch, {self.rows} or more, frames) from A0 on, three a semitone, "
                f"got shape {tuple(log_rows.shape)}. Prepare the data as tone48."
            )
        stack = harmonic_stack(log_rows, self.rows)
        contour_maps = F.relu(circular_conv(stack, self.contour_maps.weight, self.contour_maps.bias))
        contour = circular_conv(contour_maps, self.contour_out.weight, self.contour_out.bias)
        note_maps = F.relu(circular_conv(contour.sigmoid(), self.note_maps.weight, self.note_maps.bias, stride=3, pad=2))
        onset_maps = F.relu(circular_conv(stack, self.onset_maps.weight, self.onset_maps.bias, stride=3, pad=1))
        maps = Maps(contour_maps, note_maps, onset_maps)
        if not heads:
            return maps, None
        notes = circular_conv(note_maps, self.note_out.weight, self.note_out.bias)
        joined = torch.cat([notes.sigmoid(), onset_maps], dim=1)
        onsets = circular_conv(joined, self.onset_out.weight, self.onset_out.bias)
        return maps, Heard(contour[:, 0], notes[:, 0], onsets[:, 0])

    def forward(self, log_rows: Tensor) -> Heard:
        heard = self.hear(log_rows)[1]
        assert heard is not None
        return heard


# Layer of ours -> shape of its kernel in the published graph (out, in, time, frequency), which tells it from all others.
PUBLISHED = {
    "contour_maps": (8, 8, 3, 39),
    "contour_out": (1, 8, 5, 5),
    "note_maps": (32, 1, 7, 7),
    "note_out": (1, 32, 7, 3),
    "onset_maps": (32, 8, 5, 5),
    "onset_out": (1, 33, 3, 3),
}


def read_basic_pitch(path: Path) -> PitchNet:
    """Basic Pitch from its published ONNX file, frozen.

    Raises WeightsError if the file is missing or another, or if the library onnx is not installed.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise WeightsError(f"{path} needs the library onnx. Run: pip install 'loopwright[export]'") from error
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no file {path}. Give the ONNX file of Basic Pitch's ICASSP 2022 model.")
    try:
        graph = onnx.load(str(path)).graph
    except Exception as error:  # protobuf's own, by version
        raise WeightsError(f"{path} is not a whole ONNX file. Get it again.") from error
    arrays = {tensor.name: tensor for tensor in graph.initializer}
    tensors: dict[str, Tensor] = {}
    for node in graph.node:
        if node.op_type != "Conv" or len(node.input) != 3 or node.input[1] not in arrays:
            continue
        for layer, shape in PUBLISHED.items():
            if tuple(arrays[node.input[1]].dims) == shape:
                weight = torch.from_numpy(numpy_helper.to_array(arrays[node.input[1]]).copy())
                tensors[f"{layer}.weight"] = weight.transpose(2, 3).contiguous()
                tensors[f"{layer}.bias"] = torch.from_numpy(numpy_helper.to_array(arrays[node.input[2]]).copy())
    missing = [layer for layer in PUBLISHED if f"{layer}.weight" not in tensors]
    if missing:
        raise WeightsError(f"{path} is not Basic Pitch's ICASSP 2022 model: no convolution of the shape of {missing[0]}.")
    net = PitchNet()
    net.load_state_dict(tensors)
    return net.requires_grad_(False).eval()


def pitch_net(tensors: Mapping[str, Tensor], *, rows: int) -> PitchNet:
    """A network of ours from the tensors of its file, frozen; its widths are read off them. Raises WeightsError."""
    try:
        widths = [len(tensors[f"{name}.bias"]) for name in ("contour_maps", "note_maps", "onset_maps")]
        net = PitchNet(*widths, rows=rows)
        net.load_state_dict({key: value.float() for key, value in tensors.items()})
    except (KeyError, RuntimeError) as error:
        raise WeightsError(f"these are not the weights of a transcriber ({str(error).splitlines()[0]}).") from error
    return net.requires_grad_(False).eval()


def fold(x: Tensor, rows: int, frames: int) -> Tensor:
    """Cells of `rows` x `frames` as channels: (B, C, F, T) -> (B, C rows frames, F / rows, T / frames)."""
    b, c, f, t = x.shape
    return x.reshape(b, c, f // rows, rows, t // frames, frames).permute(0, 1, 3, 5, 2, 4).flatten(1, 3)


class TranscriberFeatures(nn.Module):
    """A transcriber as a feature network for discriminators: frozen, differentiable to its input.

    Taps, finest first: the contour's maps, and those of notes and onsets side by side. Both are folded, which loses nothing:
    contours by a semitone and two frames, the others by two and two. Heads on maps of 264 rows would cost six times as much.

    Args:
        name: of the network, in results.
        net: see `PitchNet`; frozen here.
        frames, heard_frames: frames a bar of the rows, and of what the network is given. Basic Pitch was trained at 86 a
            second; a bar of 2 s has 172 of these. 192 hear onsets a little better than 128, notes as well, and take half as
            long again.

    Shape: log10 rows (B, K, T) -> [(B, 6 C, 88, U / 2), (B, 4 C', 44, U / 2)] with U = T heard_frames / frames.
    """

    time: Tensor

    def __init__(self, name: str, net: PitchNet, *, frames: int = 256, heard_frames: int = 128) -> None:
        super().__init__()
        self.name, self.net = name, net
        c, n, o = (layer.out_channels for layer in (net.contour_maps, net.note_maps, net.onset_maps))
        self.taps = (Tap("contour", 6 * c, 3, 2), Tap("notes+onsets", 4 * (n + o), 6, 2))
        self.register_buffer("time", time_weights(frames, heard_frames), persistent=False)
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> TranscriberFeatures:  # noqa: ARG002
        """Stay in eval mode."""
        return super().train(False)

    def forward(self, log_rows: Tensor) -> list[Tensor]:
        maps, _ = self.net.hear(resize(log_rows, self.time), heads=False)
        return [fold(maps.contour, 3, 2), fold(torch.cat([maps.notes, maps.onsets], dim=1), 2, 2)]

    def posteriors(self, log_rows: Tensor) -> Heard:
        """What is heard, from 0 to 1: contour (B, 264, U), notes and onsets (B, 88, U)."""
        return Heard(*(logits.sigmoid() for logits in self.net(resize(log_rows, self.time))))


class Folds(nn.Module):
    """Log magnitudes folded into channels: what no transcriber hears, the sound, without weights and nearly for nothing.

    Shape: (B, K, T) -> [(B, fold * fold, K / fold, T / fold), ...].
    """

    name = "folds"

    def __init__(self, folds: Sequence[int] = (8, 16)) -> None:
        super().__init__()
        self.taps = tuple(Tap(f"fold{fold}", fold * fold, fold) for fold in folds)

    def forward(self, log_rows: Tensor) -> list[Tensor]:
        coarsest = self.taps[-1].stride
        if log_rows.ndim != 3 or log_rows.shape[1] % coarsest or log_rows.shape[2] % coarsest:
            raise MelMismatchError(
                f"the feature network folds needs rows (batch, bands, frames) in multiples of {coarsest}, "
                f"got {tuple(log_rows.shape)}."
            )
        x = (log_rows[:, None] - CENTRE) / SPREAD
        return [F.pixel_unshuffle(x, tap.stride) for tap in self.taps]
