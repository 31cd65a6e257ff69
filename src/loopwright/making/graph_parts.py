"""The layers of generators written for export to ONNX, and the graphs of those that draw notes or drums. See `making.graphs`.

Styles are applied by splitting time into S steps, so that they are computed once a step and a graph has no fixed length.

Shapes: B batch, L style inputs, W style, S steps, C channels, M mel bands, T frames, P pitches, H harmonics, R residual bands
or roles, V voices, Y layers, K lags, E tails, D grid steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopwright.models.generator import Generator, StyledConv, ToMel
from loopwright.models.kernels import pad_cylinder
from loopwright.models.layers import ModulatedConv, blur_taps, upsample
from loopwright.models.pattern_kit import (
    GAIN_DECADES,
    KIT_HIGH,
    KIT_LOW,
    LN10,
    REST_HIGH,
    REST_LOW,
    PatternKit,
    draw_hits,
    power,
)
from loopwright.models.pitch_grid import FAINT, PitchGridGenerator
from loopwright.models.trunk import Trunk


def _by_step(x: Tensor, factor: Tensor) -> Tensor:
    """(B, C, M, T) times (B, C, S), each step for T/S frames."""
    b, c, m, t = x.shape
    s = factor.shape[2]
    return (x.reshape(b, c, m, s, -1) * factor[:, :, None, :, None]).reshape(b, c, m, t)


def _styles(conv: ModulatedConv, w: Tensor) -> Tensor:
    return conv.affine(w.transpose(1, 2)).transpose(1, 2)


def styled(layer: nn.Module, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
    """`StyledConv` with styles (B, W, S)."""
    assert isinstance(layer, StyledConv)
    conv, root2 = layer.conv, 2**0.5
    styles = _styles(conv, w)
    weight = conv.weight * conv.scale
    norms = torch.rsqrt(torch.matmul(weight.square().sum(dim=(2, 3)), styles.square()) + 1e-8)
    x = _by_step(x, styles)
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
    x = _by_step(x, norms * root2)
    x = x + (layer.noise_strength * root2)[:, None, None] * noise + (layer.bias * root2)[:, None, None]
    return F.leaky_relu(x, 0.2)


def to_mel(layer: nn.Module, x: Tensor, w: Tensor) -> Tensor:
    """`ToMel` with styles (B, W, S)."""
    assert isinstance(layer, ToMel)
    x = _by_step(x, _styles(layer.conv, w))
    return F.conv2d(x, layer.conv.weight * layer.conv.scale) + layer.bias[:, None, None]


def features(net: Generator, ws: Tensor, noise: Sequence[Tensor], beside: Sequence[Tensor] | None = None) -> Iterator[Tensor]:
    """`Generator.features` with styles (B, L, W, S)."""
    column = torch.arange(noise[0].shape[3]) % net.constant.shape[3]
    x = net.constant[..., column].expand(ws.shape[0], -1, -1, -1)
    x = styled(net.first, x if beside is None else x + beside[0], ws[:, 0], noise[0])
    yield x
    for i, (up, conv) in enumerate(zip(net.ups, net.convs, strict=True)):
        x = styled(up, x, ws[:, 2 * i + 1], noise[2 * i + 1])
        x = styled(conv, x if beside is None else x + beside[i + 1], ws[:, 2 * i + 2], noise[2 * i + 2])
        yield x


class GridGraph(nn.Module):
    """A score (B, P, T) if one is given, ws (B, L, W, S), noise (B, 1, 1, t) -> score, gains (B, H, T), residual (B, R, T).

    As `PitchGridGenerator.parts`.
    """

    outputs = ("score", "gains", "residual")

    def __init__(self, generator: PitchGridGenerator) -> None:
        super().__init__()
        self.net = generator

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        net = self.net
        given, (ws, *noise) = (inputs[0], inputs[1:]) if net.given else (None, inputs)
        beside = None
        if net.score_input is not None:
            assert given is not None
            beside = net.score_input(given)
        notes: Tensor | None = None
        sound: Tensor | None = None
        for i, x in enumerate(features(net, ws, noise, beside)):
            notes = None if notes is None else upsample(notes, mel=False, circular=net.circular)
            sound = None if sound is None else upsample(sound, mel=False, circular=net.circular)
            if i in net.score_scales:
                part = to_mel(net.to_score[i - net.score_scales[0]], x, ws[:, 2 * i])
                notes = part if notes is None else notes + part
            if i in net.sound_scales:
                part = to_mel(net.to_sound[i - net.sound_scales[0]], x, ws[:, 2 * i + 1])
                sound = part if sound is None else sound + part
        assert notes is not None
        assert sound is not None
        level: Tensor = net.score_range(notes[:, :, 0])
        if given is not None:
            level = level * (given + FAINT)
        harmonics = net.grid.harmonics
        return level, net.gains_range(sound[:, :harmonics, 0]), net.residual_range(sound[:, harmonics:, 0])


def _trunk(
    net: Trunk, ws: Tensor, noise: Sequence[Tensor], *, which: Tensor | None = None, heard: Tensor | None = None
) -> Tensor:
    """`Trunk` with styles (B, S, W, steps); its turns follow from the first noise map."""
    if which is None:
        x = net.constant[..., torch.arange(noise[0].shape[3]) % net.columns].expand(ws.shape[0], -1, -1, -1)
    else:
        x = net.constant[which]
    x = _hear(net, styled(net.first, x, ws[:, 0], noise[0]), heard, 0)
    y = to_mel(net.outs[0], x, ws[:, 1])
    for i, (up, conv, out) in enumerate(zip(net.ups, net.convs, net.outs[1:], strict=True)):
        x = _hear(net, styled(up, x, ws[:, 2 * i + 1], noise[2 * i + 1]), heard, i + 1)
        x = styled(conv, x, ws[:, 2 * i + 2], noise[2 * i + 2])
        y = upsample(y, mel=False, circular=net.circular) + to_mel(out, x, ws[:, 2 * i + 3])
    return y[:, :, 0]


def _hear(net: Trunk, x: Tensor, heard: Tensor | None, scale: int) -> Tensor:
    if net.ears is None:
        return x
    assert heard is not None
    summed = heard.reshape(heard.shape[0], heard.shape[1], x.shape[3], -1).sum(dim=3)
    around = torch.cat([summed[..., -1:], summed, summed[..., :1]], dim=-1)
    return x + net.ears[scale](around)[:, :, None]


class KitGraph(nn.Module):
    """A pattern (1, R, Y, T) if one is given, roles (V,), ws (1, L, W, S), noise -> kit, tails, gains, residual.

    As `PatternKit.parts` for one loop: kit (V, Y, M, K), tails (V, Y, E), gains (V, Y, T), residual (1, M, T), and of a
    pattern that is made velocity and offset (1, R, D).
    """

    outputs = ("kit", "tails", "gains", "residual")
    made = ("velocity", "offset")

    def __init__(self, generator: PatternKit) -> None:
        super().__init__()
        self.net = generator

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        net = self.net
        given, (roles, ws, *maps) = (inputs[0], inputs[1:]) if net.given else (None, inputs)
        first, second = net.borders
        made: tuple[Tensor, ...] = ()
        if net.pattern is not None:
            count = len(net.pattern.lengths())
            y = _trunk(net.pattern, ws[:, :first], maps[:count])
            velocity = torch.sigmoid(4 * net.gain * y[:, : net.roles] - 2)
            offset = 0.5 * torch.tanh(net.gain * y[:, net.roles :])
            step = net.frames // (net.pattern.columns << (len(net.pattern.ups)))
            given, maps, made = draw_hits(velocity, offset * step, step, net.window_frames), maps[count:], (velocity, offset)
        assert given is not None
        kit_noise, room_noise = maps[: len(net.kit.lengths())], maps[len(net.kit.lengths()) :]
        room = _trunk(net.room, ws[:, second:], room_noise, heard=given.flatten(1, 2)) * net.gain
        styles = ws[:, first:second].mean(dim=3) + net.role_style[roles][:, None]
        y = _trunk(net.kit, styles[..., None], [x[0, 0][roles][:, None, None] for x in kit_noise], which=roles)
        kit = power(y, net.gain, net.colour[roles], net.start, KIT_LOW, KIT_HIGH)
        kit = kit.reshape(-1, net.layers, net.n_mels, net.kit_frames)
        tails = net.tail(styles[:, -1]).reshape(roles.shape[0], net.layers, -1).softmax(dim=-1)
        voices = net.roles * net.layers
        gains = (GAIN_DECADES * LN10 * torch.tanh(room[:, :voices])).exp()
        gains = gains.reshape(net.roles, net.layers, -1)[roles]
        residual = power(net.spread @ room[:, voices:], 1.0, room.new_zeros(()), net.rest_start, REST_LOW, REST_HIGH)
        return kit, tails, gains, residual, *made
