"""Studies: recipes x seeds under one budget, then curves, a table and speed-ups. Interrupted, the same command goes on.

Out folder: `runs/` (one folder a row and seed, each an ordinary run), `study.json`, `study.md`, `study.csv`, `curves.png`,
`questions.png`, `health.png`. A record folder holds the same pages and, instead of runs, one small file for each finished one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwright.errors import LoopwrightError
from loopwright.files import write_json, write_text
from loopwright.measuring.cache import default_path
from loopwright.measuring.evaluate import evaluate
from loopwright.measuring.results import FILE
from loopwright.measuring.settings import Settings
from loopwright.study.config import RowConfig, StudyConfig, folder_name, settings_of
from loopwright.study.plots import plot_curves, plot_health, plot_questions
from loopwright.study.record import check_recipe, keep_settings, read_record, read_run, run_in, write_record
from loopwright.study.report import to_csv, to_markdown
from loopwright.study.results import Curve, StudyResult, study_result
from loopwright.tasks.train_gan import train
from loopwright.training.recipe import Recipe, load_recipe, merge

Report = Callable[[str, Mapping[str, Any]], None]
_FINAL = ("fad", "fad_inf", "kad", "recall", "density", "coverage", "is", "loops")  # measured of finished audio


@dataclass(frozen=True)
class Place:
    """Where a study happens: its data, its folder, its record, and what this machine computes with."""

    data: Path
    out: Path
    record: Path | None = None
    device: str = "auto"
    threads: int | None = None
    bf16: bool = False

    def folder(self, row: RowConfig, seed: int) -> Path:
        """Of one row and seed."""
        return self.out / "runs" / folder_name(row, seed)


def run_study(
    study: StudyConfig,
    data: Path,
    out: Path,
    *,
    device: str = "auto",
    threads: int | None = None,
    max_seconds: float | None = None,
    report: Report | None = None,
    only: set[str] | None = None,
    record: Path | None = None,
    bf16: bool = False,
) -> StudyResult:
    """Train what is missing, seed by seed, and write the results after every run. Returns what study.json holds.

    A run that diverges or cannot start is a result: its reason stands in the table and the study goes on. `max_seconds` of
    this call; the same call continues. `record`: a folder for results without weights; runs that it has are not trained
    again. `bf16`: arithmetic of this machine, which does not make it another study.
    """
    place = Place(Path(data), Path(out), record, device, threads, bf16)
    for folder in (place.out, record):
        if folder is not None:
            keep_settings(folder / "study.toml.json", study)
    began = time.monotonic()
    result = collect(study, data, out, record)
    for seed in study.seeds:
        for number, row in enumerate(study.row):
            if only is not None and row.label not in only:
                continue
            left = None if max_seconds is None else max_seconds - (time.monotonic() - began)
            if left is not None and left <= 0:
                return result
            _train_one(study, number, row, seed, place, left=left, report=report)
            result = collect(study, data, out, record)
    return result


def _train_one(
    study: StudyConfig, number: int, row: RowConfig, seed: int, place: Place, *, left: float | None, report: Report | None
) -> None:
    """One row and seed: train on from where it is, evaluate, record. Errors a user can act on are results."""
    folder = place.folder(row, seed)
    settings = settings_of(study, row, seed)
    recipe = load_recipe(row.recipe, settings)
    recorded = None if place.record is None else read_record(place.record, number, row, seed)
    if recorded is not None:
        check_recipe(recorded, recipe)
        if _ended(recorded, study, row, recipe) and (recorded.final or not study.final):
            return
    curve = read_run(folder, number, row, seed)
    done = _ended(curve, study, row, recipe)
    spent = curve.ticks[-1]["seconds"] if curve.ticks else 0.0
    budget = None if study.minutes is None else study.minutes * 60 - spent
    limits = [x for x in (left, budget) if x is not None]
    try:
        if not done:
            (folder / "failure.txt").unlink(missing_ok=True)
            name = f"{row.label} seed {seed}"
            train(
                place.data,
                folder,
                row.recipe,
                overrides=merge(settings, {"train": {"bf16": place.bf16}}),
                device=place.device,
                threads=place.threads,
                max_seconds=min(limits) if limits else None,
                until_kimg=row.until_kimg,
                report=None if report is None else lambda tick: report(name, tick),
            )
            done = _ended(read_run(folder, number, row, seed), study, row, recipe)
        if done and study.final:
            _evaluate(study, place.data, folder)
    except LoopwrightError as error:
        write_text(folder / "failure.txt", f"{error}\n")
    curve = read_run(folder, number, row, seed)
    if place.record is not None and (done or curve.failure):
        write_record(place.record, row, curve)


def _ended(curve: Curve, study: StudyConfig, row: RowConfig, recipe: Recipe) -> bool:
    """Whether a run has seen its images or used up its minutes."""
    if not curve.ticks:
        return False
    last = curve.ticks[-1]
    kimg = min(recipe.train.kimg, row.until_kimg or recipe.train.kimg)
    steps = max(1, round(kimg * 1000 / recipe.train.batch))
    return bool(last["step"] >= steps or (study.minutes is not None and last["seconds"] >= study.minutes * 60))


def _evaluate(study: StudyConfig, data: Path, folder: Path) -> None:
    """Finished audio of the best checkpoint, once."""
    run = run_in(folder)
    if run is not None and not (run / "evaluation" / FILE).exists():
        settings = Settings(n=study.final, metrics=_FINAL, pictures=False)
        evaluate(data, run, run / "evaluation", settings, cache=default_path())


def collect(study: StudyConfig, data: Path, out: Path, record: Path | None = None) -> StudyResult:
    """Read all runs of a study, recorded ones too, and write study.json, study.md, study.csv and the pictures.

    They go to `record` if there is one, else to `out`.
    """
    place = Place(Path(data), Path(out), record)
    curves = []
    for number, row in enumerate(study.row):
        for seed in study.seeds:
            recorded = None if record is None else read_record(record, number, row, seed)
            curves.append(recorded or read_run(place.folder(row, seed), number, row, seed))
    result = study_result(study, place.data, curves)
    pages = record or place.out
    write_json(pages / "study.json", result.to_json())
    write_text(pages / "study.md", to_markdown(result))
    write_text(pages / "study.csv", to_csv(result))
    if any(len(c.ticks) > 1 for c in curves):
        whole = {number for number, row in enumerate(study.row) if row.until_kimg is None}
        plot_curves(pages / "curves.png", [c for c in curves if c.row in whole], result.judges)
        of = {row.label: [c for c in curves if c.label == row.label] for row in study.row}
        pairs = [(of[question.label], of[question.against]) for question in result.questions]
        if pairs:
            plot_questions(pages / "questions.png", pairs, result.judges)
        plot_health(pages / "health.png", curves)
    return result
