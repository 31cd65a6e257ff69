"""What a tick measures, against what: coverage of each style by hand; held-out bars or nothing."""

from __future__ import annotations

import json
from pathlib import Path

import cheap
import numpy as np
import torch

from loopwright.config import LOOP16
from loopwright.data.prepared import PreparedData
from loopwright.data.prepared_writer import PreparedWriter
from loopwright.models import modelfile
from loopwright.training.gan_loop import train_gan
from loopwright.training.recipe import load_recipe
from loopwright.training.runs import open_run
from loopwright.training.tick import TickJudge, coverage_by_group


def test_a_style_that_nothing_comes_near_is_not_covered() -> None:
    """Three real items a style on a line, a step apart: the nearest other is one away, so that is each one's radius."""
    real = np.asarray([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
    styles = ["funk"] * 3 + ["rock"] * 3
    assert coverage_by_group(real, np.asarray([[0.5]]), styles, k=1) == {"funk": 2 / 3, "rock": 0.0}
    assert coverage_by_group(real, real, styles, k=1) == {"funk": 1.0, "rock": 1.0}
    assert coverage_by_group(real, np.asarray([[3.0], [9.0]]), styles, k=1) == {"funk": 0.0, "rock": 0.0}  # at, not within


def held_out_rows(path: Path, held_out: int) -> PreparedData:
    """40 bars, the first `held_out` of them validation."""
    rng = np.random.default_rng(0)
    with PreparedWriter(path, LOOP16, 1, audio=False) as writer:
        for i in range(40):
            split = "validation" if i < held_out else "train"
            record = {"id": i, "file": f"{i}.wav", "bar": 0, "split": split, "source": str(i)}
            writer.add(rng.uniform(-5, 0, (64, 256)), None, record)
        writer.commit()
        return writer.finish()


def test_training_bars_never_stand_for_held_out_ones(tmp_path: Path, cheap_networks: None) -> None:
    device = torch.device("cpu")
    few = held_out_rows(tmp_path / "few", 9)
    assert TickJudge.of(few, ["random:yamnet"], n=20, seed=0, device=device) is None
    enough = TickJudge.of(held_out_rows(tmp_path / "enough", 10), ["random:yamnet"], n=20, seed=0, device=device)
    assert enough is not None
    assert enough.n == 10
    assert all(key.startswith("training-") for key in enough.baseline)


def test_a_run_without_held_out_bars_is_measured_against_nothing_and_says_so(tmp_path: Path, cheap_networks: None) -> None:
    data = held_out_rows(tmp_path / "few", 4)
    recipe = load_recipe("tiny", cheap.SIZES)
    folder, _ = open_run(tmp_path / "runs", recipe, {})
    row = train_gan(folder, recipe, data, device=torch.device("cpu"))
    assert json.loads((folder.path / "baseline.json").read_text()) == {"n": 0, "reference": "none"}
    assert not [key for key in row if key.startswith(("kad/", "fad/", "coverage/"))]
    assert (
        modelfile.read(folder.checkpoint("best")).header["training"]["kimg"] == row["kimg"]
    )  # the latest is the best there is
