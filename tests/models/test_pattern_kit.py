"""The pattern-kit generator: its convolution against plain loops, its circle, its parts, and where styles reach."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from loopwright.audio.drum_events import ROLES, Hit, activations
from loopwright.models.pattern_kit import (
    FRAMES_PER_S,
    GRID,
    KIT_HIGH,
    KIT_LOW,
    TAIL_S,
    Parts,
    PatternKit,
    convolve,
    draw_hits,
    offset_for,
    power,
)

FRAMES = 256
SIZES = {
    "n_mels": 12,
    "frames": FRAMES,
    "kit_frames": 32,
    "pattern_channels": (10, 8),
    "kit_channels": (8, 8, 6),
    "room_channels": (8, 8, 6, 6, 6),
    "residual_bands": 4,
    "z_dim": 6,
    "w_dim": 10,
    "mapping_layers": 2,
}
HITS = [Hit("kick", 0.0, 1.0), Hit("snare", 0.251, 0.6), Hit("hat_closed", 0.998, 0.4), Hit("crash", 0.5, 0.9)]


def small(given: bool, **more: object) -> PatternKit:
    torch.manual_seed(0)
    generator = PatternKit(given=given, **(SIZES | more))  # type: ignore[arg-type]
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if "noise_strength" in name or "colour" in name:
                parameter.normal_()
    return generator


def inputs(generator: PatternKit, batch: int = 2, bars: int = 1) -> tuple[Tensor, list[Tensor], dict[str, Any]]:
    rng = torch.Generator().manual_seed(1)
    ws = torch.randn(batch, generator.n_styles, 10, generator=rng)
    pattern = torch.from_numpy(activations(HITS)).repeat(batch, 1, 1, bars)
    pattern[1:, 3] = pattern[1:, 0]  # another role in the second item
    return ws, generator.make_noise(batch, rng, bars), {"pattern": pattern} if generator.given else {}


def random_parts(t: int = 24, lags: int = 6) -> Parts:
    rng = torch.Generator().manual_seed(3)
    items, roles = torch.tensor([0, 0, 2]), torch.tensor([1, 4, 0])
    pattern, kit = (torch.rand(3, 2, *s, generator=rng) for s in ((t,), (5, lags)))
    tails = torch.rand(3, 2, len(TAIL_S), generator=rng).softmax(dim=-1)
    return Parts(pattern, items, roles, kit, tails, torch.rand(3, 5, t, generator=rng), torch.ones_like(pattern))


def test_the_convolution_is_that_of_a_plain_loop_with_tails_that_wrap_for_many_turns() -> None:
    parts, t, lags = random_parts(), 24, 6
    decays = [10 ** (-6 / (s * FRAMES_PER_S)) for s in TAIL_S]
    turns = math.ceil(12 * FRAMES_PER_S * TAIL_S[-1] / 6 / t) + 1  # until the slowest tail has fallen by 12 decades
    wanted = np.zeros((3, 5, t))
    for voice in range(3):
        for layer in range(2):
            long = np.zeros((5, lags + turns * t))
            long[:, :lags] = parts.kit[voice, layer].numpy()
            for tail, decay in enumerate(decays):
                share = float(parts.tails[voice, layer, tail])
                long[:, lags:] += share * long[:, lags - 1 : lags] * decay ** np.arange(1, turns * t + 1)
            for at in range(t):
                places = (at + np.arange(long.shape[1])) % t
                for band in range(5):
                    np.add.at(
                        wanted[int(parts.items[voice]), band], places, float(parts.pattern[voice, layer, at]) ** 2 * long[band]
                    )
    np.testing.assert_allclose(convolve(parts, 3).numpy(), wanted, rtol=2e-4)
    np.testing.assert_allclose(parts.one_shots(lags + 3)[2, 1].numpy() ** 2, long[:, : lags + 3], rtol=1e-4)


def test_stems_and_residual_add_up_to_the_whole() -> None:
    parts = random_parts()
    stems = parts.stems(6)
    assert stems.shape == (3, 6, 5, 24)
    torch.testing.assert_close(stems.sum(dim=1) + parts.residual, parts.power())
    assert stems[0, 0].abs().max() == 0
    assert stems[0, 1].min() > 0
    torch.testing.assert_close(parts.residual_share(), parts.residual.sum((1, 2)) / parts.power().sum((1, 2)))
    assert parts.residual_share()[1] == pytest.approx(1.0)  # an item in which nothing is played


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("shift", [1, 5])
def test_rolling_everything_in_time_rolls_the_loop(given: bool, shift: int) -> None:
    generator = small(given)
    ws, noise, more = inputs(generator)
    frames = shift * FRAMES // 16
    with torch.no_grad():
        straight = generator.synthesis(ws, noise, **more)
        for trunk in (generator.pattern, generator.room):
            if trunk is not None:
                trunk.constant.copy_(trunk.constant.roll(shift, dims=-1))
        turning = [n.shape[2] == 1 for n in noise]  # the kit's maps have a row for each role, and no place in the bar
        noise = [n.roll(shift * n.shape[-1] // 16, dims=-1) if t else n for n, t in zip(noise, turning, strict=True)]
        rolled = generator.synthesis(ws, noise, **{k: v.roll(frames, dims=-1) for k, v in more.items()})
    assert sum(not t for t in turning) == 5
    torch.testing.assert_close(rolled, straight.roll(frames, dims=-1), rtol=1e-4, atol=1e-4)
    assert (rolled - straight).abs().max() > 0.1


@pytest.mark.parametrize("given", [True, False])
def test_two_equal_bars_are_one_bar_twice(given: bool) -> None:
    generator = small(given)
    ws, noise, more = inputs(generator)
    longer = [n.repeat(1, 1, 1, 2) if n.shape[2] == 1 else n for n in noise]
    twice: dict[str, Any] = {k: v.repeat(1, 1, 1, 2) for k, v in more.items()}
    assert [n.shape[2:] for n in longer] == [torch.Size(s) for s in generator.noise_shapes(2)]
    with torch.no_grad():
        one = generator.synthesis(ws, noise, **more)
        two = generator.synthesis(ws, longer, bars=2, **twice)
        steps = generator.synthesis(ws[..., None].expand(-1, -1, -1, 32), longer, bars=2, **twice)
    torch.testing.assert_close(two, one.repeat(1, 1, 2), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(steps, two, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("given", [True, False])
def test_every_parameter_learns(given: bool) -> None:
    generator = small(given, classes=3)
    _, noise, more = inputs(generator)
    loss = generator(torch.randn(2, 6), noise, torch.tensor([0, 2]), **more).square().mean()
    loss.backward()
    idle = [name for name, p in generator.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not idle
    assert all(bool(torch.isfinite(p.grad).all()) for p in generator.parameters() if p.grad is not None)


def test_gradient_by_the_pattern_is_that_of_finite_differences() -> None:
    """Through the convolution with its wrapped tails, in double precision."""
    parts = random_parts(t=9, lags=4)
    pattern, kit, tails = (x.double().requires_grad_() for x in (parts.pattern, parts.kit, parts.tails))

    def run(pattern: Tensor, kit: Tensor, tails: Tensor) -> Tensor:
        return convolve(Parts(pattern, parts.items, parts.roles, kit, tails, parts.residual, parts.gains), 3)

    assert torch.autograd.gradcheck(run, (pattern, kit, tails))


@pytest.mark.parametrize("given", [True, False])
def test_styles_beyond_a_border_leave_what_is_before_it(given: bool) -> None:
    generator = small(given)
    ws, noise, more = inputs(generator)
    first, second = generator.borders
    other_kit, other_room = ws.clone(), ws.clone()
    other_kit[:, first:second] += 1
    other_room[:, second:] += 1
    with torch.no_grad():
        parts, kit, room = (generator.parts(w, noise, **more) for w in (ws, other_kit, other_room))
    torch.testing.assert_close(kit.pattern, parts.pattern, rtol=0, atol=0)
    torch.testing.assert_close(kit.residual, parts.residual, rtol=0, atol=0)
    torch.testing.assert_close(room.kit, parts.kit, rtol=0, atol=0)
    assert (kit.kit - parts.kit).abs().max() > 1e-3
    assert (room.residual - parts.residual).abs().max() > 1e-6
    ratio = room.pattern / parts.pattern.clamp_min(1e-9)  # hits move by 1.4 dB at most either way
    assert ratio[parts.pattern > 1e-3].log10().abs().max() <= 0.14 + 1e-4
    if not given:
        assert parts.velocity is not None
        assert kit.velocity is not None
        torch.testing.assert_close(kit.velocity, parts.velocity, rtol=0, atol=0)


def test_only_what_is_played_sounds_and_silence_is_the_residual() -> None:
    generator = small(True)
    ws, noise, more = inputs(generator)
    pattern = more["pattern"].clone()
    pattern[0] = 0
    with torch.no_grad():
        parts = generator.parts(ws, noise, pattern=pattern)
        y = generator.synthesis(ws, noise, pattern=pattern)
    played = sorted({ROLES.index(hit.role) for hit in HITS} | {3})
    assert parts.items.tolist() == [1] * len(played)
    assert parts.roles.tolist() == played
    torch.testing.assert_close(y[0], (parts.residual[0] + 1e-10).log10() / 2)


def test_magnitudes_begin_where_they_should_and_keep_their_bounds() -> None:
    start = torch.tensor([-1.6, -4.6])
    none, nothing = torch.zeros(2), torch.zeros(())
    begun = power(none, 0.3, nothing, offset_for(start, KIT_LOW, KIT_HIGH), KIT_LOW, KIT_HIGH)
    torch.testing.assert_close(begun, 100**start - 1e-10, rtol=1e-4, atol=1e-14)
    ends = power(torch.tensor([-1e4, 1e4]), 0.3, nothing, offset_for(start, KIT_LOW, KIT_HIGH), KIT_LOW, KIT_HIGH)
    torch.testing.assert_close(ends, torch.tensor([0.0, 100.0]), atol=1e-13, rtol=1e-4)
    tiny = power(torch.tensor([1e-2]), 0.3, nothing, offset_for(torch.tensor(-2.0), -5.0, 1.0), -5.0, 1.0)
    assert math.log10(float(tiny)) / 2 == pytest.approx(-2.0 + 0.3e-2, abs=1e-4)  # slope 0.3 in the middle


def test_hits_on_a_grid_are_drawn_as_the_analysis_draws_them() -> None:
    velocity, offset = torch.zeros(1, len(ROLES), GRID), torch.zeros(1, len(ROLES), GRID)
    for role, step, how_hard, late in ((0, 0, 1.0, -3.9), (4, 31, 0.5, 3.7), (4, 30, 0.3, 0.25)):
        velocity[0, role, step], offset[0, role, step] = how_hard, late
    hits = [
        Hit(ROLES[0], -3.9 / 256, 1.0),
        Hit(ROLES[4], 31 / 32 + 3.7 / 256, 0.5),
        Hit(ROLES[4], 30 / 32 + 0.25 / 256, 0.3),
    ]
    drawn = draw_hits(velocity, offset, 8, 2048 / 375)
    np.testing.assert_allclose(drawn[0].numpy(), activations(hits), atol=1e-6)


def test_the_hits_of_a_made_pattern_play_that_pattern() -> None:
    """What is drawn from the hits is the pattern the generator convolved, gains apart and hits below -39 dB aside."""
    generator = small(False)
    ws, noise, _ = inputs(generator, bars=2)
    with torch.no_grad():
        parts = generator.parts(ws, noise, bars=2)
    hits = parts.made_hits(1)
    drawn = torch.from_numpy(activations(hits, bars=2))
    own = parts.items == 1
    torch.testing.assert_close(drawn[parts.roles[own]], (parts.pattern / parts.gains)[own], atol=0.05**1.5, rtol=1e-3)
    assert max(hit.start for hit in hits) > 1


def test_weights_of_hits_have_the_gains_of_their_frames() -> None:
    generator = small(True)
    ws, noise, more = inputs(generator)
    with torch.no_grad():
        parts = generator.parts(ws, noise, **more)
    weights = parts.hit_weights(0, HITS, FRAMES)
    for hit, (soft, hard) in zip(HITS, weights, strict=True):
        voice = int(((parts.items == 0) & (parts.roles == ROLES.index(hit.role))).nonzero())
        at = round(hit.start * FRAMES) % FRAMES
        away = (at - hit.start * FRAMES + FRAMES / 2) % FRAMES - FRAMES / 2
        window = 0.5 + 0.5 * math.cos(2 * math.pi * away / (2048 / 375))
        played = parts.pattern[voice, :, at] / window
        assert soft == pytest.approx(float(played[0]), rel=1e-3, abs=1e-6)
        assert hard == pytest.approx(float(played[1]), rel=1e-3)
