"""3x3 convolutions padded to keep the grid, with time wrapping round where asked, and no padded copy of the input.

Copying a padded input costs as much as a depthwise convolution itself. So the convolution pads with zeros, natively, and
the first and last column then get what the other end of the loop owes them. TensorFlow's "same" wants, at stride 2 on
even sizes, no zero before and one after; there the kernel gets a leading row of zeros instead: four taps from -1 to 2 are
the three taps from 0 to 2.

Shapes: B batch, C channels in, K channels out, F bands, U frames (time last).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d, pad


def same_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    circular: bool,
    stride: int = 1,
    groups: int = 1,
    tensorflow: bool = False,
) -> Tensor:
    """3x3 convolution. (B, C, F, U) with (K, C/groups, 3, 3) -> (B, K, F/stride, U/stride), sizes rounded up.

    Frequency is always continued with zeros; time by itself if `circular`, else with zeros. Padding is 1 on every side,
    or TensorFlow's "same" (they differ at stride 2 on even sizes). The gradient goes to the input only.
    """
    bands, frames = x.shape[2:]
    early_f, early_t = (int(tensorflow and stride == 2 and size % 2 == 0) for size in (bands, frames))
    if early_f or early_t:
        weight = pad(weight, (early_t, 0, early_f, 0))
        if x.is_contiguous(memory_format=torch.channels_last):
            weight = weight.contiguous(memory_format=torch.channels_last)
    if circular and stride == 2 and frames % 2:
        raise ValueError(f"a circle of {frames} frames cannot be halved")
    device = x.device.type
    if torch.is_autocast_enabled(device):
        # Forward and backward in one type. On a CPU a depthwise convolution's gradient takes ten times as long in bfloat16.
        slow = device == "cpu" and groups == x.shape[1] > 1
        dtype = torch.float32 if slow else torch.get_autocast_dtype(device)
        x, weight = x.to(dtype), weight.to(dtype)
        bias = None if bias is None else bias.to(dtype)
    with torch.autocast(device, enabled=False):
        if not circular:
            return conv2d(x, weight, bias, stride, 1, 1, groups)
        out: Tensor = _RingConv.apply(x, weight, bias, stride, groups)  # type: ignore[no-untyped-call]
        return out


def _edges(frames: int, taps: int, stride: int) -> list[tuple[int, int, slice]]:
    """What the far end owes: (output column, input column, kernel columns)."""
    edges = []
    if taps == 3:  # the first of four is a zero: nothing reaches back
        edges.append((0, -1, slice(0, 1)))
    last_column = (frames - 1) // stride
    if stride * last_column - 1 + taps - 1 == frames:
        edges.append((-1, 0, slice(taps - 1, None)))
    return edges


def _column(x: Tensor, index: int) -> Tensor:
    return x.narrow(3, index % x.shape[3], 1)


class _RingConv(torch.autograd.Function):
    """Zero-padded convolution, then the columns at the seam. Gradient to the input only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, groups: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.groups = stride, groups
        y = conv2d(x, weight, bias, stride, 1, 1, groups)
        for to, of, taps in _edges(x.shape[3], weight.shape[3], stride):
            _column(y, to).add_(conv2d(_column(x, of), weight[..., taps], None, (stride, 1), (1, 0), 1, groups))
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None, None]:
        x, weight = ctx.saved_tensors
        grad_x = _input_gradient(grads[0], x, weight, [ctx.stride, ctx.stride], [1, 1], ctx.groups)
        for to, of, taps in _edges(x.shape[3], weight.shape[3], ctx.stride):
            column = _input_gradient(
                _column(grads[0], to), _column(x, of), weight[..., taps], [ctx.stride, 1], [1, 0], ctx.groups
            )
            _column(grad_x, of).add_(column)
        return grad_x, None, None, None, None


def _input_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: list[int], padding: list[int], groups: int) -> Tensor:
    gradient: Tensor = torch.ops.aten.convolution_backward(
        grad, x, weight, None, stride, padding, [1, 1], False, [0, 0], groups, [True, False, False]
    )[0]
    return gradient
