"""Speed-ups from curves that can be read by eye."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loopwright.measuring.results import Estimate
from loopwright.study.config import RowConfig, StudyConfig
from loopwright.study.report import to_markdown
from loopwright.study.results import Curve, Reached, best_so_far, reach, speed_up, study_result, unfit

KEY = "kad/judge"


def curve(values: list[float], *, every: float = 1.0, seconds: float = 10.0, label: str = "x", seed: int = 0) -> Curve:
    """A run measured before training (1000: nothing is like noise) and then every so many thousand images."""
    ticks: list[dict[str, Any]] = [{"kimg": 0.0, "seconds": 0.0, KEY: 1000.0}]
    for i, value in enumerate(values, start=1):
        ticks += [{"kimg": (i - 0.5) * every, "seconds": 0}, {"kimg": i * every, "seconds": i * seconds, KEY: value}]
    return Curve(0, label, label, seed, ticks=ticks)


def test_best_so_far_and_where_it_is_reached() -> None:
    values = [10.0, 6.0, 8.0, 2.0]
    assert best_so_far(values) == [10, 6, 6, 2]
    assert reach([0, 1, 2, 3], values, 10) == Reached(at=0, first=True)
    assert reach([0, 1, 2, 3], values, 8) == Reached(at=0.5, first=False)
    assert reach([0, 1, 2, 3], values, 4) == Reached(at=2.5, first=False)
    assert reach([0, 1, 2, 3], values, 1) is None


def test_speed_up_counts_images_and_seconds_to_the_score_both_reach() -> None:
    slow, quick = curve([16, 12, 8, 4]), curve([16, 8, 0, 0], seconds=40)
    found = speed_up(slow, quick, "judge")
    assert found is not None
    assert found.target == 4
    assert found.images == pytest.approx(4 / 2.5)
    assert found.seconds == pytest.approx(40 / 100)
    assert found.bound == ""
    assert found.base_needs_for_others_best is None
    assert found.other_needs_for_bases_best == Reached(at=2.5, first=False)
    back = speed_up(quick, slow, "judge")
    assert back is not None
    assert back.images == pytest.approx(2.5 / 4)
    assert speed_up(slow, curve([]), "judge") is None


def test_nothing_is_interpolated_before_the_first_measurement() -> None:
    """A row that is there at its first measurement was there at an unknown time before: the ratio is a bound."""
    slow, quick = curve([16, 12, 8, 4]), curve([3, 3, 3, 3])
    found = speed_up(slow, quick, "judge")
    assert found is not None
    assert found.kimg_other == Reached(at=1, first=True)
    assert found.images == pytest.approx(4)
    assert found.bound == "at least"
    back = speed_up(quick, slow, "judge")
    assert back is not None
    assert (back.images, back.bound) == (pytest.approx(1 / 4), "at most")
    both = speed_up(quick, quick, "judge")
    assert both is not None
    assert both.images is None


STUDY = StudyConfig(
    name="s", kimg=4, baseline="B", judge="judge",
    row=(RowConfig(label="B", recipe="house"), RowConfig(label="R", recipe="house"), RowConfig(label="bad", recipe="house")),
)  # fmt: skip


def test_rows_that_fail_have_no_speed_up_and_it_is_said_why() -> None:
    good, bad = curve([8, 4, 2, 1], label="R"), curve([8, 1, 1, 1], label="bad")
    for tick in bad.ticks[len(bad.ticks) // 2 :]:
        tick["collapse"] = 1.0
    result = study_result(STUDY, Path("data"), [curve([16, 12, 8, 4], label="B"), good, bad])
    assert [s.label for s in result.speed] == ["R"]
    assert result.rows[2].unfit == {"0": "collapsed"}
    page = to_markdown(result)
    assert "* bad: collapsed" in page
    assert not any(line.startswith("| bad |") for line in page.split("## How much sooner")[1].splitlines())


def test_finished_audio_that_covers_nothing_is_unfit_whatever_its_curve_says() -> None:
    one = curve([8, 4, 2, 1])
    one.final = {"generated": {"coverage/a": Estimate(value=0.1), "coverage/b": Estimate(value=0.15)}}
    assert unfit(one) == "finished audio covers 0.15 of real loops at best"
    one.final["generated"]["coverage/c"] = Estimate(value=0.6)
    assert unfit(one) == ""
    one.recipe = {"discriminator": {"networks": ["c", "mel"]}}  # the judge that sees anything good in it taught it
    assert unfit(one) == "finished audio covers 0.15 of real loops at best"


def test_the_range_goes_over_seeds_and_over_judges_that_did_not_teach() -> None:
    runs = [curve([16, 12, 8, 4], label="B", seed=s) for s in (0, 1)]
    runs += [curve([16, 4, 4, 4], label="R"), curve([8, 6, 5, 4], label="R", seed=1)]
    for run in runs:
        run.recipe = {"discriminator": {"networks": ["own"]}} if run.label == "R" else {}
        for tick in run.ticks:
            if KEY in tick:
                tick["kad/own"] = 1000.0 if tick["kimg"] == 0 else (1.0 if run.label == "R" else 5.0 - tick["kimg"])
    page = to_markdown(study_result(STUDY, Path("data"), runs)).split("## How much sooner")[1]
    (line,) = (line for line in page.splitlines() if line.startswith("| R |"))
    assert [cell.strip() for cell in line.split("|")[3:-1]] == ["1x to 2x", "> 4x †", "1x to 2x", "1x to 2x"]


def test_a_table_marks_judges_that_taught() -> None:
    run = curve([8, 4], label="R")
    run.recipe = {"discriminator": {"networks": ["judge"]}}
    page = to_markdown(study_result(STUDY, Path("data"), [curve([8, 4], label="B"), run]))
    end = page.split("## At the end of the run")[1].split("## How much sooner")[0]
    rows = {line.split("|")[1].strip(): line for line in end.splitlines() if line.startswith("| ")}
    assert "4.00 †" in rows["R"]
    assert "†" not in rows["B"]
