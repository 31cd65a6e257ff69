"""Projections that never change, heads on a circle, logits of fused networks, StyleGAN2's own discriminator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from loopwright.models.discriminator import (
    CLOCK,
    Head,
    ProjectedDiscriminator,
    add_swapped,
    clock,
    minibatch_stddev,
)
from loopwright.models.projection import ChannelMix, Projection
from loopwright.models.stylegan_discriminator import StyleGan2Discriminator


@dataclass
class Tap:
    channels: int


class Averages:
    """A pyramid without networks: averages of the log-mel at two scales, on several channels."""

    taps: Sequence[Tap] = (Tap(3), Tap(5))

    def __call__(self, log_mel: Tensor) -> list[Tensor]:
        fine, coarse = (F.avg_pool2d(log_mel[:, None], size) for size in (2, 4))
        return [fine * torch.arange(1, 4).reshape(3, 1, 1), coarse * torch.arange(1, 6).reshape(5, 1, 1).cos()]


def discriminator(**more: object) -> ProjectedDiscriminator:
    torch.manual_seed(0)
    return ProjectedDiscriminator([Averages()], **more)  # type: ignore[arg-type]


def test_channel_mix_keeps_variance() -> None:
    x = torch.randn(4, 256, 16, 16)
    y = ChannelMix(256, 512, seed=0)(x)
    assert y.var().item() == pytest.approx(1.0, rel=0.05)


def test_projections_are_seeded_fixed_and_out_of_reach() -> None:
    a, b, c = (Projection([8, 16, 16, 32], seed=s) for s in (1, 1, 2))
    taps = [torch.randn(2, n, 16 >> i, 16 >> i) for i, n in enumerate([8, 16, 16, 32])]
    assert all(torch.equal(x, y) for x, y in zip(a(taps), b(taps), strict=True))
    assert not torch.equal(a(taps)[0], c(taps)[0])
    assert list(a.parameters()) == []
    assert [x.shape[1] for x in a(taps)] == [64, 64, 128, 256]


@pytest.mark.parametrize("ccm", [False, True])
def test_projections_mix_channels_then_scales_from_the_coarsest(ccm: bool) -> None:
    """The definition step by step: mix a tap, add what the coarser scale gave, mix again."""
    projection = Projection([8, 16, 16, 32], ccm=ccm)
    taps = [torch.randn(2, n, 16 >> i, 24 >> i) for i, n in enumerate([8, 16, 16, 32])]
    assert projection.csm is not None
    above: Tensor | None = None
    for i in (3, 2, 1, 0):
        x = projection.ccm[i](taps[i])
        if above is not None:
            x = (x + above.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)) / 2**0.5
        above = projection.csm[i](x)
        torch.testing.assert_close(projection(taps)[i], above, rtol=1e-4, atol=1e-4)


def test_training_leaves_projections_bit_equal() -> None:
    d = discriminator()
    before = {k: v.clone() for k, v in d.state_dict().items() if k.startswith("projections")}
    heads = d.heads[0][0].logits.parametrizations.weight.original.detach().clone()
    optimizer = torch.optim.Adam(d.parameters(), lr=0.1)
    sum(x.mean() for x in d(torch.randn(4, 16, 32))).backward()
    optimizer.step()
    assert before
    assert all(torch.equal(before[k], v) for k, v in d.state_dict().items() if k in before)
    assert not torch.equal(heads, d.heads[0][0].logits.parametrizations.weight.original)


def test_switches_of_the_projections() -> None:
    taps = [torch.randn(2, n, 16 >> i, 16 >> i) for i, n in enumerate([8, 16, 16, 32])]
    bare = Projection([8, 16, 16, 32], ccm=False, csm=False)
    assert all(torch.equal(x, y) for x, y in zip(bare(taps), taps, strict=True))
    no_csm = Projection([8, 16, 16, 32], csm=False)(taps)
    quiet = [torch.zeros_like(t) if i else t for i, t in enumerate(taps)]
    assert torch.equal(no_csm[0], Projection([8, 16, 16, 32], csm=False)(quiet)[0])  # scales do not mix
    assert not torch.equal(Projection([8, 16, 16, 32])(taps)[0], Projection([8, 16, 16, 32])(quiet)[0])
    assert [x.shape[1] for x in Projection([8, 16, 16, 32], ccm=False)(taps)] == [8, 8, 16, 16]


@pytest.mark.parametrize("norm", ["group", "batch", "none"])
@pytest.mark.parametrize("pool", ["first", "last"])
def test_rolling_loop_and_clock_rolls_the_verdict(norm: str, pool: str) -> None:
    """By whole cells of the coarsest map. The clock rolls along, so an absolute downbeat stays where it was."""
    d = discriminator(norm=norm, pool=pool, frames=[[32, 16]]).eval()
    x = torch.randn(4, 16, 64)
    shift = 16  # two cells of the coarsest grid of logits
    with torch.no_grad():
        straight = d(x, turns=torch.zeros(4))
        rolled = d(x.roll(shift, dims=-1), turns=torch.full((4,), shift / 64))
        lost = d(x.roll(shift, dims=-1), turns=torch.zeros(4))
    for a, b, c in zip(straight, rolled, lost, strict=True):
        torch.testing.assert_close(b, a.roll(shift * a.shape[-1] // 64, dims=-1), rtol=1e-4, atol=1e-5)
        assert (c - b).abs().max() > 1e-4  # the clock does tell


def test_clock_has_the_periods_it_names() -> None:
    x = clock(torch.zeros(1), torch.zeros(1, 1, 1, 64))
    kept = [h for h in CLOCK if 2 * h < 64]
    assert x.shape == (1, 2 * len(kept), 1, 64)
    for i, harmonic in enumerate(kept):
        spectrum = torch.fft.rfft(x[0, i, 0]).abs()
        assert int(spectrum.argmax()) == harmonic
    assert clock(torch.zeros(1), torch.zeros(1, 1, 1, 8)).shape[1] == 2 * sum(2 * h < 8 for h in CLOCK)
    short = clock(torch.zeros(1), torch.zeros(1, 1, 1, 64, dtype=torch.bfloat16))
    torch.testing.assert_close(short, x.bfloat16(), rtol=0, atol=0)  # only the result is rounded, not the phase


def test_minibatch_stddev_against_numpy_groups() -> None:
    x = torch.randn(8, 3, 2, 4)
    got = minibatch_stddev(x)[:, 3]
    for i in range(8):
        group = [i % 2, i % 2 + 2, i % 2 + 4, i % 2 + 6]  # every second: 8 samples, groups of 4
        want = (x[group].numpy().var(axis=0) + 1e-8) ** 0.5
        assert got[i].flatten()[0].item() == pytest.approx(want.mean(), rel=1e-5)
    equal = minibatch_stddev(x[:1].expand(4, -1, -1, -1))
    assert equal[:, 3].max() < 1e-3  # a collapsed batch shows


def test_number_of_heads_and_networks() -> None:
    two = ProjectedDiscriminator([Averages(), Averages()], heads=4)
    assert len(two(torch.randn(4, 16, 32))) == two.verdicts == 4
    assert len(discriminator(heads=1)(torch.randn(4, 16, 32))) == 1
    summed = ProjectedDiscriminator([Averages(), Averages()], summed=True)
    assert len(summed(torch.randn(4, 16, 32))) == summed.verdicts == 2


def test_summed_fusion_adds_swapped_grids() -> None:
    a, b = torch.randn(2, 1, 3, 5), torch.randn(2, 1, 5, 3)
    torch.testing.assert_close(add_swapped([a, b]), a + b.transpose(2, 3))
    assert add_swapped([a, torch.randn(2, 1, 2, 2)]).shape == a.shape


def test_labels_reach_the_logits_of_heads() -> None:
    head = Head(8, downs=1, labels=3).eval()
    x = torch.randn(1, 8, 8, 8).expand(2, -1, -1, -1)
    a, b = head(x, torch.tensor([0, 2]))
    assert (a - b).abs().max() > 1e-5


def test_stylegan_discriminator_shapes_and_labels() -> None:
    torch.manual_seed(0)
    d = StyleGan2Discriminator(n_mels=16, frames=32, channels=(4, 6, 8), clock=True, labels=3)
    x, turns = torch.randn(4, 16, 32), torch.zeros(4)
    (logits,) = d(x, torch.tensor([0, 1, 2, 0]), turns)
    assert logits.shape == (4, 1, 1, 1)
    (other,) = d(x, torch.tensor([1, 1, 2, 0]), turns)
    assert not torch.equal(logits[0], other[0])
    torch.testing.assert_close(logits[1:], other[1:])


def test_maps_of_stylegan_discriminator_roll_with_the_loop() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 1, 16, 32)
    for circular in (True, False):
        d = StyleGan2Discriminator(n_mels=16, frames=32, channels=(4, 6, 8), circular=circular)
        with torch.no_grad():
            before, after = (d.last(d.blocks(d.entry(y))[:, [*range(8), 0]]) for y in (x, x.roll(8, dims=-1)))
        assert ((after - before.roll(2, dims=-1)).abs().max() < 1e-5) == circular
