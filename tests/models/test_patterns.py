"""The model of drum patterns: its grid, its circle, what it may see, and what it learns from a handful of bars."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from loopwright.audio.drum_events import ROLE_INDEX, Hit
from loopwright.models.patterns import (
    STEPS,
    Grid,
    PatternModel,
    build_patterns,
    grid_of,
    hidden_loss,
    hide,
    hits_of,
    statistics,
    train_step,
)

KICK, SNARE, HAT, RIDE = (ROLE_INDEX[role] for role in ("kick", "snare", "hat_closed", "ride"))


def straight(rng: np.random.Generator) -> list[Hit]:
    """Four on the floor, hats on the eighths, dead on the grid."""
    hits = [Hit("kick", i / 4, 0.9) for i in range(4)] + [Hit("snare", i / 4, 0.8) for i in (1, 3)]
    return hits + [Hit("hat_closed", i / 8, 0.5) for i in range(8) if rng.random() < 0.8]


def swung(rng: np.random.Generator) -> list[Hit]:
    """No kick; a hat or a ride on all sixteenths, the odd ones late by 0.3 of a sixteenth."""
    late, role = 0.3 / 16, "hat_closed" if rng.random() < 0.5 else "ride"
    hits = [Hit(role, i / 16 + late * (i % 2), 0.9 if i % 2 == 0 else 0.3) for i in range(16)]
    return [*hits, Hit("snare", 0.25, 0.7)]


def material(n: int = 200) -> tuple[Grid, torch.Tensor]:
    rng = np.random.default_rng(0)
    bars = [straight(rng) for _ in range(n // 2)] + [swung(rng) for _ in range(n // 2)]
    return grid_of(bars), torch.tensor([0] * (n // 2) + [1] * (n // 2))


def random_model(**more: int) -> PatternModel:
    torch.manual_seed(0)
    return PatternModel(channels=16, dilations=(1, 2), styles=2, **more).eval()


def test_hits_come_back_from_the_grid() -> None:
    hits = [Hit("kick", 0.0, 0.9), Hit("hat_closed", 1 / 12, 0.4), Hit("snare", 0.2512, 0.7), Hit("kick", 0.96, 0.3)]
    (back,) = hits_of(grid_of([hits]))
    assert [hit.role for hit in back] == ["kick", "hat_closed", "snare", "kick"]
    np.testing.assert_allclose([h.start for h in back], [0.0, 1 / 12, 0.2512, 0.96], atol=1e-6)
    np.testing.assert_allclose([h.velocity for h in back], [0.9, 0.4, 0.7, 0.3], atol=1e-6)
    grid = grid_of([hits])
    assert grid.onset.sum() == 4
    assert grid.onset[0, KICK, 0]
    (louder,) = hits_of(grid_of([[Hit("kick", 0.0, 0.2), Hit("kick", 0.005, 0.9), Hit("kick", 0.99, 0.3)]]))
    assert [round(h.velocity, 3) for h in louder] == [0.9]  # all three are nearest to step 0


def test_without_its_clock_the_model_does_not_know_where_the_bar_begins() -> None:
    model = random_model()
    data, styles = material(8)
    generator = torch.Generator().manual_seed(0)
    seen, felt = hide(data, generator)

    def odds(shift: int) -> torch.Tensor:
        turned = Grid(*(x.roll(shift, dims=-1) for x in (data.onset, data.velocity, data.offset)))
        with torch.no_grad():
            return model(turned, seen.roll(shift, dims=-1), felt.roll(shift, dims=-1), styles)[2]

    assert (odds(5) - odds(0).roll(5, dims=-1)).abs().max() > 1e-3
    model.clock.data.zero_()
    torch.testing.assert_close(odds(5), odds(0).roll(5, dims=-1), rtol=1e-4, atol=1e-5)


def test_what_is_hidden_is_not_seen() -> None:
    model = random_model()
    data, styles = material(8)
    other = Grid(~data.onset, 1 - data.velocity, -data.offset)
    seen, felt = hide(data, torch.Generator().manual_seed(0))
    assert not (felt & ~seen).any()
    mixed = Grid(
        torch.where(seen, data.onset, other.onset),
        torch.where(felt, data.velocity, other.velocity),
        torch.where(felt, data.offset, other.offset),
    )
    with torch.no_grad():
        for a, b in zip(model(data, seen, felt, styles), model(mixed, seen, felt, styles), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_model_that_knows_nothing_has_the_loss_of_a_fair_coin_and_of_fair_dice() -> None:
    model = random_model()
    torch.nn.init.zeros_(model.leave.weight)
    torch.nn.init.zeros_(model.leave.bias)  # type: ignore[arg-type]
    data, styles = material(8)
    nothing = torch.zeros_like(data.onset)
    losses = hidden_loss(model, data, styles, nothing, nothing)
    assert losses["onset"].item() == pytest.approx(np.log(2))
    assert losses["velocity"].item() == pytest.approx(np.log(16))
    assert losses["offset"].item() == pytest.approx(np.log(16))


def test_what_is_given_stays_and_a_feel_moves_no_onset() -> None:
    model = random_model()
    data, styles = material(8)
    kept = torch.zeros_like(data.onset)
    kept[:, KICK] = True
    rng = torch.Generator().manual_seed(1)
    filled = model.sample(styles, rng, start=data, seen=kept, felt=kept, rounds=4)
    assert torch.equal(filled.onset[:, KICK], data.onset[:, KICK])
    torch.testing.assert_close(filled.velocity[:, KICK], data.velocity[:, KICK])
    assert not torch.equal(filled.onset, data.onset)
    felt = model.sample(styles, rng, start=data, seen=torch.ones_like(kept), rounds=4)
    assert torch.equal(felt.onset, data.onset)
    assert (felt.velocity - data.velocity).abs().max() > 0.1
    assert felt.velocity[~felt.onset].abs().max() == 0
    assert felt.velocity.max() <= 1
    assert felt.offset.abs().max() <= 0.5
    again = model.sample(styles, torch.Generator().manual_seed(1), rounds=4)
    same = model.sample(styles, torch.Generator().manual_seed(1), rounds=4)
    assert torch.equal(again.onset, same.onset)


def test_statistics_are_those_counted_by_hand() -> None:
    late = 0.25 / 16
    bars = [
        [Hit("hat_closed", i / 16 + late * (i % 2), 0.5) for i in range(16)],
        [Hit("hat_closed", i / 8 + (1 / 3 / 8) * (i % 2), 0.5) for i in range(8)] + [Hit("kick", 0.0, 1.0)],
        [],
    ]
    found = statistics(grid_of(bars))
    assert found["density"].tolist() == [16, 9, 0]
    assert found["per_role"][HAT] == pytest.approx(8)
    assert found["per_role"][KICK] == pytest.approx(1 / 3)
    assert found["swing"][0] == pytest.approx(0.25, abs=1e-5)
    assert torch.isnan(found["swing"][2])
    assert found["spread"][0] == pytest.approx(0, abs=1e-6)
    assert found["velocity"][HAT] == pytest.approx(0.5)
    triplets = [[Hit("hat_closed", (i + (1 / 3) * (i % 2)) / 16, 0.5) for i in range(16)]]
    assert statistics(grid_of(triplets))["swing"][0] == pytest.approx(1 / 3, abs=1e-6)  # in the next cell of the grid


def test_a_run_that_stops_and_goes_on_is_the_unbroken_one() -> None:
    data, styles = material(40)
    settings = {"seed": 3, "steps": 6, "batch": 8}
    model, optimizer = build_patterns(styles=2, seed=0, channels=16)
    for step in range(3):
        train_step(model, optimizer, data, styles, step=step, **settings)
    saved = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    for step in range(3, 6):
        train_step(model, optimizer, data, styles, step=step, **settings)
    fresh, other = build_patterns(styles=2, seed=9, channels=16)
    fresh.load_state_dict(saved[0])
    other.load_state_dict(saved[1])
    for step in range(3, 6):
        train_step(fresh, other, data, styles, step=step, **settings)
    for a, b in zip(model.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(a, b)


def test_it_learns_two_styles_with_their_swing_and_their_accents() -> None:
    data, styles = material()
    model, optimizer = build_patterns(styles=2, seed=0, channels=48)
    for step in range(160):
        train_step(model, optimizer, data, styles, seed=0, step=step, steps=160, batch=24, rate=5e-3)
    model.eval()
    drawn = model.sample(torch.tensor([0] * 48 + [1] * 48), torch.Generator().manual_seed(0), rounds=16)
    for part in (slice(0, 48), slice(48, 96)):
        half = slice(0, 100) if part.start == 0 else slice(100, 200)
        real, made = statistics(data[half]), statistics(drawn[part])
        assert float(made["density"].mean()) == pytest.approx(float(real["density"].mean()), rel=0.12)
        for each in (made, real):  # which of the two a bar has is a coin; that it has one is not
            each["per_role"][HAT] += each["per_role"][RIDE]
            each["per_role"][RIDE] = 0
        np.testing.assert_allclose(made["per_role"], real["per_role"], atol=1.0)
        np.testing.assert_allclose(made["velocity"][[SNARE, HAT]], real["velocity"][[SNARE, HAT]], atol=0.08)
    swing = float(statistics(drawn[48:96])["swing"].nanmean())
    assert swing == pytest.approx(0.3, abs=0.08)
    accents = drawn[48:96].velocity[:, HAT]
    assert accents[:, ::4][drawn.onset[48:96, HAT, ::4]].mean() > 0.7
    # Hats or rides: the first half of a bar tells what the second half holds.
    swing_bars = data[100:200]
    has_hat = swing_bars.onset[:, HAT].any(1)
    seen = torch.zeros_like(swing_bars.onset)
    seen[:, [HAT, RIDE], : STEPS // 2] = True
    with torch.no_grad():
        odds = model(swing_bars, seen, seen, torch.ones(100, dtype=torch.long))[0]
    later = odds[:, HAT, STEPS // 2 :: 4].mean(1)
    assert later[has_hat].mean() - later[~has_hat].mean() > 1.0
