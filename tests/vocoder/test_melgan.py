"""MelGAN: the published size and shape, and the circular twin with the same weights."""

from __future__ import annotations

import pytest
import torch

from loopwright.audio.mel import LogMel
from loopwright.config import LOOP48, PAPER16
from loopwright.errors import ConfigError
from loopwright.vocoder.melgan import MelGan, MelGanAdversary, MelGanConfig, remove_weight_norm

SMALL = MelGanConfig(width=4, residual_layers=2)


def some_mel() -> torch.Tensor:
    x = torch.randn(1, PAPER16.bar_samples, generator=torch.Generator().manual_seed(0)) * 0.1
    return LogMel(PAPER16)(x)


def test_size_is_the_published_one() -> None:
    """By hand, ngf 32, ratios 5 4 4 2, 3 residual layers: g and bias count as in the paper's code (weight norm)."""
    count, dim = 512 * 64 * 7 + 2 * 512, 512
    for ratio in (5, 4, 4, 2):
        half = dim // 2
        count += dim * half * 2 * ratio + dim + half  # a transposed convolution's norm is over its inputs
        count += 3 * (half * half * (3 + 1 + 1) + 3 * 2 * half)
        dim = half
    count += dim * 7 + 2
    model = MelGan(PAPER16, MelGanConfig())
    assert sum(p.numel() for p in model.parameters()) == count


def test_length_and_weight_norm_removal() -> None:
    torch.manual_seed(0)
    model = MelGan(PAPER16, SMALL).eval().requires_grad_(False)
    want = model(some_mel())
    assert want.shape == (1, 200 * 160)
    torch.testing.assert_close(remove_weight_norm(model)(some_mel()), want, rtol=1e-4, atol=1e-6)


def test_the_twin_is_circular_and_the_original_is_not() -> None:
    torch.manual_seed(0)
    original = MelGan(PAPER16, SMALL).eval().requires_grad_(False)
    twin = MelGan(PAPER16, SMALL.model_copy(update={"circular": True})).eval().requires_grad_(False)
    twin.load_state_dict(original.state_dict())
    mel = some_mel()

    def roll_error(model: MelGan) -> float:
        want = model(mel).roll(70 * 160, -1)
        return float((model(mel.roll(70, -1)) - want).norm() / (want - want.mean()).norm())

    assert roll_error(twin) < 1e-4
    assert roll_error(original) > 1e-2
    inside = slice(60 * 160, 140 * 160)
    torch.testing.assert_close(twin(mel)[:, inside], original(mel)[:, inside], rtol=1e-4, atol=1e-6)


def test_wrong_ratios_are_refused() -> None:
    with pytest.raises(ConfigError, match="multiply to 160, the hop of 'loop48' is 375"):
        MelGan(LOOP48, MelGanConfig())


@pytest.mark.parametrize("circular", [False, True])
def test_adversary_judges_three_scales(circular: bool) -> None:
    judged = MelGanAdversary(circular=circular)(torch.randn(2, 8192))
    assert [logits.shape for logits, _ in judged] == [(2, 1, 8192 // 256 // 2**i) for i in range(3)]
    assert all(len(features) == 6 for _, features in judged)
