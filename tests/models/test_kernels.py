"""Fast forms against plain torch; first and second gradients against finite differences in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from loopwright.models.kernels import depthwise_conv, enter_depthwise, finish, map_conv, pad_cylinder, scale_and_pad


@pytest.mark.parametrize("up", [False, True])
def test_convolution_of_maps_and_its_first_and_second_gradients(up: bool) -> None:
    """Finite differences in float64; the second gradient is what path-length regularisation needs."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(1, 2, 3, 4, generator=rng, dtype=torch.float64).to(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(2, 2, 3, 3, generator=rng, dtype=torch.float64, requires_grad=True)
    stride, padding = ((2, 2), (0, 0)) if up else ((1, 1), (1, 0))

    def conv(x: Tensor, weight: Tensor) -> Tensor:
        return map_conv(x, weight, stride=stride, padding=padding, up=up)

    plain = F.conv_transpose2d(x, weight, stride=2) if up else F.conv2d(x, weight, padding=(1, 0))
    torch.testing.assert_close(conv(x, weight), plain)
    assert torch.autograd.gradcheck(conv, (x, weight))
    assert torch.autograd.gradgradcheck(conv, (x, weight))


@pytest.mark.parametrize("wrap", [False, True])
def test_entering_a_depthwise_convolution_and_its_gradients(wrap: bool) -> None:
    """Against joining and wrapping by `cat`; finite differences in float64, twice, which gradient penalties need."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(1, 2, 3, 4, generator=rng, dtype=torch.float64).to(memory_format=torch.channels_last).requires_grad_()
    beside = torch.randn(1, 1, 1, 4, generator=rng, dtype=torch.float64)
    plain = torch.cat([x, beside.expand(-1, -1, 3, -1)], dim=1)
    plain = torch.cat([plain[..., -1:], plain, plain[..., :1]], dim=3) if wrap else plain
    entered = enter_depthwise(x, beside, wrap=wrap)
    assert torch.equal(entered, plain)
    assert entered.is_contiguous(memory_format=torch.channels_last)
    assert torch.autograd.gradcheck(lambda x: enter_depthwise(x, beside, wrap=wrap), x)
    assert torch.autograd.gradgradcheck(lambda x: enter_depthwise(x, beside, wrap=wrap).square(), x)


def test_depthwise_convolution_under_autocast_learns_as_without() -> None:
    """bfloat16 forward, single precision backward: first and second gradients within bfloat16's rounding."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(2, 8, 6, 8, generator=rng).requires_grad_()
    weight = torch.randn(8, 1, 4, 4, generator=rng).requires_grad_()

    def all_of(bf16: bool) -> list[Tensor]:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            y = depthwise_conv(x, weight, stride=2, padding=(1, 1))
        slopes = torch.autograd.grad(y.float().square().sum(), (x, weight), create_graph=True)
        return [y, *slopes, *torch.autograd.grad(slopes[0].square().sum(), (x, weight))]

    for got, want in zip(all_of(bf16=True), all_of(bf16=False), strict=True):
        assert (got.float() - want).norm() < 0.02 * want.norm()


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Float64, channels last where it has four axes, and it learns."""
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64)
    return (x.to(memory_format=torch.channels_last) if x.ndim == 4 else x).requires_grad_()


@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("steps", [1, 4])
def test_scaling_and_padding_in_one_pass_and_its_gradients(circular: bool, steps: int) -> None:
    x, styles = normal(2, 3, 2, 4), normal(2, 3, 1, steps)
    with torch.no_grad():
        plain = scale_and_pad(x, styles, circular=circular)
    assert torch.equal(plain, pad_cylinder(x * styles, 0, 1, circular=circular))
    assert torch.equal(scale_and_pad(x, styles, circular=circular), plain)
    assert torch.autograd.gradcheck(lambda *a: scale_and_pad(*a, circular=circular), (x, styles))
    assert torch.autograd.gradgradcheck(lambda *a: scale_and_pad(*a, circular=circular), (x, styles))


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("steps", [1, 4])
def test_finishing_a_convolution_and_its_gradients(noisy: bool, steps: int) -> None:
    x, norms, bias, strength = normal(2, 3, 2, 4), normal(2, 3, 1, steps), normal(3), normal(3, seed=1)
    noise = normal(2, 1, 2, 4).detach() if noisy else None
    mixed = x * norms + bias[:, None, None] + (0.0 if noise is None else strength[:, None, None] * noise)
    torch.testing.assert_close(finish(x, norms, bias, strength, noise), F.leaky_relu(mixed, 0.2) * 2**0.5)
    with torch.no_grad():
        torch.testing.assert_close(finish(x, norms, bias, strength, noise), F.leaky_relu(mixed, 0.2) * 2**0.5)
    learning = (x, norms, bias, strength)[: 4 if noisy else 3]

    def with_all(*learning: Tensor) -> Tensor:
        x, norms, bias = learning[:3]
        return finish(x, norms, bias, learning[3] if noisy else strength, noise)

    assert torch.autograd.gradcheck(with_all, learning)
    assert torch.autograd.gradgradcheck(with_all, learning)
