"""What the runs of a study left behind, and what follows from it: means over seeds, speed-ups, answers to questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from loopwright.measuring.report import taught
from loopwright.measuring.results import Estimate, Result
from loopwright.measuring.sides import networks_of
from loopwright.study.config import RowConfig, StudyConfig

MEASURES = ("fad", "kad", "density", "coverage", "is")
LAST = 3  # how many measurements a question is answered with


@dataclass
class Curve:
    """What one run of a study left behind."""

    row: int
    label: str
    title: str
    seed: int
    recipe: dict[str, Any] = field(default_factory=dict)
    env: dict[str, Any] = field(default_factory=dict)
    ticks: list[dict[str, Any]] = field(default_factory=list)
    real: dict[str, float] = field(default_factory=dict)
    final: dict[str, dict[str, Estimate]] = field(default_factory=dict)  # rows of its evaluation through audio
    failure: str = ""

    def series(self, key: str) -> tuple[list[float], list[float], list[float]]:
        """(kimg, seconds, value) of the ticks that have `key`."""
        rows = [r for r in self.ticks if key in r]
        return [r["kimg"] for r in rows], [r["seconds"] for r in rows], [r[key] for r in rows]


class Reached(Result, frozen=True):
    """Where a score is reached first. `first`: at the first measurement already, so perhaps much sooner than `at`."""

    at: float
    first: bool


class SpeedUp(Result, frozen=True):
    """How much sooner a row gets where the baseline gets, by the lowest KAD of one judge so far, for one seed.

    target: the worse of the two best scores: the one that both reach. images, seconds: what the baseline needs over what the
    row needs; above 1 the row is quicker. bound: "" if both are known; "at least" or "at most" if one of them was there at its
    first measurement. If both were, there is no ratio.
    """

    label: str
    seed: int
    judge: str
    target: float
    kimg_base: Reached
    kimg_other: Reached
    kimg_of_base: float  # seen in all
    kimg_of_other: float
    images: float | None = None
    seconds: float | None = None
    bound: Literal["", "at least", "at most"] = ""
    base_needs_for_others_best: Reached | None = None  # None: never got there
    other_needs_for_bases_best: Reached | None = None


class Question(Result, frozen=True):
    """A row and the row it is against, at the same images of the same seeds."""

    label: str
    title: str
    against: str
    seeds: tuple[int, ...]
    kimg: tuple[float, ...]
    row: dict[str, Estimate]
    base: dict[str, Estimate]


class Summary(Result, frozen=True):
    """A row over its seeds: means with their range, by "kad/yamnet" and so on."""

    label: str
    title: str
    recipe: str
    taught_by: tuple[str, ...]  # networks: as judges they flatter it
    failures: dict[str, str]  # by seed
    unfit: dict[str, str]  # by seed: what went wrong in a run that came to its end; it takes no part in speed-ups
    seeds: tuple[int, ...]  # those with a curve
    kimg: tuple[float, ...]
    best: dict[str, Estimate]  # at the measurement with the lowest KAD by the study's judge
    last: dict[str, Estimate]  # at the end
    real: dict[str, Estimate]  # training bars against the same reference: what copying scores
    images_per_s: float | None = None
    saturation: float | None = None
    collapse: float | None = None
    dominance: float | None = None
    final: dict[str, Estimate] | None = None  # finished audio; brackets: the widest of the seeds' intervals


class StudyResult(Result, frozen=True):
    """What study.json holds."""

    study: dict[str, Any]
    data: str
    judges: tuple[str, ...]
    rows: tuple[Summary, ...]
    speed: tuple[SpeedUp, ...]
    questions: tuple[Question, ...]
    machine: dict[str, Any]


def study_result(study: StudyConfig, data: Path, curves: Sequence[Curve]) -> StudyResult:
    """All that follows from the curves of a study's runs."""
    judges = sorted({key.split("/", 1)[1] for c in curves for tick in c.ticks for key in tick if key.startswith("kad/")})
    by_label = {row.label: [c for c in curves if c.label == row.label] for row in study.row}
    fit = [curve for curve in curves if not unfit(curve)]
    base = {curve.seed: curve for curve in fit if curve.label == study.baseline}
    speed = [
        speed_up(base[curve.seed], curve, judge)
        for curve in fit
        if curve.label != study.baseline and curve.seed in base
        for judge in judges
    ]
    questions = [question(row, by_label[row.label], by_label[row.against], judges) for row in study.row if row.against]
    return StudyResult(
        study=study.model_dump(mode="json"),
        data=Path(data).name,
        judges=tuple(judges),
        rows=tuple(summary(study, row, by_label[row.label], judges) for row in study.row),
        speed=tuple(found for found in speed if found is not None),
        questions=tuple(found for found in questions if found is not None),
        machine=next((curve.env for curve in curves if curve.env), {}),
    )


FAILING_SHARE = 0.2  # of the ticks of a run's second half
NO_BARS_SPREAD = 5.0  # generated bars so many times further apart than real ones are no bars any more
LEAST_COVERAGE = 0.2  # of finished audio, by every judge that did not teach


def unfit(curve: Curve) -> str:
    """Why a run is no competitor, "" if it is one: collapsed, dominated, no bars, or failing as finished audio."""
    for key, what in (("dominance", "dominated by its discriminator"), ("collapse", "collapsed")):
        if second_half(curve, key) > FAILING_SHARE:
            return what
    _, spread = spread_of(curve)
    if spread and spread[-1] > NO_BARS_SPREAD:
        return f"its bars are {spread[-1]:.0f} times as far apart as real ones"
    taught_by = networks_of(curve.recipe)
    coverage = {
        key.split("/")[1]: x.value for key, x in curve.final.get("generated", {}).items() if key.startswith("coverage/")
    }
    others = [value for judge, value in coverage.items() if not taught(judge, taught_by)]
    if others and max(others) < LEAST_COVERAGE:
        return f"finished audio covers {max(others):.2f} of real loops at best"
    return ""


def second_half(curve: Curve, key: str) -> float:
    """Mean of a value over the second half of a run's ticks."""
    values = curve.series(key)[2]
    values = values[len(values) // 2 :]
    return sum(values) / len(values) if values else 0.0


def spread_of(curve: Curve) -> tuple[list[float], list[float]]:
    """(kimg, mean distance of generated bars over that of real ones)."""
    rows = [t for t in curve.ticks if t.get("pairwise/real")]
    return [t["kimg"] for t in rows], [t["pairwise/fake"] / t["pairwise/real"] for t in rows]


def best_so_far(values: Sequence[float]) -> list[float]:
    """The lowest value up to each point."""
    return np.minimum.accumulate(np.asarray(values, dtype=np.float64)).tolist() if len(values) else []


def reach(at: Sequence[float], values: Sequence[float], target: float) -> Reached | None:
    """Where the lowest value so far first comes down to `target`; None: nowhere.

    Interpolated between two measurements, never before the first: what a model without training scores says nothing of the way
    from there.
    """
    lowest = best_so_far(values)
    for i, value in enumerate(lowest):
        if value <= target:
            if i == 0:
                return Reached(at=float(at[0]), first=True)
            share = (lowest[i - 1] - target) / (lowest[i - 1] - value)
            return Reached(at=float(at[i - 1] + share * (at[i] - at[i - 1])), first=False)
    return None


def speed_up(base: Curve, other: Curve, judge: str) -> SpeedUp | None:
    """How much sooner `other` gets where `base` gets, by the lowest KAD of a judge so far. None if either has none."""
    (k0, s0, v0), (k1, s1, v1) = (_trained(curve, f"kad/{judge}") for curve in (base, other))
    if not v0 or not v1:
        return None
    target = max(min(v0), min(v1))
    images = reach(k0, v0, target), reach(k1, v1, target)
    seconds = reach(s0, v0, target), reach(s1, v1, target)
    assert images[0] is not None
    assert images[1] is not None
    assert seconds[0] is not None
    assert seconds[1] is not None
    known = not (images[0].first and images[1].first)
    return SpeedUp(
        label=other.label,
        seed=other.seed,
        judge=judge,
        target=target,
        kimg_base=images[0],
        kimg_other=images[1],
        kimg_of_base=k0[-1],
        kimg_of_other=k1[-1],
        images=images[0].at / images[1].at if known and images[1].at else None,
        seconds=seconds[0].at / seconds[1].at if known and seconds[1].at else None,
        bound="at least" if images[1].first else "at most" if images[0].first else "",
        base_needs_for_others_best=reach(k0, v0, min(v1)),
        other_needs_for_bases_best=reach(k1, v1, min(v0)),
    )


def _trained(curve: Curve, key: str) -> tuple[list[float], list[float], list[float]]:
    """(kimg, seconds, value) without the measurement before any training."""
    rows = [row for row in zip(*curve.series(key), strict=True) if row[0] > 0]
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


def question(row: RowConfig, asked: Sequence[Curve], base: Sequence[Curve], judges: Sequence[str]) -> Question | None:
    """A row and the row it is against at the same images of the same seeds: their last few common measurements."""
    found: list[list[dict[str, Any]]] = [[], []]
    seeds: list[int] = []
    for one in asked:
        for other in (c for c in base if c.seed == one.seed):
            ticks = [
                {t["step"]: t for t in c.ticks if t["step"] and any(f"kad/{j}" in t for j in judges)} for c in (one, other)
            ]
            common = sorted(ticks[0].keys() & ticks[1].keys())[-LAST:]
            if common:
                seeds.append(one.seed)
            for kept, by_step in zip(found, ticks, strict=True):
                kept += [by_step[step] for step in common]
    if not seeds:
        return None
    keys = [f"{name}/{judge}" for judge in judges for name in ("kad", "coverage")]
    return Question(
        label=row.label,
        title=row.name,
        against=row.against,
        seeds=tuple(seeds),
        kimg=tuple(sorted({round(t["kimg"], 1) for t in found[0]})),
        row=_over_seeds(found[0], keys),
        base=_over_seeds(found[1], keys),
    )


def _over_seeds(values: Sequence[dict[str, Any]], keys: Sequence[str]) -> dict[str, Estimate]:
    """Mean and range of each key over those that have it."""
    out = {}
    for key in keys:
        some = [one[key] for one in values if key in one]
        if some:
            out[key] = Estimate(value=float(np.mean(some)), low=float(min(some)), high=float(max(some)))
    return out


def summary(study: StudyConfig, row: RowConfig, curves: Sequence[Curve], judges: Sequence[str]) -> Summary:
    """One row of the table from the curves of its seeds."""
    keys = [f"{name}/{judge}" for judge in judges for name in MEASURES]
    measured = [[t for t in c.ticks if f"kad/{study.judge}" in t] for c in curves]
    measured = [ticks for ticks in measured if len(ticks) > 1]
    best = [min(ticks, key=lambda t: float(t[f"kad/{study.judge}"])) for ticks in measured]
    real = [{key.removeprefix("training-"): x for key, x in c.real.items() if key.startswith("training-")} for c in curves]
    speeds = [t["images_per_s"] for c in curves for t in c.ticks if "images_per_s" in t]

    def share(name: str) -> float | None:
        values = [t[name] for c in curves for t in c.ticks if name in t]
        return float(np.mean(values)) if values else None

    return Summary(
        label=row.label,
        title=row.name,
        recipe=row.recipe,
        taught_by=next((networks_of(c.recipe) for c in curves if c.recipe), ()),
        failures={str(c.seed): c.failure for c in curves if c.failure},
        unfit={str(c.seed): why for c in curves if (why := unfit(c))},
        seeds=tuple(c.seed for c in curves if len(c.ticks) > 1),
        kimg=tuple(c.ticks[-1]["kimg"] for c in curves if c.ticks),
        best=_over_seeds(best, keys),
        last=_over_seeds([ticks[-1] for ticks in measured], keys),
        real=_over_seeds(real, keys),
        images_per_s=float(np.median(speeds)) if speeds else None,
        saturation=share("saturation"),
        collapse=share("collapse"),
        dominance=share("dominance"),
        final=_final([c.final["generated"] for c in curves if "generated" in c.final]),
    )


def _final(evaluations: Sequence[dict[str, Estimate]]) -> dict[str, Estimate] | None:
    """Means over seeds; brackets from the lowest bound to the highest."""
    if not evaluations:
        return None
    keys = [key for key in evaluations[0] if all(key in one for one in evaluations)]
    return {key: Estimate.over_seeds([one[key] for one in evaluations]) for key in keys}
