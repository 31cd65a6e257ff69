"""The table over runs, from run folders written by hand."""

from __future__ import annotations

import csv
import io
import json
import statistics
from pathlib import Path

import pytest
from click.testing import CliRunner

from loopwright.cli.table import table as command
from loopwright.errors import InputError
from loopwright.measuring.results import Estimate, Evaluation, IntervalFacts, NoveltyFacts, Row, SetFacts, SideFacts
from loopwright.measuring.table import table
from loopwright.training.recipe import load_recipe


def make_run(path: Path, name: str, ticks: list[dict[str, float]], seed: int = 0) -> Path:
    recipe = load_recipe("tiny").model_copy(update={"name": name})
    values = recipe.model_dump(mode="json")
    values["train"]["seed"] = seed
    values["train"]["judges"] = ["yamnet", "musicnn"]
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"recipe": values, "data": "/somewhere/drums16"}))
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ticks))
    baseline = {"n": 200, "reference": "validation"}
    baseline |= {"training-fad/yamnet": 9.0, "training-kad/yamnet": 0.1, "training-kad/musicnn": 0.2}
    (path / "baseline.json").write_text(json.dumps(baseline))
    return path


def tick(kimg: float, fad: float, kad: float) -> dict[str, float]:
    row = {"step": kimg * 10, "kimg": kimg, "seconds": kimg * 360}
    for judge, factor in (("yamnet", 1.0), ("musicnn", 2.0)):
        row |= {f"fad/{judge}": fad * factor, f"kad/{judge}": kad * factor, f"density/{judge}": 0.9, f"coverage/{judge}": 0.8}
    return row


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    make_run(
        tmp_path / "00000-a",
        "model_a",
        [tick(1, 50, 9), {"step": 15, "kimg": 1.5, "loss/d": 1.0}, tick(2, 20, 3), tick(3, 30, 4)],
    )
    make_run(tmp_path / "00001-b", "b&c", [tick(1, 40, 8), tick(2, 25, 5)])
    return tmp_path


def test_rows_are_the_best_ticks_by_the_last_judge(runs: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(table([runs], form="csv"))))
    assert [row["model"] for row in rows] == ["training bars (drums16)", "model_a", "b&c"]
    assert [row["real"] for row in rows] == ["1", "0", "0"]
    assert rows[1]["kimg"] == "2"
    assert float(rows[1]["fad/yamnet"]) == 20
    assert float(rows[1]["kad/musicnn"]) == 6
    assert float(rows[1]["hours"]) == pytest.approx(0.2)
    assert float(rows[0]["fad/yamnet"]) == 9
    assert rows[0]["density/yamnet"] == ""


def test_markdown_and_latex_make_the_best_model_bold_but_not_real_data(runs: Path) -> None:
    lines = table([runs / "00000-a", runs / "00001-b"]).splitlines()
    assert lines[0].startswith("| model | F | N | kimg | hours | FAD yamnet ↓ | KAD yamnet ↓ |")
    assert len({line.count("|") for line in lines}) == 1
    assert "| 9.000 |" in lines[2]
    assert "**20.000**" in lines[3]
    assert "**25.000**" not in lines[4]
    latex = table([runs], form="latex")
    assert r"model\_a" in latex
    assert r"b\&c" in latex
    assert r"\textbf{20.000}" in latex
    body = latex.split(r"\midrule")
    assert len(body) == 3
    heads = body[0].splitlines()[-1].count("&")
    assert all(row.count(" & ") == heads for part in body[1:] for row in part.splitlines() if row.endswith(r"\\"))


def test_seeds_of_one_recipe_become_one_row(tmp_path: Path) -> None:
    fads = [20.0, 26.0, 29.0]
    for seed, fad in enumerate(fads):
        make_run(tmp_path / f"0000{seed}-a", "a", [tick(2, fad, 3)], seed=seed)
    got = table([tmp_path])
    assert "a (3 seeds)" in got
    assert f"25.000 ± {statistics.stdev(fads):.3f}" in got
    assert "seeds)" not in table([tmp_path], merge=False)
    assert "±" not in table([tmp_path], intervals=False)


def test_an_evaluation_comes_before_the_curve(runs: Path) -> None:
    def value(x: float) -> Estimate:
        return Estimate(value=x, low=x - 1, high=x + 1)

    facts = SetFacts(loops=500, sources=60, kits=4, drawn="sources")
    result = Evaluation(
        format=1, loopwright="0", n=500, k=5, seed=0, judges=(), reference_loops={},
        interval=IntervalFacts(level=0.95, method="half-sampling", repeats=2),
        reference=facts,
        real=SideFacts(kind="prepared", label="drums16", loops=900),
        fake=SideFacts(kind="model", label="a", loops=500, training={"kimg": 7.0, "seconds": 7200}),
        rows=(
            Row(row="test against test", kind="real", set=facts, values={"fad/yamnet": value(3.0)}),
            Row(row="generated", kind="generated", set=facts, values={"fad/yamnet": value(5.0), "music/rise_db": value(20.5)}),
        ),
        novelty=NoveltyFacts(training="drums16", real="test against test", values={"copied": value(0.02)}),
    )  # fmt: skip
    folder = runs / "00000-a" / "evaluation"
    result.write(folder)
    got = table([runs])
    assert "5.000 [4.000, 6.000]" in got
    assert "test against test (drums16)" in got
    assert "rise in 5 ms, dB" in got
    assert "20.5 [19.5, 21.5]" in got
    assert "| audio |" in got
    assert "| curve |" in got  # the other run has none
    assert "copied" in got
    (folder / "evaluation.json").write_text("{}")
    with pytest.raises(InputError, match="Run loopwright evaluate again"):
        table([runs])


def test_bad_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no run and holds none"):
        table([tmp_path])
    make_run(tmp_path / "00000-a", "a", [{"step": 1, "kimg": 0.1, "loss/d": 1.0}])
    with pytest.raises(InputError, match="none of the 1 runs has a measurement yet"):
        table([tmp_path])


def test_the_command(runs: Path) -> None:
    got = CliRunner().invoke(command, [str(runs), "--format", "csv"], catch_exceptions=False)
    assert got.exit_code == 0
    assert got.stdout == table([runs], form="csv")


def test_scores_by_a_network_that_taught_are_marked(tmp_path: Path) -> None:
    run = make_run(tmp_path / "00000-a", "a", [tick(1, 50, 9)])
    config = json.loads((run / "config.json").read_text())
    config["recipe"]["discriminator"]["networks"] = ["direct:yamnet"]
    (run / "config.json").write_text(json.dumps(config))
    lines = table([tmp_path]).splitlines()
    heads = [cell.strip() for cell in lines[0].split("|")]
    cells = [cell.strip() for cell in lines[3].split("|")]
    marked = {head for head, cell in zip(heads, cells, strict=True) if cell.endswith("†")}
    assert marked == {head for head in heads if "yamnet" in head}
    assert "†" not in lines[2]  # training bars were taught by nobody
    assert lines[-1].startswith("† by a network that taught the model (yamnet)")
    latex = table([tmp_path], form="latex")
    assert r"50.000 $\dagger$" in latex


def test_a_run_that_was_measured_against_nothing_says_so(tmp_path: Path) -> None:
    run = make_run(tmp_path / "00000-a", "a", [tick(1, 50, 9)])
    (run / "baseline.json").write_text(json.dumps({"n": 0, "reference": "none"}))
    rows = list(csv.DictReader(io.StringIO(table([tmp_path], form="csv"))))
    assert [row["model"] for row in rows] == ["a"]
    assert rows[0]["measured"] == "nothing: too few held-out bars"


def test_a_panel_stands_under_the_table(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        make_run(tmp_path / f"0000{number}-{name}", name, [tick(1, 50 + number, 9 + number)])
    page = table([tmp_path], panel=True)
    assert "## Panel of judges: drums16, curve, N = 200" in page
    assert "* a is nearer than b" in page
    with pytest.raises(InputError, match="a panel is written in markdown, not in csv"):
        table([tmp_path], form="csv", panel=True)
