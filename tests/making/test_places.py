"""Places in a model: seeds, walks, mixes, neighbours, moves. Checked on both engines, against closed forms."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from random_model import random_directions, random_model

from loopwright.errors import InputError
from loopwright.making import places
from loopwright.making.directions import MAX_MOVE, Direction, directions_path, load_directions
from loopwright.making.engines import load
from loopwright.making.model import Model
from loopwright.making.places import Place, place_at
from loopwright.making.torch_model import TorchModel


@pytest.fixture(scope="module", params=["onnx", "torch"])
def model(loop48_file: Path, request: pytest.FixtureRequest) -> Model:
    return load(str(loop48_file), engine=request.param, vocoder="griffinlim")


@pytest.fixture(scope="module")
def three_scales(tmp_path_factory: pytest.TempPathFactory) -> TorchModel:
    path = random_model(tmp_path_factory.mktemp("three") / "three.safetensors", channels=[16, 16, 16])
    return TorchModel.load(str(path))


def per_layer(model: Model, seed: int = 0) -> Place:
    ws = np.random.default_rng(seed).standard_normal((model.n_styles, model.w_dim)).astype(np.float32)
    return place_at(ws, [(seed, 1.0)], 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("bars", [1, 2])
def test_the_place_of_a_seed_gives_the_seeds_own_loop_to_the_bit(model: Model, bars: int) -> None:
    (expected,) = model.generate([7], bpm=124, bars=bars, truncation=0.8)
    place = Place.model_validate_json(places.place_of(model, 7, truncation=0.8).model_dump_json())
    loop = places.render_place(model, place, bpm=124, bars=bars, info={"seed": 7})
    assert loop.name == expected.name
    np.testing.assert_array_equal(loop.samples, expected.samples)


def test_a_walk_ends_at_its_two_loops_and_is_half_way_in_the_middle(model: Model) -> None:
    a, b = places.place_of(model, 1), places.place_of(model, 2)
    way = places.walk(model, a, b, 5)
    assert (way[0], way[4]) == (a, b)
    np.testing.assert_allclose(way[2].w, (np.array(a.w) + np.array(b.w)) / 2, atol=1e-6)
    assert dict(way[2].noise) == pytest.approx({1: math.sqrt(0.5), 2: math.sqrt(0.5)}, abs=1e-5)
    with pytest.raises(InputError, match="at least 2 loops, got 1"):
        places.walk(model, a, b, 1)


def test_a_walk_does_not_jump_where_the_stronger_noise_changes(model: Model) -> None:
    """No step is much larger than the others, nor does anything switch just in the middle."""
    a, b = places.place_of(model, 3), places.place_of(model, 9)
    mels = [places.log_mel_of(model, place) for place in places.walk(model, a, b, 9)]
    steps = [float(np.abs(x - y).mean()) for x, y in zip(mels, mels[1:], strict=False)]
    assert max(steps) < 1.5 * float(np.median(steps)), steps
    with_house = load(str(model.path), engine="onnx")
    before, after = (places.render_place(with_house, places.interpolate(model, a, b, t), bpm=120) for t in (0.4999, 0.5001))
    far = places.render_place(with_house, b, bpm=120).samples
    assert np.abs(before.samples - after.samples).max() < 0.05 * np.abs(before.samples - far).max()


def test_noise_stays_as_strong_however_often_places_are_blended(model: Model) -> None:
    place = places.place_of(model, 0)
    for salt in range(9):
        place = places.near(model, place, 0.5, salt)
        assert len(place.noise) <= places.MAX_NOISES
        assert sum(weight**2 for _, weight in place.noise) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("n", "levels"),
    [
        (10, {"coarse": (0, 4), "middle": (4, 7), "fine": (7, 10)}),  # the bundled models
        (6, {"coarse": (0, 2), "middle": (2, 4), "fine": (4, 6)}),
        (12, {"coarse": (0, 5), "middle": (5, 8), "fine": (8, 12)}),
        (2, {"coarse": (0, 1), "middle": (1, 1), "fine": (1, 2)}),
    ],
)
def test_levels_are_shares_of_what_a_model_has(
    model: Model, n: int, levels: dict[str, tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "n_styles", n)
    assert places.levels_of(model) == levels
    monkeypatch.setattr(model, "borders", (1,))
    assert places.levels_of(model) == levels | {"pattern": (0, 1), "sound": (1, n)}
    monkeypatch.setattr(model, "borders", (0, 1))
    assert places.levels_of(model) == levels | {"pattern": (0, 0), "sound": (0, n), "kit": (0, 1), "room": (1, n)}


@pytest.mark.parametrize("level", ["coarse", "middle", "fine"])
def test_a_mix_has_its_level_of_one_and_the_rest_of_the_other(model: Model, level: str) -> None:
    a, b = places.place_of(model, 1), per_layer(model)
    mixed = places.mix(model, a, b, level)
    rows = np.array(mixed.w).reshape(model.n_styles, -1)
    first, last = places.levels_of(model)[level]
    want = np.tile(np.array(a.w), (model.n_styles, 1))
    want[first:last] = np.array(b.w).reshape(model.n_styles, -1)[first:last]
    np.testing.assert_array_equal(rows, want)
    assert mixed.noise == a.noise


def test_every_level_changes_the_loop_of_a_model_with_three_scales(three_scales: TorchModel) -> None:
    """Levels were fixed style inputs once: `fine` gave back a three-scale model's own loop, silently."""
    a, b = places.place_of(three_scales, 1), places.place_of(three_scales, 2)
    start = places.log_mel_of(three_scales, a)
    for level in ("coarse", "middle", "fine"):
        assert np.abs(places.log_mel_of(three_scales, places.mix(three_scales, a, b, level)) - start).max() > 1e-2


def test_a_level_that_could_change_nothing_is_refused(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    place = places.place_of(model, 0)
    with pytest.raises(InputError, match=r"no level 'rough' in model 'random'\. There are: coarse, middle, fine"):
        places.mix(model, place, place, "rough")
    with pytest.raises(InputError, match="no level 'pattern'"):
        places.mix(model, place, place, "pattern")
    monkeypatch.setattr(model, "n_styles", 2)
    with pytest.raises(InputError, match=r"no level 'middle' .* There are: coarse, fine"):
        places.mix(model, place, place, "middle")


def test_neighbours_are_farther_the_larger_the_amount(model: Model) -> None:
    place = places.place_of(model, 3)
    start = places.log_mel_of(model, place)

    def distance(amount: float) -> float:
        found = [places.log_mel_of(model, places.near(model, place, amount, salt)) for salt in range(6)]
        return float(np.mean([float(np.abs(mel - start).mean()) for mel in found]))

    steps = [distance(amount) for amount in (0.0, 0.1, 0.4, 1.0)]
    assert steps[0] < 1e-5
    assert steps == sorted(steps)
    assert places.near(model, place, 0.4, 1) != places.near(model, place, 0.4, 2)
    assert places.near(model, place, 0.0, 1) == place
    unrelated = places.near(model, place, 1.0, 1)
    assert unrelated == places.place_of(model, unrelated.noise[0][0]), "another seed's own loop, nothing left of this one"


def test_less_like_this_points_away_in_style(model: Model) -> None:
    place = places.place_of(model, 3)

    def likeness(other: Place) -> float:
        x, y = np.array(place.w) - model.w_avg, np.array(other.w) - model.w_avg
        return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))

    chance = np.mean([likeness(places.place_of(model, seed)) for seed in range(100, 130)])
    assert max(likeness(places.away(model, place, salt)) for salt in range(4)) < chance


def test_moving_along_a_saved_direction_adds_its_vector(model: Model) -> None:
    random_directions(model.path)
    known = load_directions(directions_path(model.path))
    place = places.place_of(model, 5)
    moved = places.move(model, place, {"brightness": 2.0, "density": -1.0}, known)
    expected = np.array(place.w) + 2 * np.array(known[0].vector) - np.array(known[1].vector)
    np.testing.assert_allclose(moved.w, expected, atol=1e-5)
    assert places.move(model, place, {"0": 0.0}, known) == place
    assert places.move(model, place, {"0": MAX_MOVE}, known) != place
    with pytest.raises(InputError, match="There are: 0 brightness, 1 density"):
        places.move(model, place, {"loudness": 1.0}, known)
    with pytest.raises(InputError, match=r"brightness 6\.1 is out of range: -6 to 6"):
        places.move(model, place, {"brightness": 6.1}, known)
    other = Direction("brightness", (0.0,) * 7, 0.1, {})
    with pytest.raises(InputError, match=r"direction 'brightness' has 7 numbers, .* loopwright directions"):
        places.move(model, place, {"brightness": 1.0}, [other])


def test_a_place_with_one_style_a_layer_is_rendered_layer_by_layer(model: Model) -> None:
    place = per_layer(model, 4)
    ws = np.array(place.w, dtype=np.float32).reshape(1, model.n_styles, -1)
    expected = model.log_mel(ws, [4])[0]
    np.testing.assert_array_equal(places.log_mel_of(model, place), expected)
    assert np.abs(model.log_mel(ws[:, 0], [4])[0] - expected).max() > 1e-2
    assert places.log_mel_of(model, places.near(model, place, 0.3, 0), bars=2).shape[-1] == 2 * expected.shape[-1]


def test_both_engines_render_a_place_with_one_style_a_layer_alike(loop48_file: Path) -> None:
    quick, full = (load(str(loop48_file), engine=engine) for engine in ("onnx", "torch"))
    place = places.near(full, per_layer(full), 0.3, 0)
    for bars in (1, 2):
        mels = [places.log_mel_of(model, place, bars=bars) for model in (quick, full)]
        np.testing.assert_allclose(mels[0], mels[1], atol=5e-5)


def test_values_out_of_range_and_places_of_another_model_are_refused(model: Model) -> None:
    place = places.place_of(model, 0)
    with pytest.raises(InputError, match="0 \\(the first loop\\) to 1"):
        places.interpolate(model, place, place, 1.2)
    with pytest.raises(InputError, match="amount -1 is out of range"):
        places.near(model, place, -1, 0)
    with pytest.raises(InputError, match="made with another model"):
        places.log_mel_of(model, Place(w=(0.0,) * 7, noise=((0, 1.0),)))
    with pytest.raises(InputError, match="seed -1 is out of range"):
        places.place_of(model, -1)
