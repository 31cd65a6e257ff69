"""Studies: recipes x seeds under one budget, then curves, a table and speed-ups. Interrupted, the same command goes on.

Out folder: `runs/` (one folder a row and seed, each an ordinary run), `study.json`, `study.md`, `study.csv`, `curves.png`,
`questions.png`, `health.png`. A record folder holds the same pages and, instead of runs, one small file for each finished one:
what a later session or another machine needs to go on with the runs that are missing.
"""

from __future__ import annotations

import csv
import importlib.resources
import io
import json
import re
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, Field, NonNegativeInt, PositiveFloat, ValidationError

from loopwright.errors import ConfigError, LoopwrightError
from loopwright.files import write_json, write_text
from loopwright.measuring.report import cell, markdown_table
from loopwright.settings_diff import flat
from loopwright.study.plots import plot_curves, plot_health, plot_questions
from loopwright.tasks.train_gan import train
from loopwright.training.recipe import Recipe, load_recipe, merge, parse_recipe
from loopwright.training.runs import RunFolder, slug

Report = Callable[[str, Mapping[str, Any]], None]
MEASURES = ("fad", "kad", "density", "coverage", "is")


class RowConfig(BaseModel, frozen=True, extra="forbid"):
    """One row of the table."""

    label: str
    recipe: str
    title: str = ""
    set: dict[str, Any] = {}  # changes to its recipe, nested like it
    against: str = ""  # label of the row that differs from this one in what is asked
    until_kimg: PositiveFloat | None = None  # end early, as if killed there: nothing else in the run knows


class StudyConfig(BaseModel, frozen=True, extra="forbid"):
    """What to compare, and under which budget."""

    name: str
    kimg: PositiveFloat  # thousand images a run
    minutes: PositiveFloat | None = None  # training minutes a run, if those end first
    seeds: tuple[NonNegativeInt, ...] = (0, 1)
    baseline: str = ""  # label of the row that speed-ups are against
    judge: str = "musicnn"  # network whose KAD speed-ups are read off
    final: NonNegativeInt = 0  # loops a side of the final evaluation through audio, with intervals; 0: none
    set: dict[str, Any] = {}  # changes to every recipe
    row: tuple[RowConfig, ...] = Field(min_length=1)


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
    final: dict[str, Any] = field(default_factory=dict)
    failure: str = ""

    def series(self, key: str) -> tuple[list[float], list[float], list[float]]:
        """(kimg, seconds, value) of the ticks that have `key`."""
        rows = [r for r in self.ticks if key in r]
        return [r["kimg"] for r in rows], [r["seconds"] for r in rows], [r[key] for r in rows]


def study_names() -> list[str]:
    """Studies that come with the package."""
    root = Path(str(importlib.resources.files("loopwright") / "studies"))
    return sorted(p.stem for p in root.glob("*.toml"))


def load_study(name: str, changes: Mapping[str, Any] | None = None) -> StudyConfig:
    """Read a study by name or path and apply changes to its settings.

    Raises ConfigError for a study or recipe that is not there, unknown keys, labels used twice, or a baseline that is no row.
    """
    root = Path(str(importlib.resources.files("loopwright") / "studies"))
    path = Path(name) if name.endswith(".toml") else root / f"{name}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"no study '{name}'. There are: {', '.join(study_names())}; or give a path to a .toml.") from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read study {path}: {error}.") from error
    try:
        study = StudyConfig(**({"name": path.stem} | values | dict(changes or {})))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"study {path}: {problems}. See docs/study.md for the keys.") from error
    labels = [row.label for row in study.row]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ConfigError(f"study {path}: label '{twice[0]}' is used twice.")
    folders = [_folder_name(row, 0) for row in study.row]
    if len(set(folders)) < len(folders):
        raise ConfigError(f"study {path}: two labels give the same folder name. Labels: {', '.join(labels)}.")
    for what, label in (("baseline", study.baseline), *((f"row {row.label}: against", row.against) for row in study.row)):
        if label and label not in labels:
            raise ConfigError(f"study {path}: {what} '{label}' is no row. Rows: {', '.join(labels)}.")
    for row in study.row:
        load_recipe(row.recipe, settings_of(study, row, 0))
    return study


def only_rows(study: StudyConfig, labels: Sequence[str]) -> set[str]:
    """The labels, checked. Raises ConfigError for one that is no row."""
    known = [row.label for row in study.row]
    wrong = [label for label in labels if label not in known]
    if wrong:
        raise ConfigError(f"study {study.name} has no row '{wrong[0]}'. Rows: {', '.join(known)}.")
    return set(labels)


def settings_of(study: StudyConfig, row: RowConfig, seed: int) -> dict[str, Any]:
    """Changes to the recipe of a row: the study's, then the row's, then budget and seed."""
    return merge(merge(dict(study.set), dict(row.set)), {"train": {"kimg": study.kimg, "seed": seed}})


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
) -> dict[str, Any]:
    """Train what is missing, seed by seed, and write the results after every run. Returns the contents of study.json.

    A run that diverges or cannot start is a result: its reason stands in the table and the study goes on. `max_seconds` of
    this call; the same call continues. `record`: a folder for results without weights; runs that it has are not trained
    again. `bf16`: arithmetic of this machine, which does not make it another study.
    """
    out = Path(out)
    keep = study.model_dump(mode="json")
    for folder in (out, record):
        if folder is not None:
            _same_study(folder / "study.toml.json", keep)
    began = time.monotonic()
    result = collect(study, data, out, record)
    for seed in study.seeds:
        for number, row in enumerate(study.row):
            if only is not None and row.label not in only:
                continue
            left = None if max_seconds is None else max_seconds - (time.monotonic() - began)
            if left is not None and left <= 0:
                return result
            _train_one(
                study, number, row, seed, data, out,
                device=device, threads=threads, left=left, report=report, record=record, bf16=bf16,
            )  # fmt: skip
            result = collect(study, data, out, record)
    return result


def _same_study(path: Path, keep: dict[str, Any]) -> None:
    """A folder holds one study: settings may not change under its runs, but seeds, rows, budget and titles may."""
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [key for key in ("set", "baseline", "judge") if before.get(key) != keep[key]]
        old = {row["label"]: row for row in before.get("row", [])}
        changed += [
            f"row {row['label']}"
            for row in keep["row"]
            if row["label"] in old and old[row["label"]] | {"title": row["title"]} != row
        ]
        if changed:
            raise ConfigError(
                f"{path.parent} holds this study with another {', '.join(changed)}. Choose another --out, or put it back."
            )
    write_json(path, keep)


def _folder_name(row: RowConfig, seed: int) -> str:
    return f"{slug(re.sub(r'[*]', 'p', row.label))}-seed{seed}"


def _root(out: Path, row: RowConfig, seed: int) -> Path:
    return out / "runs" / _folder_name(row, seed)


def _train_one(
    study: StudyConfig,
    number: int,
    row: RowConfig,
    seed: int,
    data: Path,
    out: Path,
    *,
    device: str,
    threads: int | None,
    left: float | None,
    report: Report | None,
    record: Path | None,
    bf16: bool,
) -> None:
    root = _root(out, row, seed)
    settings = settings_of(study, row, seed)
    recipe = load_recipe(row.recipe, settings)

    def ended(curve: Curve) -> bool:
        kimg = min(recipe.train.kimg, row.until_kimg or recipe.train.kimg)
        steps = max(1, round(kimg * 1000 / recipe.train.batch))
        over = study.minutes is not None and bool(curve.ticks) and curve.ticks[-1]["seconds"] >= study.minutes * 60
        return over or (bool(curve.ticks) and curve.ticks[-1]["step"] >= steps)

    recorded = None if record is None else _recorded(record, number, row, seed)
    if recorded is not None:
        _same_recipe(recorded, recipe)
        if ended(recorded) and (recorded.final or not study.final):
            return
    curve = _read(number, row, seed, out)
    done = ended(curve)
    spent = curve.ticks[-1]["seconds"] if curve.ticks else 0.0
    budget = None if study.minutes is None else study.minutes * 60 - spent
    limits = [x for x in (left, budget) if x is not None]
    try:
        if not done:
            (root / "failure.txt").unlink(missing_ok=True)
            name = f"{row.label} seed {seed}"
            train(
                data,
                root,
                row.recipe,
                overrides=merge(settings, {"train": {"bf16": bf16}}),
                device=device,
                threads=threads,
                max_seconds=min(limits) if limits else None,
                until_kimg=row.until_kimg,
                report=None if report is None else lambda tick: report(name, tick),
            )
            done = ended(_read(number, row, seed, out))
        if done and study.final and curve_folder(root) is not None:
            _evaluate(study, data, root)
    except LoopwrightError as error:
        write_text(root / "failure.txt", f"{error}\n")
    curve = _read(number, row, seed, out)
    if record is not None and (done or curve.failure):
        kept = {key: getattr(curve, key) for key in KEPT}
        write_json(record / "runs" / f"{root.name}.json", kept)


def curve_folder(root: Path) -> Path | None:
    """The run in a row's folder, if it was begun."""
    found = sorted(p.parent for p in root.glob("*/config.json"))
    return found[-1] if found else None


def _evaluate(study: StudyConfig, data: Path, root: Path) -> None:
    from loopwright.measuring.cache import default_path
    from loopwright.measuring.evaluate import Settings, evaluate

    run = curve_folder(root)
    assert run is not None
    if not (run / "evaluation" / "evaluation.json").exists():
        measures = ("fad", "fad_inf", "kad", "density", "coverage", "is", "loops")
        settings = Settings(n=study.final, metrics=measures, pictures=False)
        evaluate(data, run, run / "evaluation", settings, cache=default_path())


KEPT = ("recipe", "env", "ticks", "real", "final", "failure")  # of a curve, in a record


def _recorded(record: Path, number: int, row: RowConfig, seed: int) -> Curve | None:
    """The run as a record has it, or None."""
    path = record / "runs" / f"{_folder_name(row, seed)}.json"
    if not path.exists():
        return None
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Curve(number, row.label, row.title or row.recipe, seed, **{key: kept[key] for key in KEPT})
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is not a recorded run ({error}). Remove it to train this run again.") from error


def _same_recipe(recorded: Curve, recipe: Recipe) -> None:
    """A record may come from another machine or version, but not from another recipe."""
    have = flat(parse_recipe(recorded.recipe, f"of the recorded row {recorded.label}").model_dump(mode="json"))
    want = flat(recipe.model_dump(mode="json"))
    differ = [k for k in sorted(have.keys() | want.keys()) if have.get(k) != want.get(k) and k != "train.bf16"]
    if differ and recorded.recipe:
        shown = ", ".join(f"{k}: {have.get(k)} -> {want.get(k)}" for k in differ[:6])
        raise ConfigError(
            f"the record has row {recorded.label}, seed {recorded.seed}, with other settings ({shown}). "
            "Use another --record, or remove that run from it."
        )


def _read(number: int, row: RowConfig, seed: int, out: Path) -> Curve:
    root = _root(out, row, seed)
    curve = Curve(number, row.label, row.title or row.recipe, seed)
    run = curve_folder(root)
    if run is not None:
        folder = RunFolder(run)
        curve.ticks = folder.read_metrics()
        curve.recipe = json.loads(folder.config.read_text(encoding="utf-8"))["recipe"]
        baseline, final, env = run / "baseline.json", run / "evaluation" / "evaluation.json", run / "env.json"
        if env.exists():
            curve.env = json.loads(env.read_text(encoding="utf-8"))
        if baseline.exists():
            curve.real = json.loads(baseline.read_text(encoding="utf-8"))
        if final.exists():
            rows = json.loads(final.read_text(encoding="utf-8"))["rows"]
            curve.final = {r["row"]: r["values"] for r in rows}
    failure = root / "failure.txt"
    if failure.exists():
        curve.failure = failure.read_text(encoding="utf-8").strip()
    return curve


def best_so_far(values: Sequence[float]) -> list[float]:
    """The lowest value up to each point."""
    return np.minimum.accumulate(np.asarray(values, dtype=np.float64)).tolist() if len(values) else []


def reach(at: Sequence[float], values: Sequence[float], target: float) -> float | None:
    """Where the lowest value so far first comes down to `target`, interpolated between measurements; None: nowhere."""
    lowest = best_so_far(values)
    for i, value in enumerate(lowest):
        if value <= target:
            if i == 0 or lowest[i - 1] == value:
                return float(at[i])
            share = (lowest[i - 1] - target) / (lowest[i - 1] - value)
            return float(at[i - 1] + share * (at[i] - at[i - 1]))
    return None


def speed_up(base: Curve, other: Curve, key: str) -> dict[str, Any] | None:
    """How much sooner `other` gets where `base` gets, and the reverse, by the lowest `key` so far.

    `target` is the worse of the two best scores: the one that both reach. Ratios above 1 say that `other` is quicker.
    None if either was never measured.
    """
    (k0, s0, v0), (k1, s1, v1) = base.series(key), other.series(key)
    if not v0 or not v1:
        return None
    target = max(min(v0), min(v1))
    images, others = reach(k0, v0, target), reach(k1, v1, target)
    seconds, other_seconds = reach(s0, v0, target), reach(s1, v1, target)
    assert images is not None
    assert others is not None
    assert seconds is not None
    assert other_seconds is not None
    return {
        "target": target,
        "kimg_base": images,
        "kimg_other": others,
        "images_ratio": images / others if others else None,
        "seconds_ratio": seconds / other_seconds if other_seconds else None,
        "base_needs_for_others_best": reach(k0, v0, min(v1)),
        "other_needs_for_bases_best": reach(k1, v1, min(v0)),
        "kimg_of_base": k0[-1],
        "kimg_of_other": k1[-1],
    }


def collect(study: StudyConfig, data: Path, out: Path, record: Path | None = None) -> dict[str, Any]:
    """Read all runs of a study, recorded ones too, and write study.json, study.md, study.csv and the pictures.

    They go to `record` if there is one, else to `out`.
    """
    curves = []
    for number, row in enumerate(study.row):
        for seed in study.seeds:
            recorded = None if record is None else _recorded(record, number, row, seed)
            curves.append(recorded or _read(number, row, seed, out))
    out = record or out
    judges = sorted({key.split("/", 1)[1] for c in curves for tick in c.ticks for key in tick if key.startswith("kad/")})
    rows = [_summary(study, number, [c for c in curves if c.row == number], judges) for number in range(len(study.row))]
    speed = []
    for curve in curves:
        base = [c for c in curves if c.label == study.baseline and c.seed == curve.seed]
        if curve.label == study.baseline or not base:
            continue
        found = speed_up(base[0], curve, f"kad/{study.judge}")
        if found:
            speed.append({"label": curve.label, "seed": curve.seed} | found)
    questions = [
        question
        for row in study.row
        if row.against
        and (
            question := _question(row, [[c for c in curves if c.label == label] for label in (row.label, row.against)], judges)
        )
    ]
    result = {
        "study": study.model_dump(mode="json"),
        "data": Path(data).name,
        "judges": judges,
        "rows": rows,
        "speed": speed,
        "questions": questions,
        "machine": _machine(curves),
    }
    write_json(Path(out) / "study.json", result)
    write_text(Path(out) / "study.md", to_markdown(result))
    write_text(Path(out) / "study.csv", to_csv(result))
    if any(len(c.ticks) > 1 for c in curves):
        whole = {number for number, row in enumerate(study.row) if row.until_kimg is None}
        plot_curves(Path(out) / "curves.png", [c for c in curves if c.row in whole], judges)
        of = {row.label: [c for c in curves if c.label == row.label] for row in study.row}
        pairs = [(of[question["label"]], of[question["against"]]) for question in questions]
        if pairs:
            plot_questions(Path(out) / "questions.png", pairs, judges)
        plot_health(Path(out) / "health.png", curves)
    return result


SAME = 3  # how many measurements a question is answered with


def _question(row: RowConfig, curves: Sequence[Sequence[Curve]], judges: Sequence[str]) -> dict[str, Any] | None:
    """A row and the row it is against at the same images of the same seeds: their last few common measurements."""
    found: list[list[dict[str, Any]]] = [[], []]
    seeds: list[int] = []
    for one in curves[0]:
        for other in (c for c in curves[1] if c.seed == one.seed):
            ticks = [
                {t["step"]: t for t in c.ticks if t["step"] and any(f"kad/{j}" in t for j in judges)} for c in (one, other)
            ]
            common = sorted(ticks[0].keys() & ticks[1].keys())[-SAME:]
            if common:
                seeds.append(one.seed)
            for kept, by_step in zip(found, ticks, strict=True):
                kept += [by_step[step] for step in common]
    if not seeds:
        return None
    keys = [f"{name}/{judge}" for judge in judges for name in ("kad", "coverage")]
    values = [{key: _spread([t[key] for t in ticks if key in t]) for key in keys} for ticks in found]
    return {
        "label": row.label,
        "title": row.title or row.recipe,
        "against": row.against,
        "seeds": seeds,
        "kimg": sorted({round(t["kimg"], 1) for t in found[0]}),
        "row": values[0],
        "base": values[1],
    }


def _machine(curves: Sequence[Curve]) -> dict[str, Any]:
    return next((curve.env for curve in curves if curve.env), {})


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    """Mean and range over seeds."""
    if not values:
        return None
    return {"value": float(np.mean(values)), "low": float(min(values)), "high": float(max(values))}


def _summary(study: StudyConfig, number: int, curves: Sequence[Curve], judges: Sequence[str]) -> dict[str, Any]:
    row = study.row[number]
    out: dict[str, Any] = {"label": row.label, "title": row.title or row.recipe, "recipe": row.recipe}
    out["failures"] = {str(c.seed): c.failure for c in curves if c.failure}
    out["seeds"] = [c.seed for c in curves if len(c.ticks) > 1]
    out["kimg"] = [c.ticks[-1]["kimg"] for c in curves if c.ticks]
    measured = [[t for t in c.ticks if f"kad/{study.judge}" in t] for c in curves]
    measured = [ticks for ticks in measured if len(ticks) > 1]
    best = [min(ticks, key=lambda t: t[f"kad/{study.judge}"]) for ticks in measured]
    for judge in judges:
        for name in MEASURES:
            key = f"{name}/{judge}"
            out[f"last/{key}"] = _spread([ticks[-1][key] for ticks in measured if key in ticks[-1]])
            out[f"best/{key}"] = _spread([t[key] for t in best if key in t])
            out[f"real/{key}"] = _spread([c.real[f"real-{key}"] for c in curves if f"real-{key}" in c.real])
    speeds = [t["images_per_s"] for c in curves for t in c.ticks if "images_per_s" in t]
    out["images_per_s"] = float(np.median(speeds)) if speeds else None
    for name in ("saturation", "collapse", "dominance"):
        values = [t[name] for c in curves for t in c.ticks if name in t]
        out[name] = float(np.mean(values)) if values else None
    finals = [c.final["generated"] for c in curves if "generated" in c.final]
    if finals:
        out["final"] = {
            key: {
                "value": float(np.mean([f[key]["value"] for f in finals])),
                "low": float(min(f[key]["low"] for f in finals)),
                "high": float(max(f[key]["high"] for f in finals)),
            }
            for key in finals[0]
            if all(key in f for f in finals)
        }
    return out


DECIMALS = {"fad": 2, "kad": 2, "density": 2, "coverage": 2, "is": 2, "fad_inf": 2}


def _number(value: float | None, suffix: str = "") -> str:
    return "–" if value is None else f"{value:.3g}{suffix}"


def to_markdown(result: dict[str, Any]) -> str:
    """The page study.md."""
    study, judges = result["study"], result["judges"]
    seeds = ", ".join(map(str, study["seeds"]))
    machine = result["machine"]
    where = machine.get("gpu") or f"{machine.get('machine', '?')} CPU, {machine.get('threads', '?')} threads"
    parts = [
        f"# Study {study['name']}\n\nData {result['data']}, {study['kimg']:g} thousand images a run"
        + (f" or {study['minutes']:g} minutes" if study["minutes"] else "")
        + f", seeds {seeds}. {where}, torch {machine.get('torch', '?')}.\n\n"
        "Numbers are means over seeds with their range in brackets, at the measurement with the lowest KAD by "
        f"{study['judge']}. Embeddings are taken from log-mels during training. "
        "`real` is as many training bars against the same held-out ones: the best to hope for.\n"
    ]
    columns = [(name, judge) for judge in judges for name in MEASURES
               if any(row.get(f"best/{name}/{judge}") for row in result["rows"])]  # fmt: skip
    titles = [f"{name if name in ('density', 'coverage') else name.upper()} {judge}" for name, judge in columns]
    head = ["row", "model", *titles, "images/s", "dominated", "collapsed"]
    early = {row["label"] for row in study["row"] if row["until_kimg"]}
    whole = [row for row in result["rows"] if row["label"] not in early and (row["kimg"] or row["failures"])]
    real = next((row for row in result["rows"] if any(row.get(f"real/kad/{j}") for j in judges)), None)
    for when in ("best", "last"):
        if when == "last":
            parts.append("\n## At the end of the run\n\nNo tick is chosen here: nothing is owed to a lucky measurement.\n")
        table: list[list[str]] = []
        if real is not None:
            cells = [cell(real.get(f"real/{name}/{judge}"), DECIMALS[name], single=True) for name, judge in columns]
            table.append(["", "real", *cells, "", "", ""])
        for row in whole:
            cells = [cell(row.get(f"{when}/{name}/{judge}"), DECIMALS[name], single=True) for name, judge in columns]
            shares = ["–" if row[k] is None else f"{row[k]:.0%}" for k in ("dominance", "collapse")]
            table.append([row["label"], row["title"], *cells, _number(row["images_per_s"]), *shares])
        parts.append(markdown_table(head, table))
    if result["questions"]:
        parts.append(
            "\n## One thing changed\n\nEach row beside the row it is asked against, at the same images of the same seeds: "
            f"means of the last {SAME} measurements that both have, with their range in brackets.\n"
        )
        columns = [(name, judge) for judge in judges for name in ("kad", "coverage")]
        lines = []
        for q in result["questions"]:
            at = f"{q['kimg'][0]:g} to {q['kimg'][-1]:g}"
            for label, title, values in ((q["label"], q["title"], q["row"]), (q["against"], "", q["base"])):
                cells = [cell(values[f"{name}/{judge}"], DECIMALS[name], single=True) for name, judge in columns]
                lines.append([label, title, at, ", ".join(map(str, q["seeds"])), *cells])
        titles = [f"{'KAD' if name == 'kad' else name} {judge}" for name, judge in columns]
        parts.append(markdown_table(["row", "model", "kimg", "seeds", *titles], lines))
    missing = [row["label"] for row in result["rows"] if not row["kimg"] and not row["failures"]]
    if missing:
        parts.append(f"\nNot trained yet: {', '.join(missing)}.\n")
    finals = [row for row in result["rows"] if "final" in row]
    if finals:
        keys = [key for key in finals[0]["final"] if key.split("/")[0] in DECIMALS]
        parts.append(
            "\n## Finished audio, best checkpoint, through the vocoder\n\nBrackets: the widest of the seeds' intervals.\n"
        )
        lines = [
            [
                row["label"],
                row["title"],
                *[cell(row["final"].get(key), DECIMALS[key.split("/")[0]], single=True) for key in keys],
            ]
            for row in finals
        ]
        parts.append(markdown_table(["row", "model", *keys], lines))
    if result["speed"]:
        base = study["baseline"]
        parts.append(
            f"\n## How much sooner than {base}\n\nBy the lowest KAD ({study['judge']}) so far. `target` is the score that both "
            f"reach; ratios above 1 say the row is quicker than {base}.\n"
        )
        lines = []
        for s in result["speed"]:
            lines.append(
                [
                    s["label"], str(s["seed"]), _number(s["target"]), _number(s["kimg_base"]), _number(s["kimg_other"]),
                    _number(s["images_ratio"], "x"), _number(s["seconds_ratio"], "x"),
                    _number(s["base_needs_for_others_best"]) if s["base_needs_for_others_best"] is not None
                    else f"> {s['kimg_of_base']:.3g}",
                    _number(s["other_needs_for_bases_best"]) if s["other_needs_for_bases_best"] is not None
                    else f"> {s['kimg_of_other']:.3g}",
                ]
            )  # fmt: skip
        head = ["row", "seed", "target", f"kimg of {base}", "kimg of row", "images", "seconds",
                f"{base} to row's best, kimg", f"row to {base}'s best, kimg"]  # fmt: skip
        parts.append(markdown_table(head, lines))
    failures = [(row["label"], seed, text) for row in result["rows"] for seed, text in row["failures"].items()]
    if failures:
        parts.append("\n## Runs that failed\n\n" + "".join(f"* {a}, seed {b}: {c}\n" for a, b, c in failures))
    asked = "each thing changed: questions.png; " if result["questions"] else ""
    parts.append(f"\nCurves: curves.png; {asked}saturation, gradients and spread: health.png.\n")
    return "\n".join(parts)


def to_csv(result: dict[str, Any]) -> str:
    """One line a row and number: label, title, key, value, low, high."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["row", "model", "key", "value", "low", "high"])
    for row in result["rows"]:
        values = {k: v for k, v in row.items() if isinstance(v, dict) and "value" in v}
        values |= {f"final/{k}": v for k, v in row.get("final", {}).items()}
        for key, value in values.items():
            writer.writerow([row["label"], row["title"], key, value["value"], value["low"], value["high"]])
        if row["images_per_s"] is not None:
            writer.writerow([row["label"], row["title"], "images_per_s", row["images_per_s"], "", ""])
    return out.getvalue()
