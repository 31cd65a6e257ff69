"""The seam-aware convolution against a plainly padded one, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from loopwright.features.convolution import same_conv


def padded_conv(x: Tensor, weight: Tensor, bias: Tensor, circular: bool, stride: int, groups: int, tensorflow: bool) -> Tensor:
    """The rules written out: 1 on each side; TensorFlow puts none before an even axis at stride 2."""
    before_f, before_t = (0 if tensorflow and stride == 2 and size % 2 == 0 else 1 for size in x.shape[2:])
    if circular:
        x = torch.cat([x[..., x.shape[3] - before_t :], x, x[..., :1]], dim=3)
        x = pad(x, (0, 0, before_f, 1))
    else:
        x = pad(x, (before_t, 1, before_f, 1))
    return conv2d(x, weight, bias, stride, 0, 1, groups)


@pytest.mark.parametrize("tensorflow", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize(("groups", "out"), [(1, 6), (4, 4), (2, 8)])
@pytest.mark.parametrize(("stride", "bands", "frames"), [(1, 5, 7), (2, 8, 12), (2, 7, 12), (1, 4, 1)])
def test_same_conv_is_the_padded_convolution(
    stride: int, bands: int, frames: int, groups: int, out: int, circular: bool, channels_last: bool, tensorflow: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 4, bands, frames, generator=generator, dtype=torch.float64)
    if channels_last:
        x = x.to(memory_format=torch.channels_last)
    x.requires_grad_(True)
    weight = torch.randn(out, 4 // groups, 3, 3, generator=generator, dtype=torch.float64)
    bias = torch.randn(out, generator=generator, dtype=torch.float64)
    got = same_conv(x, weight, bias, circular=circular, stride=stride, groups=groups, tensorflow=tensorflow)
    want = padded_conv(x, weight, bias, circular, stride, groups, tensorflow)
    torch.testing.assert_close(got, want)
    pull = torch.randn(got.shape, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(torch.autograd.grad(got, x, pull), torch.autograd.grad(want, x, pull))


def test_an_odd_circle_cannot_be_halved() -> None:
    with pytest.raises(ValueError, match="7 frames cannot be halved"):
        same_conv(torch.zeros(1, 1, 4, 7), torch.zeros(1, 1, 3, 3), None, circular=True, stride=2)


@pytest.mark.parametrize(("channels", "groups", "out"), [(8, 1, 4), (8, 8, 8), (1, 1, 8), (4, 4, 8)])
def test_under_autocast_forward_and_gradient_agree(channels: int, groups: int, out: int) -> None:
    """bfloat16 within its rounding: many channels, each by itself, and a first layer's few."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, channels, 6, 8, generator=generator).requires_grad_()
    weight = torch.randn(out, channels // groups, 3, 3, generator=generator)
    plain = same_conv(x, weight, None, circular=True, groups=groups)
    pull = torch.randn(plain.shape, generator=generator)
    (slope,) = torch.autograd.grad(plain, x, pull)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        quick = same_conv(x, weight, None, circular=True, groups=groups)
    assert quick.dtype == torch.bfloat16
    (quick_slope,) = torch.autograd.grad(quick, x, pull.to(quick.dtype))
    for got, want in ((quick, plain), (quick_slope, slope)):
        assert (got.float() - want).norm() < 0.01 * want.norm()
