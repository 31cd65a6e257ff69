"""Modulation against a plain loop over samples with weights of their own; resampling against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.signal import upfirdn
from torch import Tensor

from loopwright.models.kernels import pad_cylinder
from loopwright.models.layers import EqualLinear, ModulatedConv, blur, upsample


def plain_modulated(conv: ModulatedConv, x: Tensor, w: Tensor) -> Tensor:
    """StyleGAN2, equations 1 and 3, one sample after the other."""
    outputs = []
    for sample, style in zip(x, w, strict=True):
        s = F.linear(style, conv.affine.weight * conv.affine.scale, conv.affine.bias)
        weight = conv.weight * conv.scale * s[None, :, None, None]
        if conv.demodulate:
            weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if conv.up:
            # zeros between the cells, the flipped kernel, then the blur: all on one long line that is wrapped by hand
            m, t = sample.shape[1:]
            reach = 4
            long = torch.cat([sample[..., -reach:], sample, sample[..., :reach]], dim=2)
            tall = conv.kernel[0] > 1
            stuffed = torch.zeros(len(sample), 2 * m if tall else m, 2 * long.shape[2])
            stuffed[:, :: 2 if tall else 1, ::2] = long
            y = F.conv2d(stuffed[None], weight.flip(2, 3), padding=(2 if tall else 0, 2))
            taps = torch.tensor([1.0, 3, 3, 1]) / 4
            y = F.conv2d(y, taps[None, None, None].expand(len(weight), 1, 1, 4), groups=len(weight), padding=(0, 1))
            if tall:
                y = F.conv2d(y, taps[None, None, :, None].expand(len(weight), 1, 4, 1), groups=len(weight), padding=(1, 0))
                y = y[:, :, : 2 * m]
            y = y[..., 2 * reach : 2 * reach + 2 * t]
        else:
            y = F.conv2d(pad_cylinder(sample[None], conv.kernel[0] // 2, conv.kernel[1] // 2), weight)
        outputs.append(y)
    return torch.cat(outputs)


@pytest.mark.parametrize("kernel", [(3, 3), (1, 3), (1, 1)])
@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_shared_convolution_equals_weights_of_each_sample(kernel: tuple[int, int], up: bool, demodulate: bool) -> None:
    if up and kernel == (1, 1):
        pytest.skip("no such layer")
    torch.manual_seed(0)
    conv = ModulatedConv(5, 7, 6, kernel=kernel, up=up, demodulate=demodulate)
    x, w = torch.randn(3, 5, 1 if kernel == (1, 3) else 4, 8), torch.randn(3, 6)
    torch.testing.assert_close(conv(x, w), plain_modulated(conv, x, w), rtol=1e-4, atol=1e-5)


def test_styles_of_steps_equal_to_one_style_are_that_style() -> None:
    torch.manual_seed(0)
    for up in (False, True):
        conv = ModulatedConv(4, 4, 6, kernel=(1, 3), up=up)
        x, w = torch.randn(2, 4, 1, 16), torch.randn(2, 6)
        torch.testing.assert_close(conv(x, w[:, :, None].expand(-1, -1, 8)), conv(x, w))


def test_upsample_is_scipys_filter_on_a_long_line() -> None:
    x = np.random.default_rng(0).normal(size=16)
    long = upfirdn([0.25, 0.75, 0.75, 0.25], np.tile(x, 3), up=2)  # output 2i + 1 is centred between inputs i and i + 1 ...
    want = long[1 + 32 : 1 + 64]  # ... so one bar begins one output late
    got = upsample(torch.from_numpy(x)[None, None, None], mel=False)[0, 0, 0].numpy()
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_blur_is_scipys_filter() -> None:
    x = np.random.default_rng(0).normal(size=(6, 20))
    taps = np.array([1, 3, 3, 1]) / 8
    want = np.apply_along_axis(np.convolve, 1, x, taps, "valid")
    got = blur(torch.from_numpy(x)[None, None], mel=False, gain=1.0)[0, 0].numpy()
    np.testing.assert_allclose(got, want, rtol=1e-6)
    both = np.apply_along_axis(np.convolve, 0, want, taps, "full")[2:-2]  # mel gets one zero on each side
    got = blur(torch.from_numpy(x)[None, None], mel=True, gain=2.0, pad_mel=1)[0, 0].numpy()
    np.testing.assert_allclose(got, 2 * both, rtol=1e-6)


def test_equal_linear_has_unit_gain_and_scaled_learning_rate() -> None:
    torch.manual_seed(0)
    layer = EqualLinear(400, 300, lr_mul=0.01)
    assert layer(torch.randn(200, 400)).std().item() == pytest.approx(1.0, abs=0.05)
    assert layer.weight.std().item() == pytest.approx(100.0, rel=0.05)
