"""Command line, Python and studio play alike: the same samples, to the bit, on one engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from random_model import random_directions, random_model

import loopwright
from loopwright.cli import cli
from loopwright.config import LOOP48
from loopwright.making import Loop, Model, Place, interpolate, mix, move, near, place_of, render_place
from loopwright.making.directions import directions_of
from loopwright.studio import wishes
from loopwright.studio.engine import Engine
from loopwright.studio.jobs import Job, Jobs
from loopwright.studio.library import Library


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """As `load` gives it: onnx."""
    path = random_model(tmp_path_factory.mktemp("one") / "one.safetensors", "house", LOOP48, seed=5)
    random_directions(path)
    return loopwright.load(str(path))


@pytest.fixture(scope="module")
def studio(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine([str(model.path)], Library(tmp_path_factory.mktemp("library")), None, Jobs())


def from_command(tmp_path: Path, *arguments: str) -> list[np.ndarray]:
    """Samples of a command's pack, in the order of its files."""
    run = CliRunner().invoke(cli, [*arguments, "-o", str(tmp_path / "P")], catch_exceptions=False)
    assert run.exit_code == 0, run.output
    return [soundfile.read(path, dtype="int32")[0] for path in sorted((tmp_path / "P" / "Loops").iterdir())]


def from_studio(studio: Engine, wish: wishes.AnyWish) -> tuple[str, np.ndarray]:
    """Id and samples of a wish's first loop."""
    event = next(event for event in studio.work(wish)(Job("0" * 16, "me", wish.kind, 1)) if event["type"] == "loop")
    return event["loop"]["id"], soundfile.read(studio.library.audio(event["loop"]["id"]), dtype="int32")[0]


def from_python(loop: Loop, tmp_path: Path) -> np.ndarray:
    return np.asarray(soundfile.read(loop.save(tmp_path / "loop.wav"), dtype="int32")[0])


def places_of(model: Model) -> tuple[Place, Place]:
    return place_of(model, 3), place_of(model, 17)


def test_loading_takes_the_quick_engine(model: Model) -> None:
    assert type(model).__name__ == "OnnxModel"
    assert isinstance(model, loopwright.Model)


@pytest.mark.parametrize("what", ["seed", "walk", "mix", "near", "edit"])
def test_one_instrument(model: Model, studio: Engine, tmp_path: Path, what: str) -> None:
    a, b = places_of(model)
    name, seed = str(model.path), {"kind": "generate", "model": "one", "count": 1}
    first = from_studio(studio, wishes.WISH.validate_python({**seed, "seed": 3}))[0]
    second = from_studio(studio, wishes.WISH.validate_python({**seed, "seed": 17}))[0]
    command, wish, place = {
        "seed": (("generate", name, "--seeds", "3"), {**seed, "seed": 3}, a),
        "walk": (
            ("interpolate", name, "3", "17", "-n", "3"),
            {"kind": "blend", "a": first, "b": second, "t": 0.5},
            interpolate(model, a, b, 0.5),
        ),
        "mix": (
            ("mix", name, "3", "17", "--levels", "coarse"),
            {"kind": "mix", "a": first, "b": second, "level": "coarse"},
            mix(model, a, b, "coarse"),
        ),
        "near": (
            ("near", name, "3", "-n", "1", "--amount", "0.3"),
            {"kind": "near", "loop": first, "count": 1, "amount": 0.3},
            near(model, a, 0.3, 0),
        ),
        "edit": (
            ("edit", name, "--seeds", "3", "--direction", "density", "--amount", "1.5"),
            {"kind": "move", "loop": first, "amounts": {"density": 1.5}},
            move(model, a, {"density": 1.5}, directions_of(model)),
        ),
    }[what]
    pack = from_command(tmp_path, *command)
    commanded = pack[len(pack) // 2]
    wished = from_studio(studio, wishes.WISH.validate_python(wish))[1]
    scripted = from_python(render_place(model, place, bpm=120), tmp_path)
    np.testing.assert_array_equal(commanded, scripted)
    np.testing.assert_array_equal(wished, scripted)
    if what != "seed":
        assert (scripted != from_python(render_place(model, a, bpm=120), tmp_path)).any()
