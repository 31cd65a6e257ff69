"""Studies: speed-ups from curves that can be read by eye, one whole small study, and its mistakes by their text."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cheap
import pytest

from loopwright.errors import ConfigError
from loopwright.study.run import Curve, best_so_far, load_study, only_rows, reach, run_study, speed_up, study_names
from loopwright.training import gan_build, tick

KEY = "kad/judge"


def curve(values: list[float], *, every: float = 1.0, seconds: float = 10.0) -> Curve:
    ticks: list[dict[str, Any]] = []
    for i, value in enumerate(values):
        ticks += [{"kimg": i * every, "seconds": i * seconds, KEY: value}, {"kimg": (i + 0.5) * every, "seconds": 0}]
    return Curve(0, "x", "x", 0, ticks=ticks)


def test_best_so_far_and_where_it_is_reached() -> None:
    values = [10.0, 6.0, 8.0, 2.0]
    assert best_so_far(values) == [10, 6, 6, 2]
    assert reach([0, 1, 2, 3], values, 10) == 0
    assert reach([0, 1, 2, 3], values, 8) == pytest.approx(0.5)
    assert reach([0, 1, 2, 3], values, 4) == pytest.approx(2.5)
    assert reach([0, 1, 2, 3], values, 1) is None


def test_speed_up_counts_images_and_seconds_to_the_score_both_reach() -> None:
    slow, quick = curve([16, 12, 8, 4]), curve([16, 8, 0, 0], seconds=40)
    found = speed_up(slow, quick, KEY)
    assert found is not None
    assert found["target"] == 4
    assert found["images_ratio"] == pytest.approx(3 / 1.5)
    assert found["seconds_ratio"] == pytest.approx(30 / 60)
    assert found["base_needs_for_others_best"] is None
    assert found["other_needs_for_bases_best"] == pytest.approx(1.5)
    back = speed_up(quick, slow, KEY)
    assert back is not None
    assert back["images_ratio"] == pytest.approx(0.5)
    assert speed_up(slow, curve([]), KEY) is None


def test_studies_of_the_package_load_and_their_recipes_exist() -> None:
    assert {"mini", "paper-cpu"} <= set(study_names())
    for name in study_names():
        study = load_study(name)
        assert study.baseline in [row.label for row in study.row]


STUDY = """
kimg = 0.016
seeds = [0, 1]
baseline = "B"
judge = "random:yamnet"

[set.generator]
dims = 1
channels = [12, 12, 8, 8]
z_dim = 6
w_dim = 8
mapping_layers = 2

[set.discriminator]
channels = [4, 6, 8]

[set.train]
batch = 4
tick_kimg = 0.008
eval_kimg = 0.008
eval_n = 8
judges = ["random:yamnet"]

[[row]]
label = "B"
title = "own discriminator"
recipe = "drums/b-stylegan2"

[[row]]
label = "R"
title = "random features"
recipe = "ablations/d-random"

[[row]]
label = "early"
title = "the same, stopped half-way"
recipe = "ablations/d-random"
against = "R"
until_kimg = 0.008

[[row]]
label = "C"
recipe = "ablations/d-conditional"

[row.set.train]
condition = "kit"
"""


def test_a_whole_study_is_interrupted_goes_on_and_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gan_build, "build_features", cheap.build)
    monkeypatch.setattr(tick, "build_embedder", lambda name, mel: cheap.CheapEmbedder())
    data = cheap.write_data(tmp_path / "prepared")
    (tmp_path / "small.toml").write_text(STUDY)
    study = load_study(str(tmp_path / "small.toml"))
    out = tmp_path / "out"
    began: list[str] = []
    first = run_study(study, data.path, out, max_seconds=0.0)
    assert all(not row["seeds"] for row in first["rows"])
    result = run_study(study, data.path, out, report=lambda run, row: began.append(run))
    assert len(set(began)) == 6
    began.clear()
    assert run_study(study, data.path, out, report=lambda run, row: began.append(run)) == result
    assert not began  # all there: nothing is trained again
    b, r, early, c = result["rows"]
    assert b["seeds"] == r["seeds"] == [0, 1]
    assert "have no kit" in c["failures"]["0"]  # a row that cannot run is told, and the others go on
    metrics = [json.loads(x) for x in next((out / "runs" / "R-seed1").glob("*/metrics.jsonl")).read_text().splitlines()]
    best = min(m["kad/random:yamnet"] for m in metrics)
    assert r["best/kad/random:yamnet"]["low"] <= best <= r["best/kad/random:yamnet"]["high"]
    assert {s["label"] for s in result["speed"]} == {"R", "early"}
    for name in ("study.md", "study.csv", "curves.png", "questions.png", "health.png"):
        assert (out / name).stat().st_size > 200
    page = (out / "study.md").read_text()
    assert "random features" in page
    last = metrics[-1]["kad/random:yamnet"]
    assert r["last/kad/random:yamnet"]["low"] <= last <= r["last/kad/random:yamnet"]["high"]
    end = page.split("## At the end of the run")[1]
    row = next(line for line in end.splitlines() if line.startswith("| R "))
    assert f" {r['last/kad/random:yamnet']['value']:.2f}" in row
    with (out / "study.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert float(next(x["value"] for x in rows if x["row"] == "R" and x["key"] == "best/kad/random:yamnet")) == pytest.approx(
        r["best/kad/random:yamnet"]["value"]
    )
    assert 1 <= r["best/is/random:yamnet"]["value"] <= 3
    assert r["kimg"] == [0.016, 0.016]
    assert early["kimg"] == [0.008, 0.008]
    (question,) = result["questions"]
    assert (question["label"], question["against"], question["seeds"]) == ("early", "R", [0, 1])
    assert question["row"] == question["base"]  # the same recipe and seed, so that the way to the stop is the same
    table, asked = page.split("## One thing changed")
    assert "half-way" in asked
    assert "half-way" not in table  # rows that end early do not stand beside whole ones
    other = load_study(str(tmp_path / "small.toml"), {"baseline": "R"})
    with pytest.raises(ConfigError, match="holds this study with another baseline"):
        run_study(other, data.path, out)
    (tmp_path / "small.toml").write_text(STUDY.replace("random features", "chance"))
    run_study(load_study(str(tmp_path / "small.toml")), data.path, out, report=lambda run, row: began.append(run))
    assert not began
    assert "| R | chance |" in (out / "study.md").read_text()
    (tmp_path / "small.toml").write_text(STUDY.replace("until_kimg = 0.008", "until_kimg = 0.004"))
    with pytest.raises(ConfigError, match="holds this study with another row early"):
        run_study(load_study(str(tmp_path / "small.toml")), data.path, out)


def test_a_record_stands_for_runs_made_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One session trains a row, another goes on from what it recorded, without its run folders."""
    monkeypatch.setattr(gan_build, "build_features", cheap.build)
    monkeypatch.setattr(tick, "build_embedder", lambda name, mel: cheap.CheapEmbedder())
    for picture in ("plot_curves", "plot_questions", "plot_health"):  # drawn in the test above; each takes a second
        monkeypatch.setattr(f"loopwright.study.run.{picture}", lambda *_: None)
    data = cheap.write_data(tmp_path / "prepared")
    (tmp_path / "small.toml").write_text(STUDY.replace("seeds = [0, 1]", "seeds = [0]"))
    study = load_study(str(tmp_path / "small.toml"))
    record = tmp_path / "record"
    rows = {"R", "C"}
    run_study(study, data.path, tmp_path / "first", only=rows, record=record, bf16=True)
    assert sorted(p.name for p in (record / "runs").iterdir()) == ["C-seed0.json", "R-seed0.json"]
    began: list[str] = []
    again = run_study(
        study, data.path, tmp_path / "second", only=rows, record=record, report=lambda run, row: began.append(run)
    )
    assert not began
    assert [row["seeds"] for row in again["rows"]] == [[], [0], [], []]
    assert "have no kit" in again["rows"][3]["failures"]["0"]
    assert json.loads((record / "study.json").read_text()) == again
    assert (record / "study.md").exists()
    assert not (tmp_path / "second" / "study.md").exists()

    path = record / "runs" / "R-seed0.json"
    kept = json.loads(path.read_text())
    kept["recipe"]["train"]["lr_g"] = 0.5
    path.write_text(json.dumps(kept))
    with pytest.raises(ConfigError, match=r"has row R, seed 0, with other settings \(train.lr_g: 0.5 -> 0.002\)"):
        run_study(study, data.path, tmp_path / "third", only=rows, record=record)
    path.write_text("{")
    with pytest.raises(ConfigError, match="is not a recorded run"):
        run_study(study, data.path, tmp_path / "fourth", only=rows, record=record)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"baseline": "Z"}, "baseline 'Z' is no row. Rows: B, R, early, C"),
        ({"epochs": 3}, "epochs: Extra inputs are not permitted"),
        ({"row": []}, "row: Tuple should have at least 1 item"),
        ({"row": [{"label": "B", "recipe": "house"}, {"label": "B", "recipe": "tiny"}]}, "label 'B' is used twice"),
        ({"row": [{"label": "B", "recipe": "hause"}]}, "no recipe 'hause'"),
        ({"row": [{"label": "B", "recipe": "tiny", "against": "A"}]}, "row B: against 'A' is no row. Rows: B"),
        ({"row": [{"label": "B*", "recipe": "tiny"}, {"label": "Bp", "recipe": "tiny"}]}, "give the same folder name"),
        ({"set": {"train": {"batsch": 3}}}, "train.batsch: Extra inputs are not permitted"),
    ],
)
def test_mistakes_in_a_study(change: dict[str, Any], text: str, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(STUDY)
    with pytest.raises(ConfigError) as error:
        load_study(str(tmp_path / "small.toml"), change)
    assert text in str(error.value)


def test_study_or_row_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"no study 'mega'. There are: .*paper-cpu"):
        load_study("mega")
    with pytest.raises(ConfigError, match="has no row 'Q'"):
        only_rows(load_study("mini"), ["B", "Q"])
