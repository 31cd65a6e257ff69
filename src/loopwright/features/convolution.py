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
from torch.nn.functional import conv2d, fold, pad

FEW = 4  # channels of a first layer, at most


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
        dtype = torch.get_autocast_dtype(device)  # forward and backward in one type
        x, weight = x.to(dtype), weight.to(dtype)
        bias = None if bias is None else bias.to(dtype)
    with torch.autocast(device, enabled=False):
        out: Tensor = _FrozenConv.apply(x, weight, bias, stride, groups, circular)  # type: ignore[no-untyped-call]
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


class _FrozenConv(torch.autograd.Function):
    """Zero-padded convolution, then the columns at the seam of a circle. Gradient to the input only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, groups: int, circular: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.groups = stride, groups
        ctx.edges = _edges(x.shape[3], weight.shape[3], stride) if circular else []
        y = conv2d(x, weight, bias, stride, 1, 1, groups)
        for to, of, taps in ctx.edges:
            _column(y, to).add_(conv2d(_column(x, of), weight[..., taps], None, (stride, 1), (1, 0), 1, groups))
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        x, weight = ctx.saved_tensors
        grad_x = _input_gradient(grads[0], x, weight, [ctx.stride, ctx.stride], [1, 1], ctx.groups)
        for to, of, taps in ctx.edges:
            column = _input_gradient(
                _column(grads[0], to), _column(x, of), weight[..., taps], [ctx.stride, 1], [1, 0], ctx.groups
            )
            _column(grad_x, of).add_(column)
        return grad_x, None, None, None, None, None


def _input_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: list[int], padding: list[int], groups: int) -> Tensor:
    if x.shape[1] <= FEW and x.device.type == "cpu":
        return _gradient_to_few(grad, x, weight, stride, padding, groups)
    dtype = x.dtype
    if x.device.type == "cpu" and dtype == torch.bfloat16 and groups == x.shape[1]:  # takes ten times as long in bfloat16
        grad, weight, x = grad.float(), weight.float(), torch.empty_like(x, dtype=torch.float32)  # only its shape matters
    gradient: Tensor = torch.ops.aten.convolution_backward(
        grad, x, weight, None, stride, padding, [1, 1], False, [0, 0], groups, [True, False, False]
    )[0]
    return gradient.to(dtype)


def _gradient_to_few(grad: Tensor, x: Tensor, weight: Tensor, stride: list[int], padding: list[int], groups: int) -> Tensor:
    """The same for a first layer, whose few input channels leave the CPU's convolution mostly idle: 2 to 7 times as quick.

    One matrix product gives what each output cell owes each cell of its window, and `fold` adds the windows up.
    """
    out, each, *kernel = weight.shape
    if groups > 1:  # each group's outputs owe the others' inputs nothing
        own = torch.eye(groups, dtype=weight.dtype, device=weight.device)
        weight = torch.einsum("gocij,gh->gohcij", weight.reshape(groups, -1, each, *kernel), own)
    windows = weight.reshape(out, -1).T @ grad.permute(0, 2, 3, 1).reshape(len(grad), -1, out).transpose(1, 2)
    windows = windows.float() if windows.dtype == torch.bfloat16 else windows
    return fold(windows, tuple(x.shape[2:]), tuple(kernel), padding=tuple(padding), stride=tuple(stride)).to(x.dtype)
