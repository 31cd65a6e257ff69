"""Layers of StyleGAN2 (arXiv:1912.04958) on a cylinder: time wraps round, mel bands do not.

Shapes: B batch, C channels, M mel positions, T time positions, W style size. Feature maps are (B, C, M, T).
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def channels_last(module: M) -> M:
    """The module with its convolutions' weights in the layout they run fastest in; their outputs follow."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


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


def _framed(x: Tensor, channels: int, frames: int) -> Tensor:
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


class _EnterDepthwise(torch.autograd.Function):
    """See `enter_depthwise`. Differentiable twice, for gradient penalties."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, beside: Tensor | None, wrap: bool) -> Tensor:
        ctx.channels, ctx.wrap = x.shape[1], wrap
        out = _framed(x, x.shape[1] + (0 if beside is None else beside.shape[1]), int(wrap))
        inner = out[..., 1:-1] if wrap else out
        inner[:, : x.shape[1]] = x
        if beside is not None:
            inner[:, x.shape[1] :] = beside
        if wrap:
            out[..., :1], out[..., -1:] = inner[..., -1:], inner[..., :1]
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        grad = grads[0][:, : ctx.channels]
        return _unwrap(grad) if ctx.wrap else grad, None, None


def enter_depthwise(x: Tensor, beside: Tensor | None = None, *, wrap: bool) -> Tensor:
    """What a depthwise 3x3 needs of a map, in one pass over it: more channels, time wrapped by a frame on both sides.

    Args:
        x: (B, C, M, T).
        beside: (B, K, 1, T), more channels, constants that are the same at all mel positions; None for none.
        wrap: continue the circle of time.

    Returns:
        (B, C + K, M, T + 2), or T without `wrap`.
    """
    out: Tensor = _EnterDepthwise.apply(x, beside, wrap)  # type: ignore[no-untyped-call]
    return out


class _ScaleAndPad(torch.autograd.Function):
    """See `scale_and_pad`. Differentiable twice, for path lengths."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, styles: Tensor, circular: bool) -> Tensor:
        ctx.save_for_backward(x, styles)
        ctx.circular = circular
        out = _framed(x, x.shape[1], 1)
        torch.mul(x, styles, out=out[..., 1:-1])
        if circular:
            out[..., :1], out[..., -1:] = out[..., -2:-1], out[..., 1:2]
        else:
            out[..., :1] = out[..., -1:] = 0.0
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, styles = ctx.saved_tensors
        (grad,) = grads
        inner = _unwrap(grad) if ctx.circular else grad[..., 1:-1]
        by_x = by_styles = None
        if ctx.needs_input_grad[1]:
            by_styles = (inner * x).sum_to_size(styles.shape)
        if ctx.needs_input_grad[0]:
            by_x = inner * styles
        return by_x, by_styles, None


def scale_and_pad(x: Tensor, styles: Tensor, *, circular: bool) -> Tensor:
    """A map (B, C, M, T) times its styles (B, C, 1, 1 or T), with a wrapped (or zero) frame on both sides: (B, C, M, T + 2).

    In one pass where it learns.
    """
    if torch.is_grad_enabled():
        out: Tensor = _ScaleAndPad.apply(x, styles, circular)  # type: ignore[no-untyped-call]
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


class EqualLinear(nn.Module):
    """Linear layer with equalised learning rate: weights are N(0, 1)/lr_mul and scaled when used.

    Shape: (..., in_features) -> (..., out_features).
    """

    def __init__(self, in_features: int, out_features: int, *, bias_init: float = 0.0, lr_mul: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_mul)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init / lr_mul))
        self.scale = in_features**-0.5 * lr_mul
        self.lr_mul = lr_mul

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2, rescaled to keep the variance (StyleGAN2's fused_leaky_relu)."""
    return F.leaky_relu(x, 0.2) * 2**0.5


class Mapping(nn.Module):
    """Latent to style: unit length, then fully connected layers at a hundredth of the learning rate.

    Shape: z (B, Z) -> w (B, W).
    """

    def __init__(self, z_dim: int, w_dim: int, layers: int, lr_mul: float = 0.01) -> None:
        super().__init__()
        sizes = [z_dim] + [w_dim] * layers
        self.layers = nn.ModuleList(EqualLinear(a, b, lr_mul=lr_mul) for a, b in zip(sizes[:-1], sizes[1:], strict=True))

    def forward(self, z: Tensor) -> Tensor:
        x = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        for layer in self.layers:
            x = leaky(layer(x))
        return x


def upsample(x: Tensor, *, mel: bool, circular: bool = True) -> Tensor:
    """Double time (and mel) with the filter [1, 3, 3, 1]/4, the linear interpolation of StyleGAN2's skip path.

    Written by phases: out[2i] = (x[i-1] + 3 x[i])/4, out[2i+1] = (3 x[i] + x[i+1])/4.
    """
    y = pad_cylinder(x, 0, 1, circular=circular)
    centre = 0.75 * y[..., 1:-1]
    x = torch.stack([centre + 0.25 * y[..., :-2], centre + 0.25 * y[..., 2:]], dim=-1).flatten(-2)
    if mel:
        y = F.pad(x, (0, 0, 1, 1))
        centre = 0.75 * y[..., 1:-1, :]
        x = torch.stack([centre + 0.25 * y[..., :-2, :], centre + 0.25 * y[..., 2:, :]], dim=-2).flatten(-3, -2)
    return x


def blur_taps(gain: float) -> Tensor:
    """The filter [1, 3, 3, 1]/8 times `gain`."""
    return torch.tensor([1.0, 3.0, 3.0, 1.0]) * (gain / 8)


def blur(x: Tensor, *, mel: bool, gain: float, pad_mel: int = 0) -> Tensor:
    """[1, 3, 3, 1]/8 filter along time (and mel), times `gain`: time gets 3 shorter, mel 3 - 2 `pad_mel`.

    One depthwise convolution: a quarter of the time of slices added up, and of two passes with one-dimensional taps.
    """
    taps = blur_taps(gain).to(x)
    kernel = taps[None] * blur_taps(1.0).to(x)[:, None] if mel else taps[None]
    return depthwise_conv(x, kernel.expand(x.shape[1], 1, *kernel.shape), padding=(pad_mel, 0))


class ModulatedConv(nn.Module):
    """Style-modulated convolution as one shared convolution (StyleGAN2 section 2.2, rearranged).

    Scaling the weights by a style s per sample equals scaling the input channels by s; demodulation divides each output
    channel by the norm of its scaled weights. Both are elementwise, so no per-sample weights and no grouped convolution.

    `up` doubles time (and mel): a transposed convolution of stride 2, then the [1, 3, 3, 1] blur.

    Shape: x (B, C, M, T), w (B, W) or one for each of T' steps (B, W, T') -> (B, K, M, T) or doubled.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        w_dim: int,
        *,
        kernel: tuple[int, int] = (3, 3),
        demodulate: bool = True,
        up: bool = False,
        circular: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, channels, *kernel))
        self.scale = (channels * kernel[0] * kernel[1]) ** -0.5
        self.affine = EqualLinear(w_dim, channels, bias_init=1.0)
        self.kernel = kernel
        self.demodulate = demodulate
        self.up = up
        self.circular = circular

    def _styles(self, w: Tensor, frames: int) -> Tensor:
        """(B, W) -> (B, C, 1, 1); a style for each of T' steps (B, W, T') -> (B, C, 1, frames), each held for its frames."""
        if w.dim() == 2:
            return self.affine(w)[:, :, None, None]
        assert frames % w.shape[-1] == 0, (frames, w.shape)
        w = w.repeat_interleave(frames // w.shape[-1], dim=-1)
        return self.affine(w.transpose(1, 2)).transpose(1, 2)[:, :, None, :]

    def parts(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor | None]:
        """The convolution of the scaled input, and what demodulation multiplies it by: (B, K, M, T), (B, K, 1, 1 or T)."""
        styles = self._styles(w, x.shape[-1])
        weight = self.weight * self.scale
        norms: Tensor | None = None
        if self.demodulate:
            norms = torch.einsum("bcmt,oc->bomt", styles.square(), weight.square().sum(dim=(2, 3)))
            norms = torch.rsqrt(norms + 1e-8)
            if norms.shape[-1] > 1 and self.up:
                norms = norms.repeat_interleave(2, dim=-1)
        styles = styles.to(x.dtype)
        if self.kernel[1] == 1 and not self.up:
            return F.conv2d(x * styles, weight, padding=(self.kernel[0] // 2, 0)), norms
        mel = self.kernel[0] > 1
        x = scale_and_pad(x, styles, circular=self.circular)
        if not self.up:  # zeros on the mel axis come from the convolution itself: no padded copy
            if mel:
                return map_conv(x, weight, padding=(self.kernel[0] // 2, 0)), norms
            return F.conv2d(x, weight), norms
        weight = weight.transpose(0, 1)
        if mel:
            x = map_conv(x, weight.contiguous(memory_format=torch.channels_last), stride=(2, 2), up=True)
        else:
            x = F.conv_transpose2d(x, weight, stride=(1, 2))
        # n + 2 frames became 2n + 5, the blur leaves 2n + 2, of which the outermost saw the padding alone
        return blur(x, mel=mel, gain=4.0 if mel else 2.0, pad_mel=int(mel))[..., 1:-1], norms

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x, norms = self.parts(x, w)
        return x if norms is None else x * norms
