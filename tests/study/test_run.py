"""One whole small study, interrupted and gone on with, and its record."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cheap
import pytest
from study_material import STUDY

from loopwright.errors import ConfigError
from loopwright.study.config import load_study
from loopwright.study.results import StudyResult
from loopwright.study.run import run_study
from loopwright.training import gan_build, tick


@pytest.mark.slow
def test_a_whole_study_is_interrupted_goes_on_and_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gan_build, "build_features", cheap.build)
    monkeypatch.setattr(tick, "build_embedder", lambda name, mel: cheap.CheapEmbedder())
    monkeypatch.setattr("loopwright.study.results.FAILING_SHARE", 2.0)  # after a few steps every row fails
    monkeypatch.setattr("loopwright.study.results.NO_BARS_SPREAD", 1e9)
    data = cheap.write_data(tmp_path / "prepared")
    (tmp_path / "small.toml").write_text(STUDY)
    study = load_study(str(tmp_path / "small.toml"))
    out = tmp_path / "out"
    began: list[str] = []
    first = run_study(study, data.path, out, max_seconds=0.0)
    assert all(not row.seeds for row in first.rows)
    result = run_study(study, data.path, out, report=lambda run, row: began.append(run))
    assert len(set(began)) == 6
    began.clear()
    assert run_study(study, data.path, out, report=lambda run, row: began.append(run)) == result
    assert not began  # all there: nothing is trained again
    b, r, early, c = result.rows
    assert b.seeds == r.seeds == (0, 1)
    assert "have no kit" in c.failures["0"]  # a row that cannot run is told, and the others go on
    metrics = [json.loads(x) for x in next((out / "runs" / "R-seed1").glob("*/metrics.jsonl")).read_text().splitlines()]
    best = min(m["kad/random:yamnet"] for m in metrics)
    assert r.best["kad/random:yamnet"].low <= best <= r.best["kad/random:yamnet"].high
    assert {s.label for s in result.speed} == {"R", "early"}
    for name in ("study.md", "study.csv", "curves.png", "questions.png", "health.png"):
        assert (out / name).stat().st_size > 200
    page = (out / "study.md").read_text()
    assert "random features" in page
    last = metrics[-1]["kad/random:yamnet"]
    assert r.last["kad/random:yamnet"].low <= last <= r.last["kad/random:yamnet"].high
    end = page.split("## At the end of the run")[1]
    row = next(line for line in end.splitlines() if line.startswith("| R "))
    assert f" {r.last['kad/random:yamnet'].value:.2f}" in row
    with (out / "study.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert float(next(x["value"] for x in rows if x["row"] == "R" and x["key"] == "best/kad/random:yamnet")) == pytest.approx(
        r.best["kad/random:yamnet"].value
    )
    assert 1 <= r.best["is/random:yamnet"].value <= 3
    assert r.kimg == (0.016, 0.016)
    assert early.kimg == (0.008, 0.008)
    (question,) = result.questions
    assert (question.label, question.against, question.seeds) == ("early", "R", (0, 1))
    assert question.row == question.base  # the same recipe and seed, so that the way to the stop is the same
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
    assert [row.seeds for row in again.rows] == [(), (0,), (), ()]
    assert "have no kit" in again.rows[3].failures["0"]
    assert StudyResult.model_validate_json((record / "study.json").read_text()) == again
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
