"""Layers of StyleGAN2 (arXiv:1912.04958) on a cylinder: time wraps round, mel bands do not.

Shapes: B batch, C channels, M mel positions, T time positions, W style size. Feature maps are (B, C, M, T).
"""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopwright.models.kernels import depthwise_conv, map_conv, pad_cylinder, scale_and_pad

M = TypeVar("M", bound=nn.Module)


def channels_last(module: M) -> M:
    """The module with its convolutions' weights in the layout they run fastest in; their outputs follow."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


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
