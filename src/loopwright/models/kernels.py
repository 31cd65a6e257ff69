"""Fast forms of what layers compute, for CPUs above all: the same numbers as plain torch, in fewer passes over memory.

Each has a gradient of its own, which can be differentiated again. Without gradients, or where nothing is won, they are plain.

Shapes: B batch, C channels, M mel positions, T time positions. Feature maps are (B, C, M, T).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def pad_cylinder(x: Tensor, mel: int, time: int, *, circular: bool = True) -> Tensor:
    """Pad (B, C, M, T) by `mel` zeros on both mel sides and `time` wrapped (or zero) frames on both time sides."""
    if time:
        if circular:
            x = torch.cat([x[..., -time:], x, x[..., :time]], dim=-1)
        else:
            x = F.pad(x, (time, time))
    return F.pad(x, (0, 0, mel, mel)) if mel else x


class _MapConv(torch.autograd.Function):
    """A convolution of channels-last maps whose weight gradient is taken from contiguous copies.

    On a CPU the gradient to the input is as quick in either layout, but that to the weight takes twice as long channels last
    (0.62 against 1.14 s at 512 channels and 64 x 192), far more than the copies. Differentiable twice, for path lengths.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int], up: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.settings = ([*stride], [*padding], [1, 1], up, [0, 0], 1)
        return torch.convolution(x, weight, None, *ctx.settings)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        x, weight = ctx.saved_tensors
        by_input = by_weight = None
        gradient = torch.ops.aten.convolution_backward
        if ctx.needs_input_grad[0]:
            by_input = gradient(grads[0], x, weight, None, *ctx.settings, [True, False, False])[0]
        if ctx.needs_input_grad[1]:
            plain = (grads[0].contiguous(), x.contiguous(), weight.contiguous())
            by_weight = gradient(*plain, None, *ctx.settings, [False, True, False])[1]
        return by_input, by_weight, None, None, None


def map_conv(
    x: Tensor, weight: Tensor, *, stride: tuple[int, int] = (1, 1), padding: tuple[int, int] = (0, 0), up: bool = False
) -> Tensor:
    """`conv2d`, or with `up` `conv_transpose2d`, of 2-D maps, by the quickest way to train on a CPU."""
    learns = torch.is_grad_enabled() and weight.requires_grad
    if learns and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu"):
        out: Tensor = _MapConv.apply(x, weight, stride, padding, up)  # type: ignore[no-untyped-call]
        return out
    if up:
        return F.conv_transpose2d(x, weight, stride=stride, padding=padding)
    return F.conv2d(x, weight, stride=stride, padding=padding)


class _DepthwiseConv(torch.autograd.Function):
    """Forward in the input's own type, backward in single precision. Differentiable twice, for gradient penalties."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.settings = ([stride, stride], [*padding], [1, 1], False, [0, 0], len(weight))
        return torch.convolution(x, weight.to(x.dtype), None, *ctx.settings)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        needed = [*ctx.needs_input_grad[:2], False]
        single = x.float() if needed[1] else torch.empty_like(x, dtype=torch.float32)  # else only its shape matters
        gradient = torch.ops.aten.convolution_backward
        by_input, by_weight, _ = gradient(grads[0].float(), single, weight.float(), None, *ctx.settings, needed)
        by_input = None if by_input is None else by_input.to(x.dtype)
        return by_input, None if by_weight is None else by_weight.to(weight.dtype), None, None


def depthwise_conv(x: Tensor, weight: Tensor, *, stride: int = 1, padding: tuple[int, int] = (0, 0)) -> Tensor:
    """A convolution of each channel by itself: (B, C, M, T) with (C, 1, ..) -> (B, C, M', T').

    On a CPU its gradients are taken in single precision whatever autocast says: they take ten times as long in bfloat16.
    """
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            half = x.to(torch.get_autocast_dtype("cpu"))
            out: Tensor = _DepthwiseConv.apply(half, weight, stride, padding)  # type: ignore[no-untyped-call]
            return out
    return F.conv2d(x, weight, stride=stride, padding=padding, groups=len(weight))


def _room(x: Tensor, channels: int, frames: int) -> Tensor:
    """Room for a map of `channels` with `frames` more on both sides of time, in the layout of `x`."""
    layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    size = (x.shape[0], channels, x.shape[2], x.shape[3] + 2 * frames)
    return torch.empty(size, dtype=x.dtype, device=x.device, memory_format=layout)


def _unwrap(grad: Tensor) -> Tensor:
    """What a map is owed for itself and for its first and last frame, which stand wrapped beside it: T + 2 frames to T."""
    inner = grad[..., 1:-1].clone()
    inner[..., -1:] += grad[..., :1]
    inner[..., :1] += grad[..., -1:]
    return inner


class _Frame(torch.autograd.Function):
    """A map into a larger one, in one pass: times its styles, with more channels, with a frame on both sides of time.

    What `enter_depthwise` and `scale_and_pad` share. Differentiable twice, for gradient penalties and path lengths.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, styles: Tensor | None, beside: Tensor | None, sides: str) -> Tensor:
        """`sides`: "wrapped", "zero", or "none"."""
        ctx.save_for_backward(*(() if styles is None else (x, styles)))
        ctx.channels, ctx.sides = x.shape[1], sides
        out = _room(x, x.shape[1] + (0 if beside is None else beside.shape[1]), int(sides != "none"))
        inner = out if sides == "none" else out[..., 1:-1]
        if styles is None:
            inner[:, : x.shape[1]] = x
        else:
            torch.mul(x, styles, out=inner[:, : x.shape[1]])
        if beside is not None:
            inner[:, x.shape[1] :] = beside
        if sides == "wrapped":
            out[..., :1], out[..., -1:] = inner[..., -1:], inner[..., :1]
        elif sides == "zero":
            out[..., :1] = out[..., -1:] = 0.0
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        grad = grads[0][:, : ctx.channels]
        if ctx.sides == "wrapped":
            grad = _unwrap(grad)
        elif ctx.sides == "zero":
            grad = grad[..., 1:-1]
        if not ctx.saved_tensors:
            return grad, None, None, None
        x, styles = ctx.saved_tensors
        by_styles = (grad * x).sum_to_size(styles.shape) if ctx.needs_input_grad[1] else None
        return grad * styles if ctx.needs_input_grad[0] else None, by_styles, None, None


def enter_depthwise(x: Tensor, beside: Tensor | None = None, *, wrap: bool) -> Tensor:
    """What a depthwise 3x3 needs of a map, in one pass over it: more channels, time wrapped by a frame on both sides.

    Args:
        x: (B, C, M, T).
        beside: (B, K, 1, T), more channels, constants that are the same at all mel positions; None for none.
        wrap: continue the circle of time.

    Returns:
        (B, C + K, M, T + 2), or T without `wrap`.
    """
    sides = "wrapped" if wrap else "none"
    out: Tensor = _Frame.apply(x, None, beside, sides)  # type: ignore[no-untyped-call]
    return out


def scale_and_pad(x: Tensor, styles: Tensor, *, circular: bool) -> Tensor:
    """A map (B, C, M, T) times its styles (B, C, 1, 1 or T), with a wrapped (or zero) frame on both sides: (B, C, M, T + 2).

    In one pass where it learns.
    """
    if torch.is_grad_enabled():
        sides = "wrapped" if circular else "zero"
        out: Tensor = _Frame.apply(x, styles, None, sides)  # type: ignore[no-untyped-call]
        return out
    return pad_cylinder(x * styles, 0, 1, circular=circular)


class _Finish(torch.autograd.Function):
    """See `finish`. Differentiable twice, for path lengths."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, norms: Tensor, bias: Tensor, strength: Tensor, noise: Tensor | None) -> Tensor:
        y = finish(x, norms, bias, strength, noise)
        ctx.save_for_backward(x, norms, y, noise)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, norms, y, noise = ctx.saved_tensors
        root2 = 2**0.5
        grad = torch.ops.aten.leaky_relu_backward(grads[0], y, 0.2, True)
        by_x = grad * (norms * root2).to(grad) if ctx.needs_input_grad[0] else None
        by_norms = ((grad * x).sum_to_size(norms.shape) * root2).to(norms) if ctx.needs_input_grad[1] else None
        # what bias and noise strength get, in one small matrix product: (B, C, MT) with (B, MT, 1 or 2)
        maps = torch.ones_like(grad[:, :1]) if noise is None else torch.stack([torch.ones_like(noise), noise], dim=1)[:, :, 0]
        owed = grad.flatten(2) @ maps.to(grad).flatten(2).transpose(1, 2)
        owed = owed.sum(dim=0, dtype=torch.promote_types(grad.dtype, torch.float32)) * root2
        return by_x, by_norms, owed[:, 0], None if noise is None else owed[:, 1], None


def finish(x: Tensor, norms: Tensor, bias: Tensor, strength: Tensor, noise: Tensor | None) -> Tensor:
    """What follows a modulated convolution: demodulation, bias, noise, leaky ReLU.

    Passes over memory are what a large map costs, so factors that can be joined are, and the rest is in place. The map stays
    in the convolution's own type: what joins it is cast, not the map.

    Args:
        x: (B, C, M, T).
        norms: what demodulation multiplies it by, (B, C, 1, 1 or T).
        bias, strength: of each channel (C,); strength is that of the noise.
        noise: (B, 1, M, T), or None for none.
    """
    if torch.is_grad_enabled():
        out: Tensor = _Finish.apply(x, norms, bias, strength, noise)  # type: ignore[no-untyped-call]
        return out
    root2 = 2**0.5  # the gain of the leaky ReLU, moved to where the tensors are small
    y = torch.addcmul((bias[:, None, None] * root2).to(x), x, (norms * root2).to(x))
    if noise is not None:
        y = y.addcmul_((strength[:, None, None] * root2).to(x), noise.to(x))
    return F.leaky_relu_(y, 0.2)
