"""The paper's table over runs: real data first, one row a model, several judges, for a page, a paper or a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from loopwright.errors import InputError
from loopwright.measuring.report import ARROWS, COLUMNS
from loopwright.training.runs import RunFolder

Format = Literal["markdown", "latex", "csv"]
SHOWN = ("is", "fad", "kad", "density", "coverage")
LOOPS = {"loops/onset_jsd": ("onset JSD", "down", 4), "copied": ("copied", "down", 3)}
EVALUATION = Path("evaluation") / "evaluation.json"


@dataclass(frozen=True)
class Number:
    """A value and what is known of its error: an interval of one evaluation, or the spread over seeds."""

    value: float
    low: float | None = None
    high: float | None = None
    spread: float | None = None


@dataclass
class Line:
    """One row. `measured` is "audio" (loopwright evaluate) or "curve" (the run's own best tick, through the bridge)."""

    name: str
    networks: str
    measured: str
    kimg: float | None = None
    hours: float | None = None
    seeds: int = 1
    n: int = 0
    real: bool = False
    data: str = ""  # what it was measured on: only lines of the same data compete
    values: dict[str, Number] = field(default_factory=dict)


def table(runs: Sequence[Path], *, form: Format = "markdown", intervals: bool = True, merge: bool = True) -> str:
    """The table over run folders as text.

    Args:
        runs: run folders, or folders of runs.
        form: "markdown", "latex" (booktabs) or "csv" (all digits).
        intervals: print error bars.
        merge: runs that differ by seed alone become one row, mean and standard deviation.

    Each run is shown by its `evaluation/evaluation.json` where `loopwright evaluate` has left one, otherwise by the tick of
    its metrics.jsonl that its best checkpoint comes from. Raises InputError if there is no run, or none that was measured.
    """
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
    return to_text(lines, latex=form == "latex", intervals=intervals)


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
    name, networks = recipe.name, " + ".join(recipe.discriminator.network_names) or "none"
    if (run / EVALUATION).is_file():
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
        values={key: Number(float(value)) for key, value in best.items() if key.split("/")[0] in SHOWN and "/" in key},
    )
    lines = [own]
    baseline = run / "baseline.json"
    if baseline.is_file():
        values = json.loads(baseline.read_text(encoding="utf-8"))
        own.n = int(values.get("n", own.n))
        numbers = {key.removeprefix("real-"): Number(float(value)) for key, value in values.items() if key.startswith("real-")}
        lines.insert(0, Line(f"real ({own.data})", "", "curve", n=own.n, real=True, data=own.data, values=numbers))
    return lines


def _from_evaluation(run: Path, name: str, networks: str, last: dict[str, Any]) -> list[Line]:
    path = run / EVALUATION
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        lines = []
        for row in result["rows"]:
            values = {key: Number(v["value"], v["low"], v["high"]) for key, v in row["values"].items()}
            real = row["row"] != "generated"
            training = result["fake"].get("training", {})
            line = Line(
                name=f"{row['row']} ({result['real']['label']})" if real else name,
                networks="" if real else networks,
                measured="audio",
                n=result["n"],
                real=real,
                data=result["real"]["label"],
                values=values,
            )
            if not real:
                line.kimg = training.get("kimg", last.get("kimg"))
                seconds = training.get("seconds", last.get("seconds"))
                line.hours = None if seconds is None else seconds / 3600
                if "novelty" in result:
                    copied = result["novelty"]["values"]["copied"]
                    line.values["copied"] = Number(copied["value"], copied["low"], copied["high"])
            lines.append(line)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({error!r}). Run loopwright evaluate again.") from error
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
        keys = set.intersection(*(set(line.values) for line in some))
        values = {}
        for key in first.values:
            if key not in keys:
                continue
            numbers = [line.values[key].value for line in some]
            mean = sum(numbers) / len(numbers)
            spread = math.sqrt(sum((x - mean) ** 2 for x in numbers) / (len(numbers) - 1))
            values[key] = Number(mean, spread=spread)
        out.append(
            Line(
                first.name,
                first.networks,
                first.measured,
                _mean([line.kimg for line in some]),
                _mean([line.hours for line in some]),
                len(some),
                first.n,
                False,
                first.data,
                values,
            )
        )
    return out


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def order(lines: Sequence[Line]) -> list[Line]:
    """Real data first, then as given."""
    return sorted(lines, key=lambda line: not line.real)


def columns_of(lines: Sequence[Line]) -> list[tuple[str, str, str, int]]:
    """(key, heading, direction, decimals) of the values that any line has, judge by judge."""
    judges = list(dict.fromkeys(key.split("/")[1] for line in lines for key in line.values if key.split("/")[0] in SHOWN))
    out = []
    for judge in judges:
        for key in SHOWN:
            if any(f"{key}/{judge}" in line.values for line in lines):
                text, way, decimals = COLUMNS[key]
                out.append((f"{key}/{judge}", f"{text} {judge}", way, decimals))
    out += [(key, *rest) for key, rest in LOOPS.items() if any(key in line.values for line in lines)]
    return out


def to_text(lines: Sequence[Line], *, latex: bool, intervals: bool) -> str:
    """Markdown or LaTeX. The best model of each column and data set is bold; real data is not in the race."""
    columns = columns_of(lines)
    mixed = len({line.measured for line in lines}) > 1
    best: dict[tuple[str, str, str], float] = {}
    for key, _, way, _ in columns:
        for race in {(line.measured, line.data) for line in lines}:
            running = [line for line in lines if not line.real and (line.measured, line.data) == race and key in line.values]
            if len(running) > 1:
                values = [line.values[key].value for line in running]
                best[key, *race] = max(values) if way == "up" else min(values)
    escape = _latex if latex else str
    arrows = {"up": r"$\uparrow$", "down": r"$\downarrow$"} if latex else ARROWS
    head = ["model", "F", "N", "kimg", "hours", *(["measured"] if mixed else [])]
    head += [f"{escape(text)} {arrows[way]}" for _, text, way, _ in columns]
    rows = []
    for line in lines:
        name = line.name + (f" ({line.seeds} seeds)" if line.seeds > 1 else "")
        row = [
            escape(name),
            escape(line.networks),
            str(line.n),
            "" if line.kimg is None else f"{line.kimg:.1f}",
            "" if line.hours is None else f"{line.hours:.2f}",
            *([line.measured] if mixed else []),
        ]
        for key, _, _, decimals in columns:
            number = line.values.get(key)
            text = "–" if number is None else _cell(number, decimals, latex=latex, intervals=intervals)
            if number is not None and not line.real and best.get((key, line.measured, line.data)) == number.value:
                text = rf"\textbf{{{text}}}" if latex else f"**{text}**"
            row.append(text)
        rows.append(row)
    if not latex:
        rule = "|" + "|".join(["---", "---", *["--:"] * (len(head) - 2)]) + "|"
        out = ["| " + " | ".join(head) + " |", rule, *("| " + " | ".join(row) + " |" for row in rows)]
        return "\n".join(out) + "\n"
    real = sum(line.real for line in lines)
    body = [" & ".join(row) + r" \\" for row in rows]
    if 0 < real < len(body):
        body.insert(real, r"\midrule")
    return "\n".join(
        [
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
    )


def _cell(number: Number, decimals: int, *, latex: bool, intervals: bool) -> str:
    text = f"{number.value:.{decimals}f}"
    if not intervals:
        return text
    if number.spread is not None:
        sign = r"$\pm$" if latex else "±"
        return f"{text} {sign} {number.spread:.{decimals}f}"
    if number.low is not None and number.high is not None:
        return f"{text} [{number.low:.{decimals}f}, {number.high:.{decimals}f}]"
    return text


def _latex(text: str) -> str:
    for sign in ("\\", "&", "%", "$", "#", "_", "{", "}"):
        text = text.replace(sign, r"\textbackslash{}" if sign == "\\" else f"\\{sign}")
    return text


def to_csv(lines: Sequence[Line]) -> str:
    """All digits, a column for each end of each interval and each spread that is known."""
    columns = columns_of(lines)
    out = io.StringIO()
    parts = ("low", "high", "spread")
    used = [
        (key, part)
        for key, *_ in columns
        for part in parts
        if any(key in line.values and getattr(line.values[key], part) is not None for line in lines)
    ]
    head = ["model", "networks", "real", "measured", "n", "seeds", "kimg", "hours"]
    for key, *_ in columns:
        head += [key, *(f"{key}:{part}" for other, part in used if other == key)]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    for line in lines:
        row: list[object] = [line.name, line.networks, int(line.real), line.measured, line.n, line.seeds, line.kimg, line.hours]
        for key, *_ in columns:
            number = line.values.get(key)
            row.append("" if number is None else number.value)
            row += ["" if number is None else getattr(number, part) for other, part in used if other == key]
        writer.writerow(["" if value is None else value for value in row])
    return out.getvalue()
