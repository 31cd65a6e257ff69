"""Styles of a model that was trained without labels: found once by a classifier, then a table of seeds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from loopwright.audio.note_events import Note
from loopwright.cli import cli
from loopwright.errors import ConfigError, InputError
from loopwright.features import build_embedder
from loopwright.making.bank import Bank
from loopwright.making.bundled import bundled_models
from loopwright.making.clip import Clip
from loopwright.making.engines import load
from loopwright.making.styles import StyleTable, find_styles, load_table, save_table, styles_of_bank, table_path
from loopwright.making.torch_model import TorchModel

TABLE = StyleTable("scnn_loop", 100, 0.5, {"funk": (2, 5, 11), "rock": (0, 1)})


@pytest.fixture
def with_table(model_file: Path, tmp_path: Path) -> Path:
    path = tmp_path / "mine.safetensors"
    shutil.copy(model_file, path)
    save_table(table_path(path), TABLE)
    return path


def test_the_classifier_agrees_with_the_table_it_made(model_file: Path) -> None:
    model = TorchModel.load(str(model_file))
    table = find_styles(model, "scnn_loop_synth", looked_at=60, least=0.3)
    judge = build_embedder("scnn_loop_synth", model.mel)
    names = judge.features.network.classes
    assert table.seeds, "a random model has some style, too"
    assert set(table.seeds) <= set(names)
    for seed in range(60):
        odds = judge.probabilities(torch.from_numpy(model.log_mel(model.styles_of([seed]), [seed])))
        assert odds is not None
        best = names[int(odds.argmax())]
        listed = [style for style, seeds in table.seeds.items() if seed in seeds]
        assert listed == ([best] if float(odds.max()) >= 0.3 and best in table.seeds else [])


def test_a_network_that_knows_no_styles_is_refused(model_file: Path) -> None:
    with pytest.raises(ConfigError, match="random:yamnet does not tell styles apart"):
        find_styles(TorchModel.load(str(model_file)), "random:yamnet", looked_at=1)


def test_seeds_count_the_loops_of_a_style(with_table: Path) -> None:
    model = load(str(with_table), vocoder="griffinlim")
    (loop,) = model.generate([1], style="funk", rate_hz=16_000)
    (same,) = model.generate([5], rate_hz=16_000)
    assert (loop.info["seed"], loop.info["style"]) == (5, "funk")
    assert (loop.samples == same.samples).all()
    with pytest.raises(InputError, match="style 'funk' of model 'mine' has loops 0 to 2, got 3"):
        model.generate([3], style="funk")
    with pytest.raises(ConfigError, match=r"has no style 'jazz'\. It has: funk, rock"):
        model.generate([0], style="jazz")


def test_the_command_line_makes_a_table_and_loops_of_a_style(model_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    shutil.copy(model_file, path)
    arguments = ["styles", str(path), "--network", "scnn_loop_synth", "-n", "100", "--least", "0", "--save"]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    table = load_table(table_path(path))
    assert table is not None
    style, seeds = max(table.seeds.items(), key=lambda item: len(item[1]))
    assert f"{style:14s}" in result.output
    out = tmp_path / "pack"
    arguments = ["generate", str(path), "-n", "2", "--style", style, "-o", str(out), "--vocoder", "griffinlim"]
    assert CliRunner().invoke(cli, arguments, catch_exceptions=False).exit_code == 0
    loops = json.loads((out / "manifest.json").read_text())["loops"]
    assert [(loop["seed"], loop["style"]) for loop in loops] == [(seeds[0], style), (seeds[1], style)]


def test_a_damaged_table_is_told(with_table: Path) -> None:
    table_path(with_table).write_text('{"seeds": [1]}')
    with pytest.raises(InputError, match=r"mine.styles.json is damaged .* loopwright styles MODEL --save"):
        load(str(with_table)).generate([0], style="funk")


@pytest.mark.parametrize(("name", "style"), [("drums", "techno"), ("synth", "bass")])
def test_bundled_models_know_styles_without_torch(name: str, style: str) -> None:
    table = load_table(table_path(bundled_models()[name]))
    assert table is not None
    assert all(list(seeds) == sorted(set(seeds)) and seeds[-1] < table.looked_at for seeds in table.seeds.values())
    model = load(name, engine="onnx")
    (loop,) = model.generate([2], style=style, rate_hz=48_000)
    assert loop.info["seed"] == table.seeds[style][2]


def test_seeds_of_a_bank_have_the_styles_of_their_clips() -> None:
    clips = [Clip((Note(60, 0.0, 0.5, 0.8),), 1, style=style) for style in ("bass", "lead", "bass", "")]
    bank = Bank(tuple(clips))
    table = styles_of_bank(bank, looked_at=200)
    assert set(table.seeds) == {"bass", "lead"}
    assert all(bank.draw(seed).style == style for style, seeds in table.seeds.items() for seed in seeds)
    assert sum(map(len, table.seeds.values())) == sum(bank.draw(seed).style != "" for seed in range(200))
    back = Bank.from_json(bank.to_json(), notes=True, where=Path("x"))
    assert [clip.style for clip in back.clips] == [clip.style for clip in clips]
