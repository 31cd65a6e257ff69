from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

from loopwright.audio.wavmeta import read_chunks
from loopwright.cli import cli
from loopwright.config import LOOP16
from loopwright.errors import InputError
from loopwright.making.directions import (
    FEATURES,
    band_of,
    directions_path,
    find_directions,
    load_directions,
    measure,
    pick,
    save_directions,
)
from loopwright.making.mixing import edit, mix, step_word, walk
from loopwright.making.project import neighbours, project, target_log_mel
from loopwright.making.torch_model import Model, load


@pytest.fixture(scope="module")
def model(model_file: Path) -> Model:
    model = load(str(model_file))
    save_directions(directions_path(model.path), find_directions(model, count=3, samples=200, probes=8))
    return model


def test_a_walk_starts_and_ends_at_the_seeds_own_loops(model: Model) -> None:
    loops = walk(model, 3, 9, n=3)
    w = model.styles_of([3, 9])
    middle = model.log_mel(w[0].lerp(w[1], 0.5)[None], [9])
    assert [loop.info["at"] for loop in loops] == [0, 0.5, 1]
    own = model.generate([3, 9])
    np.testing.assert_allclose(loops[0].samples, own[0].samples, atol=2e-2)
    np.testing.assert_allclose(loops[2].samples, own[1].samples, atol=2e-2)
    assert torch.isfinite(middle).all()
    assert sorted(loop.name for loop in loops) == [loop.name for loop in loops], "files sort in the order of the walk"
    assert len({step_word(i) for i in range(800)}) == 800


def test_mixing_fine_layers_keeps_the_coarse_picture(model: Model) -> None:
    """By construction of the layers: with `coarse` all that differs from B is fine, and the other way round."""
    a, b = model.styles_of([1, 2])
    n = model.generator.n_styles
    loops = {level: mix(model, [1], [2], level=level)[0] for level in ("coarse", "middle", "fine")}
    ws = torch.cat([b.expand(4, -1), a.expand(n - 4, -1)])[None]
    want = model.render(model.log_mel(ws, [1]), [1], bpm=120, rate_hz=44100)[0]
    np.testing.assert_allclose(loops["coarse"].samples, want.samples, atol=2e-2)
    assert np.abs(loops["coarse"].samples - loops["fine"].samples).max() > 1e-2
    with pytest.raises(InputError, match="no level 'rough'"):
        mix(model, [1], [2], level="rough")


def test_directions_are_principal_and_their_effect_is_what_is_measured(model: Model, tmp_path: Path) -> None:
    found = find_directions(model, count=3, samples=300, probes=16)
    shapes = [d for d in found if d.name.startswith("shape")]
    assert [d.name for d in shapes] == ["shape1", "shape2", "shape3"] == [d.name for d in found[-3:]]
    vectors = torch.nn.functional.normalize(torch.tensor([d.vector for d in shapes]))
    torch.testing.assert_close(vectors @ vectors.T, torch.eye(3), atol=1e-4, rtol=0)
    assert shapes[0].share >= shapes[1].share >= shapes[2].share
    w = model.styles_of(range(75))
    move = torch.tensor(found[0].vector)
    measured = (measure(model.log_mel(x, range(len(x))), model.mel)["density"] for x in (w[:16] + move, w[:16] - move, w))
    up, down, normal = measured
    assert found[0].effect["density"] == pytest.approx(float((up - down).mean() / 2 / normal.std()), abs=1e-3)
    assert len(found) > 3
    for direction in found[:-3]:  # a feature's own direction moves it upwards
        assert direction.name in FEATURES
        assert direction.effect[direction.name] > 0
    save_directions(tmp_path / "d.json", found)
    assert [d.name for d in load_directions(tmp_path / "d.json")] == [d.name for d in found]
    assert pick(found, "1") is found[1]
    with pytest.raises(InputError, match=r"no direction .louder.\. There are: 0 "):
        pick(found, "louder")
    (tmp_path / "d.json").write_text("{")
    with pytest.raises(InputError, match=r"d\.json is damaged"):
        load_directions(tmp_path / "d.json")


def test_measured_features_hear_what_they_are_named_after() -> None:
    quiet = torch.full((1, 64, 256), -4.0)
    kick, hats = quiet.clone(), quiet.clone()
    kick[:, : band_of(LOOP16, 100), ::64] = 0.0
    hats[:, band_of(LOOP16, 5000) :, ::16] = 0.0
    late = quiet.clone()
    late[:, band_of(LOOP16, 5000) :, 20::32] = 0.0  # off-beat sixteenths, four frames late
    on_time = quiet.clone()
    on_time[:, band_of(LOOP16, 5000) :, 16::32] = 0.0
    features = {name: measure(x, LOOP16) for name, x in (("kick", kick), ("hats", hats), ("late", late), ("on_time", on_time))}
    assert features["kick"]["kick"] > features["hats"]["kick"] + 20
    assert features["hats"]["brightness"] > features["kick"]["brightness"] + 20
    assert features["hats"]["density"] > features["on_time"]["density"] > 0
    assert features["late"]["swing"] > 0 > features["on_time"]["swing"]


def test_editing_moves_the_loop_and_zero_does_not(model: Model) -> None:
    same = edit(model, [4], {"0": 0.0})[0]
    np.testing.assert_allclose(same.samples, model.generate([4])[0].samples, atol=2e-2)
    assert np.abs(edit(model, [4], {"0": 3.0})[0].samples - same.samples).max() > 1e-2
    with pytest.raises(InputError, match="amount 50 for '0' is out of range"):
        edit(model, [4], {"0": 50.0})


def test_a_loop_of_the_models_own_is_found_again(model: Model) -> None:
    target = model.log_mel(model.styles_of([1000]), [0])
    found = project(model, target, bpm=120, steps=60, starts=64)
    assert found.error < 0.6 * found.random_error
    loops = neighbours(model, found, n=3, amount=0.3)
    assert len(loops) == 3
    assert loops[0].bpm == pytest.approx(120, abs=1e-3)
    with pytest.raises(InputError, match="amount 2 is out of range"):
        neighbours(model, found, amount=2)


def test_variations_from_the_command_line(model_file: Path, tmp_path: Path) -> None:
    t = np.arange(round(44100 * 240 / 100))
    beat = np.sin(2 * np.pi * 60 * t / 44100) * np.exp(-((t % (len(t) // 4)) / 3000))
    soundfile.write(tmp_path / "mine.wav", beat * 0.5, 44100)
    command = [
        "variations",
        str(tmp_path / "mine.wav"),
        "--model",
        str(model_file),
        "-n",
        "2",
        "--steps",
        "3",
        "-o",
        str(tmp_path / "V"),
    ]
    run = CliRunner().invoke(cli, command)
    assert run.exit_code == 0, run.output
    assert "reconstruction error" in run.output
    files = sorted((tmp_path / "V" / "Loops").iterdir())
    assert len(files) == 2
    assert read_chunks(files[0]).bpm == pytest.approx(100, abs=0.01)


@pytest.mark.parametrize(("seconds", "level", "message"), [(2.0, 0.0, "is silent"), (30.0, 0.5, "is not 1 bar")])
def test_files_that_cannot_be_one_bar(model: Model, tmp_path: Path, seconds: float, level: float, message: str) -> None:
    soundfile.write(tmp_path / "x.wav", np.full(int(8000 * seconds), level), 8000)
    with pytest.raises(InputError, match=message):
        target_log_mel(model, tmp_path / "x.wav")


def test_the_other_commands(model: Model, tmp_path: Path) -> None:
    name = str(model.path)
    for command, files in (
        (["interpolate", name, "0", "1", "-n", "2", "-o", str(tmp_path / "W")], 2),
        (["mix", name, "0-1", "5", "--levels", "coarse", "-o", str(tmp_path / "M")], 2),
        (["edit", name, "--seeds", "0", "--direction", "0", "--amount", "1", "-o", str(tmp_path / "E")], 1),
    ):
        run = CliRunner().invoke(cli, command)
        assert run.exit_code == 0, run.output
        assert len(list((Path(command[-1]) / "Loops").iterdir())) == files
    run = CliRunner().invoke(cli, ["edit", name, "--direction", "0", "--amount", "1", "--amount", "2"])
    assert run.exit_code == 2
    assert "1 directions but 2 amounts" in run.output
