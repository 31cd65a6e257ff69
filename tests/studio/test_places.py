"""Places in a model: seeds, neighbours, blends. Checked against `Model.generate` and against closed forms."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from loopwright.errors import InputError
from loopwright.making import places as explore
from loopwright.making.directions import directions_path, load_directions
from loopwright.making.places import Place
from loopwright.making.project import Projected
from loopwright.making.torch_model import Model, load


@pytest.fixture(scope="module")
def model(model_file: Path) -> Model:
    return load(str(model_file))


@pytest.mark.parametrize("bars", [1, 2])
def test_the_place_of_a_seed_gives_the_seeds_own_loop(model: Model, bars: int) -> None:
    (expected,) = model.generate([7], bpm=124, bars=bars, truncation=0.8)
    place = Place.model_validate_json(explore.place_of(model, 7, truncation=0.8).model_dump_json())
    loop = explore.render_place(model, place, bpm=124, bars=bars, info={"seed": 7})
    assert loop.name.split("_")[-1] == expected.name.split("_")[-1]
    np.testing.assert_allclose(loop.samples, expected.samples, atol=2e-4)


def test_a_blend_ends_at_its_two_loops_and_is_half_way_in_the_middle(model: Model) -> None:
    a, b = explore.place_of(model, 1), explore.place_of(model, 2)
    assert explore.interpolate(model, a, b, 0) == a
    assert explore.interpolate(model, a, b, 1) == b
    middle = explore.interpolate(model, a, b, 0.5)
    np.testing.assert_allclose(middle.w, (np.array(a.w) + np.array(b.w)) / 2, atol=1e-6)
    assert dict(middle.noise) == pytest.approx({1: math.sqrt(0.5), 2: math.sqrt(0.5)}, abs=1e-5)


def test_noise_stays_as_strong_however_often_places_are_blended(model: Model) -> None:
    place = explore.place_of(model, 0)
    for salt in range(9):
        place = explore.near(model, place, 0.5, salt)
        assert len(place.noise) <= explore.MAX_NOISES
        assert sum(weight**2 for _, weight in place.noise) == pytest.approx(1, abs=1e-4)


def test_neighbours_are_farther_the_larger_the_amount(model: Model) -> None:
    place = explore.place_of(model, 3)
    start = explore.log_mel_of(model, place)

    def distance(amount: float) -> float:
        found = [explore.log_mel_of(model, explore.near(model, place, amount, salt)) for salt in range(6)]
        return float(np.mean([float((mel - start).abs().mean()) for mel in found]))

    steps = [distance(amount) for amount in (0.0, 0.1, 0.4, 1.0)]
    assert steps[0] < 1e-5
    assert steps == sorted(steps)
    assert explore.near(model, place, 0.4, 1) != explore.near(model, place, 0.4, 2)


def test_less_like_this_points_away_in_style(model: Model) -> None:
    place = explore.place_of(model, 3)
    centre = model.generator.w_avg

    def likeness(other: Place) -> float:
        return float(torch.cosine_similarity(torch.tensor(place.w) - centre, torch.tensor(other.w) - centre, dim=0))

    chance = np.mean([likeness(explore.place_of(model, seed)) for seed in range(100, 130)])
    assert max(likeness(explore.away(model, place, salt)) for salt in range(4)) < chance


def test_moving_along_a_direction_adds_its_vector(model: Model) -> None:
    known = load_directions(directions_path(model.path))
    place = explore.place_of(model, 5)
    moved = explore.move(model, place, {"brightness": 2.0, "density": -1.0}, known)
    expected = np.array(place.w) + 2 * np.array(known[0].vector) - np.array(known[1].vector)
    np.testing.assert_allclose(moved.w, expected, atol=1e-5)
    with pytest.raises(InputError, match="There are: 0 brightness, 1 density"):
        explore.move(model, place, {"loudness": 1.0}, known)


def test_a_projected_recording_keeps_one_style_a_layer(model: Model) -> None:
    ws = torch.randn(1, model.generator.n_styles, model.generator.w_dim, generator=torch.Generator().manual_seed(0))
    place = explore.place_of_projected(Projected(ws, 1.0, 2.0, 120.0), seed=4)
    expected = model.log_mel(ws, [4])
    torch.testing.assert_close(explore.log_mel_of(model, place), expected)
    assert explore.log_mel_of(model, explore.near(model, place, 0.3, 0), bars=2).shape[-1] == 2 * expected.shape[-1]


def test_values_out_of_range_and_places_of_another_model_are_refused(model: Model) -> None:
    place = explore.place_of(model, 0)
    with pytest.raises(InputError, match="0 \\(the first loop\\) to 1"):
        explore.interpolate(model, place, place, 1.2)
    with pytest.raises(InputError, match="amount -1 is out of range"):
        explore.near(model, place, -1, 0)
    with pytest.raises(InputError, match="made with another model"):
        explore.log_mel_of(model, Place(w=(0.0,) * 7, noise=((0, 1.0),)))
