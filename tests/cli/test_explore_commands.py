"""`interpolate`, `mix`, `near`, `edit` write packs; what they sound like is in tests/making/test_one_instrument.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from random_model import random_directions, random_model

from loopwright.cli import cli
from loopwright.errors import InputError
from loopwright.making.loop import word_for


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """No graph comes with the package for its sizes: torch makes its loops."""
    path = random_model(tmp_path_factory.mktemp("model") / "random.safetensors")
    random_directions(path)
    return str(path)


def run(*arguments: str) -> list[dict[str, object]]:
    """Loops of the manifest of the pack that a command writes."""
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    loops: list[dict[str, object]] = json.loads((Path(result.output.strip()) / "manifest.json").read_text())["loops"]
    return loops


def test_a_walk_says_where_each_loop_lies(model: str, tmp_path: Path) -> None:
    loops = run("interpolate", model, "3", "9", "-n", "3", "--bpm", "174", "-o", str(tmp_path / "W"))
    assert [(loop["from"], loop["to"], loop["at"]) for loop in loops] == [(3, 9, 0.0), (3, 9, 0.5), (3, 9, 1.0)]
    names = [str(loop["file"]) for loop in loops]
    assert names == sorted(names)
    assert names[0] == f"Loops/Loopwright_Walk_174_random_a-{word_for(9)}.wav"


def test_a_mix_has_every_row_with_every_column(model: str, tmp_path: Path) -> None:
    loops = run("mix", model, "0-1", "5,6", "--levels", "coarse", "-o", str(tmp_path / "M"))
    assert [(loop["seed"], loop["mixed_with"]) for loop in loops] == [(0, 5), (0, 6), (1, 5), (1, 6)]
    assert {loop["level"] for loop in loops} == {"coarse"}


def test_neighbours_and_moves(model: str, tmp_path: Path) -> None:
    near = run("near", model, "3", "-n", "2", "--amount", "0.2", "-o", str(tmp_path / "N"))
    assert [(loop["near"], loop["amount"], loop["neighbour"]) for loop in near] == [(3, 0.2, 0), (3, 0.2, 1)]
    moved = run("edit", model, "--seeds", "4", "--direction", "density", "--amount", "1", "-o", str(tmp_path / "E"))
    assert [(loop["seed"], loop["moves"]) for loop in moved] == [(4, {"density": 1.0})]


@pytest.mark.parametrize(
    ("command", "seeds", "options", "message"),
    [
        ("mix", "0 1", "--levels sound", "no level 'sound' in model 'random'. There are: coarse, middle, fine."),
        ("near", "0", "--amount 2", "amount 2 is out of range: 0 (the same) to 1 (unrelated)."),
        ("interpolate", "0 4294967296", "", "seed 4294967296 is out of range"),
        ("edit", "", "--direction density --amount 50", "density 50 is out of range: -6 to 6 standard deviations."),
        ("interpolate", "0 1", "--engine onnx", "no ONNX graph for a generator of these sizes"),
    ],
)
def test_what_cannot_be_is_told_and_leaves_nothing(
    model: str, tmp_path: Path, command: str, seeds: str, options: str, message: str
) -> None:
    result = CliRunner().invoke(cli, [command, model, *seeds.split(), *options.split(), "-o", str(tmp_path / "P")])
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_amounts_belong_to_directions(model: str) -> None:
    result = CliRunner().invoke(cli, ["edit", model, "--direction", "0", "--amount", "1", "--amount", "2"])
    assert result.exit_code == 2
    assert "1 directions but 2 amounts" in result.output
