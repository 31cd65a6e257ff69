"""The paper's table over runs: real data first, one row a model, several judges, for a page, a paper or a spreadsheet."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from loopwright.errors import InputError
from loopwright.measuring.columns import BY_JUDGE, MUSIC_NOTES, MUSIC_SOUND, Column
from loopwright.measuring.panel import panel_page
from loopwright.measuring.report import ARROWS, TAUGHT, TAUGHT_LATEX, cell, markdown_table, taught, taught_note
from loopwright.measuring.results import FILE, Estimate, Evaluation
from loopwright.training.runs import RunFolder

Format = Literal["markdown", "latex", "csv"]
SHOWN = ("is", "fad", "kad", "recall", "density", "coverage", "pairs")
MUSIC = ("loops_with_notes", "tuning_r", "cents_off", "in_key", "rise_db", "level_spread_db")
OTHERS = {
    **{f"music/{key}": column for key, column in (MUSIC_NOTES | MUSIC_SOUND).items() if key in MUSIC},
    "loops/onset_jsd": Column("onset JSD", "down", 4),
    "copied": Column("copied", "down", 3),
}
TRAINING = "training bars"
EVALUATION = "evaluation"  # folder of a run


@dataclass
class Line:
    """One row. `measured` is "audio" (loopwright evaluate) or "curve" (the run's own best tick, through the bridge).

    real: no model, and so not in the race: real bars, vocoded ones, training bars.
    """

    name: str
    networks: tuple[str, ...]  # that taught it
    measured: str
    kimg: float | None = None
    hours: float | None = None
    seeds: int = 1
    n: int = 0
    real: bool = False
    data: str = ""  # what it was measured on: only lines of the same data compete
    values: dict[str, Estimate] = field(default_factory=dict)


def table(
    runs: Sequence[Path], *, form: Format = "markdown", intervals: bool = True, merge: bool = True, panel: bool = False
) -> str:
    """The table over run folders as text.

    Args:
        runs: run folders, or folders of runs.
        form: "markdown", "latex" (booktabs) or "csv" (all digits).
        intervals: print error bars.
        merge: runs that differ by seed alone become one row, mean and standard deviation.
        panel: under the table (markdown only) the ranks of its rows by families of judges.

    Each run is shown by its `evaluation/evaluation.json` where `loopwright evaluate` has left one, otherwise by the tick of
    its metrics.jsonl that its best checkpoint comes from. Scores by a network that taught the model are marked. Raises
    InputError if there is no run, or none that was measured, or a panel is wanted in another form than markdown.
    """
    if panel and form != "markdown":
        raise InputError(f"a panel is written in markdown, not in {form}. Leave --format or --panel out.")
    found = expand(runs)
    lines: list[Line] = []
    for run in found:
        lines += read_run(run)
    if not any(not line.real for line in lines):
        raise InputError(
            f"none of the {len(found)} runs has a measurement yet. Train on, or measure one: loopwright evaluate DATA RUN."
        )
    lines = order(merge_seeds(lines) if merge else lines)
    if form == "csv":
        return to_csv(lines)
    text = to_text(lines, latex=form == "latex", intervals=intervals)
    return text + panels(lines) if panel else text


def panels(lines: Sequence[Line]) -> str:
    """A panel for each set of rows that were measured alike on the same data."""
    parts = []
    for how in dict.fromkeys((line.data, line.measured, line.n) for line in lines):
        some = [line for line in lines if (line.data, line.measured, line.n) == how]
        page = panel_page({line.name: line.values for line in some}, {line.name: line.networks for line in some})
        if page:
            parts.append(f"\n## Panel of judges: {how[0]}, {how[1]}, N = {how[2]}\n\n{page}")
    return (
        "".join(parts)
        or "\nA panel needs two rows measured alike, by judges of two families. Run loopwright evaluate --judge panel.\n"
    )


def expand(paths: Sequence[Path]) -> list[Path]:
    """Run folders among `paths`; a folder of runs stands for all of its runs."""
    out: list[Path] = []
    for path in paths:
        if (path / "config.json").is_file():
            out.append(path)
            continue
        inside = sorted(p.parent for p in path.glob("*/config.json")) if path.is_dir() else []
        if not inside:
            raise InputError(f"{path} is no run and holds none. Give run folders, such as runs/00000-house.")
        out += inside
    return list(dict.fromkeys(out))


def read_run(run: Path) -> list[Line]:
    """The run's own line and the lines of real data it was measured with; [] if it was never measured."""
    folder = RunFolder(run)
    recipe, facts = folder.read_config()
    ticks = [row for row in folder.read_metrics() if any(key.startswith("kad/") for key in row)]
    last = folder.read_metrics()[-1] if folder.metrics.exists() and folder.read_metrics() else {}
    name, networks = recipe.name, recipe.discriminator.network_names
    if (run / EVALUATION / FILE).is_file():
        return _from_evaluation(run, name, networks, last)
    if not ticks:
        return []
    judge = recipe.train.judges[-1]
    best = min(ticks, key=lambda row: float(row.get(f"kad/{judge}", math.inf)))
    own = Line(
        name,
        networks,
        measured="curve",
        kimg=best.get("kimg"),
        hours=best.get("seconds", 0.0) / 3600,
        n=recipe.train.eval_n,
        data=Path(str(facts.get("data", ""))).name,
        values={key: Estimate(value=float(value)) for key, value in best.items() if key.split("/")[0] in SHOWN and "/" in key},
    )
    lines = [own]
    baseline = run / "baseline.json"
    if baseline.is_file():
        values = json.loads(baseline.read_text(encoding="utf-8"))
        own.n = int(values.get("n", own.n))
        if values.get("reference") == "none":  # too few held-out bars
            own.measured = "nothing: too few held-out bars"
            return lines
        measured = {key.removeprefix("training-"): float(x) for key, x in values.items() if key.startswith("training-")}
        numbers = {key: Estimate(value=x) for key, x in measured.items()}
        lines.insert(0, Line(f"{TRAINING} ({own.data})", (), "curve", n=own.n, real=True, data=own.data, values=numbers))
    return lines


def _from_evaluation(run: Path, name: str, networks: tuple[str, ...], last: dict[str, Any]) -> list[Line]:
    result = Evaluation.read(run / EVALUATION)
    data = result.real.label
    lines = []
    for row in result.rows:
        if row.kind != "generated":
            lines.append(Line(f"{row.row} ({data})", (), "audio", n=result.n, real=True, data=data, values=row.values))
            continue
        training = result.fake.training or {}
        seconds = training.get("seconds", last.get("seconds"))
        copied = {} if result.novelty is None else {"copied": result.novelty.values["copied"]}
        lines.append(
            Line(
                name,
                networks,
                measured="audio",
                kimg=training.get("kimg", last.get("kimg")),
                hours=None if seconds is None else seconds / 3600,
                n=result.n,
                data=data,
                values=row.values | copied,
            )
        )
    return lines


def merge_seeds(lines: Sequence[Line]) -> list[Line]:
    """Runs of one recipe and one way of measuring as one line, mean and spread; real data once."""
    groups: dict[tuple[Any, ...], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.name, line.networks, line.measured, line.n, line.real, line.data), []).append(line)
    out = []
    for some in groups.values():
        first = some[0]
        if len(some) == 1 or first.real:
            out.append(first)
            continue
        common = set.intersection(*(set(line.values) for line in some))
        numbers = {key: [line.values[key].value for line in some] for key in first.values if key in common}
        out.append(
            dataclasses.replace(
                first,
                kimg=_mean([line.kimg for line in some]),
                hours=_mean([line.hours for line in some]),
                seeds=len(some),
                values={
                    key: Estimate(value=statistics.fmean(some), spread=statistics.stdev(some)) for key, some in numbers.items()
                },
            )
        )
    return out


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def order(lines: Sequence[Line]) -> list[Line]:
    """Real data first, then as given."""
    return sorted(lines, key=lambda line: not line.real)


class Shown(NamedTuple):
    """One column: the key of its values and how they are shown."""

    key: str
    title: str
    better: str
    decimals: int


def columns_of(lines: Sequence[Line]) -> list[Shown]:
    """Columns of the values that any line has, judge by judge."""
    present = {key for line in lines for key in line.values}
    judges = list(dict.fromkeys(key.split("/")[1] for line in lines for key in line.values if key.split("/")[0] in SHOWN))
    out = []
    for judge in judges:
        for key in SHOWN:
            if f"{key}/{judge}" in present:
                column = BY_JUDGE[key]
                out.append(Shown(f"{key}/{judge}", f"{column.title} {judge}", column.better, column.decimals))
    return out + [Shown(key, *column) for key, column in OTHERS.items() if key in present]


def to_text(lines: Sequence[Line], *, latex: bool, intervals: bool) -> str:
    """Markdown or LaTeX. The best model of each column and data set is bold; real data is not in the race."""
    columns = columns_of(lines)
    mixed = len({line.measured for line in lines}) > 1
    best = _best(lines, columns)
    escape = _latex if latex else str
    arrows = {"up": r"$\uparrow$", "down": r"$\downarrow$"} if latex else ARROWS
    head = ["model", "F", "N", "kimg", "hours", *(["measured"] if mixed else [])]
    head += [f"{escape(column.title)} {arrows[column.better]}" if column.better else escape(column.title) for column in columns]
    sign = TAUGHT_LATEX if latex else TAUGHT
    flattered: list[str] = []
    rows = []
    for line in lines:
        row = [
            escape(line.name + (f" ({line.seeds} seeds)" if line.seeds > 1 else "")),
            escape("" if line.real else " + ".join(line.networks) or "none"),
            str(line.n),
            "" if line.kimg is None else f"{line.kimg:.1f}",
            "" if line.hours is None else f"{line.hours:.2f}",
            *([line.measured] if mixed else []),
        ]
        for column in columns:
            found = line.values.get(column.key)
            text = cell(found, column.decimals, error=intervals, plus_minus=r"$\pm$" if latex else "±")
            if found is not None and not line.real and best.get((column.key, line.measured, line.data)) == found.value:
                text = rf"\textbf{{{text}}}" if latex else f"**{text}**"
            judge = column.key.split("/")[1] if "/" in column.key else ""
            if found is not None and taught(judge, line.networks):
                text = f"{text} {sign}"
                flattered += [judge] if judge not in flattered else []
            row.append(text)
        rows.append(row)
    if latex:
        note = "% " + escape(taught_note(flattered, sign=TAUGHT)) if flattered else ""
        return latex_table(head, rows, real=sum(line.real for line in lines)) + note
    note = taught_note(flattered)
    return markdown_table(head, rows, left=2) + (f"\n{note}" if note else "")


def _best(lines: Sequence[Line], columns: Sequence[Shown]) -> dict[tuple[str, str, str], float]:
    """The best value of each column among models measured in one way on one data set, if there are two to compare."""
    out = {}
    for column in columns:
        for race in {(line.measured, line.data) for line in lines}:
            running = [line for line in lines if not line.real and (line.measured, line.data) == race]
            values = [line.values[column.key].value for line in running if column.key in line.values]
            if len(values) > 1 and column.better:
                out[column.key, *race] = max(values) if column.better == "up" else min(values)
    return out


def latex_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, real: int) -> str:
    """A booktabs table; the first `real` rows stand apart."""
    body = [" & ".join(row) + r" \\" for row in rows]
    if 0 < real < len(body):
        body.insert(real, r"\midrule")
    lines = [
        "% needs \\usepackage{booktabs}",
        rf"\begin{{tabular}}{{ll{'r' * (len(head) - 2)}}}",
        r"\toprule",
        " & ".join(head) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        "",
    ]
    return "\n".join(lines)


def _latex(text: str) -> str:
    for sign in ("\\", "&", "%", "$", "#", "_", "{", "}"):
        text = text.replace(sign, r"\textbackslash{}" if sign == "\\" else f"\\{sign}")
    return text


def to_csv(lines: Sequence[Line]) -> str:
    """All digits, a column for each end of each interval and each spread that is known."""
    columns = columns_of(lines)
    used: dict[str, list[str]] = {column.key: [] for column in columns}
    for key, parts in used.items():
        estimates = [line.values[key] for line in lines if key in line.values]
        parts += [part for part in ("low", "high", "spread") if any(getattr(e, part) is not None for e in estimates)]
    head = ["model", "networks", "real", "measured", "n", "seeds", "kimg", "hours"]
    for key, parts in used.items():
        head += [key, *(f"{key}:{part}" for part in parts)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    for line in lines:
        row: list[object] = [
            line.name,
            " + ".join(line.networks),
            int(line.real),
            line.measured,
            line.n,
            line.seeds,
            line.kimg,
            line.hours,
        ]
        for key, parts in used.items():
            found = line.values.get(key)
            row += [None if found is None else getattr(found, part) for part in ("value", *parts)]
        writer.writerow(["" if value is None else value for value in row])
    return out.getvalue()
