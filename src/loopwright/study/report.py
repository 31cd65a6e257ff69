"""A study as pages: study.md and study.csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Literal

from loopwright.measuring.report import NOTHING, TAUGHT, cell, markdown_table, number, taught, taught_note
from loopwright.study.results import LAST, MEASURES, SpeedUp, StudyResult, Summary

DECIMALS = {"fad": 2, "kad": 2, "density": 2, "recall": 2, "coverage": 2, "is": 2, "fad_inf": 2}
Columns = list[tuple[str, str]]  # (measure, judge)


def to_markdown(result: StudyResult) -> str:
    """The page study.md."""
    parts = [_head(result), *_rows(result)]
    if result.questions:
        parts.append(_questions(result))
    missing = [row.label for row in result.rows if not row.kimg and not row.failures]
    if missing:
        parts.append(f"\nNot trained yet: {', '.join(missing)}.\n")
    parts += _finals(result)
    if result.speed:
        parts.append(_speed(result))
    failures = [(row.label, seed, text) for row in result.rows for seed, text in row.failures.items()]
    if failures:
        parts.append("\n## Runs that failed\n\n" + "".join(f"* {a}, seed {b}: {c}\n" for a, b, c in failures))
    asked = "each thing changed: questions.png; " if result.questions else ""
    parts.append(f"\nCurves: curves.png; {asked}saturation, gradients and spread: health.png.\n")
    return "\n".join(parts)


def _title(name: str, judge: str) -> str:
    return f"{name if name in ('density', 'coverage') else name.upper()} {judge}"


def _head(result: StudyResult) -> str:
    study, machine = result.study, result.machine
    seeds = ", ".join(map(str, study["seeds"]))
    where = machine.get("gpu") or f"{machine.get('machine', '?')} CPU, {machine.get('threads', '?')} threads"
    return (
        f"# Study {study['name']}\n\nData {result.data}, {study['kimg']:g} thousand images a run"
        + (f" or {study['minutes']:g} minutes" if study["minutes"] else "")
        + f", seeds {seeds}. {where}, torch {machine.get('torch', '?')}.\n\n"
        "Numbers are means over seeds with their range in brackets, at the measurement with the lowest KAD by "
        f"{study['judge']}. Embeddings are taken from log-mels during training. "
        "`training bars`: as many of them against the same held-out ones, which is what copying scores.\n"
    )


def _rows(result: StudyResult) -> list[str]:
    """The table at the best measurement, and at the end of the run. Rows that end early do not stand beside whole ones."""
    columns = [(name, judge) for judge in result.judges for name in MEASURES
               if any(f"{name}/{judge}" in row.best for row in result.rows)]  # fmt: skip
    head = ["row", "model", *(_title(*column) for column in columns), "images/s", "dominated", "collapsed"]
    early = {row["label"] for row in result.study["row"] if row["until_kimg"]}
    whole = [row for row in result.rows if row.label not in early and (row.kimg or row.failures)]
    real = next((row.real for row in result.rows if any(key.startswith("kad/") for key in row.real)), None)
    parts = []
    flattered: list[str] = []
    for when in ("best", "last"):
        if when == "last":
            parts.append("\n## At the end of the run\n\nNo tick is chosen here: nothing is owed to a lucky measurement.\n")
        lines: list[list[str]] = []
        if real is not None:
            lines.append(
                ["", "training bars", *(cell(real.get(f"{a}/{b}"), DECIMALS[a], single=True) for a, b in columns), "", "", ""]
            )
        for row in whole:
            values = row.best if when == "best" else row.last
            cells = [_marked(cell(values.get(f"{a}/{b}"), DECIMALS[a], single=True), b, row, flattered) for a, b in columns]
            shares = [NOTHING if share is None else f"{share:.0%}" for share in (row.dominance, row.collapse)]
            lines.append([row.label, row.title, *cells, number(row.images_per_s), *shares])
        parts.append(markdown_table(head, lines))
        if flattered:
            parts.append(taught_note(flattered))
    return parts


def _marked(text: str, judge: str, row: Summary, flattered: list[str]) -> str:
    """A cell, with a sign if the judge taught the row; such judges are added to `flattered`."""
    if text == NOTHING or not taught(judge, row.taught_by):
        return text
    if judge not in flattered:
        flattered.append(judge)
    return f"{text} {TAUGHT}"


def _questions(result: StudyResult) -> str:
    columns = [(name, judge) for judge in result.judges for name in ("kad", "coverage")]
    lines = []
    for q in result.questions:
        at = f"{q.kimg[0]:g} to {q.kimg[-1]:g}"
        for label, title, values in ((q.label, q.title, q.row), (q.against, "", q.base)):
            cells = [cell(values.get(f"{a}/{b}"), DECIMALS[a], single=True) for a, b in columns]
            lines.append([label, title, at, ", ".join(map(str, q.seeds)), *cells])
    return (
        "\n## One thing changed\n\nEach row beside the row it is asked against, at the same images of the same seeds: "
        f"means of the last {LAST} measurements that both have, with their range in brackets.\n\n"
    ) + markdown_table(["row", "model", "kimg", "seeds", *(_title(*column) for column in columns)], lines)


def _finals(result: StudyResult) -> list[str]:
    finals = [(row, row.final) for row in result.rows if row.final is not None]
    if not finals:
        return []
    keys = [key for key in finals[0][1] if key.split("/")[0] in DECIMALS]
    lines = [
        [row.label, row.title, *(cell(final.get(key), DECIMALS[key.split("/")[0]], single=True) for key in keys)]
        for row, final in finals
    ]
    text = "\n## Finished audio, best checkpoint, through the vocoder\n\nBrackets: the widest of the seeds' intervals.\n"
    return [text, markdown_table(["row", "model", *keys], lines)]


def _speed(result: StudyResult) -> str:
    """Ratios of each row over seeds, by every judge and over all."""
    base, judges = result.study["baseline"], result.judges
    flattered: list[str] = []
    lines = []
    for row in result.rows:
        mine = [s for s in result.speed if s.label == row.label]
        if mine:
            cells = [_marked(_range([s for s in mine if s.judge == j], "images"), j, row, flattered) for j in judges]
            honest = [s for s in mine if not taught(s.judge, row.taught_by)]
            lines.append([row.label, row.title, *cells, _range(honest, "images"), _range(honest, "seconds")])
    head = ["row", "model", *(f"images, {judge}" for judge in judges), "images, all others", "seconds, all others"]
    out = (
        f"\n## How much sooner than {base}\n\nImages (seconds) that {base} needs for the lowest KAD that both reach, over "
        "those the row needs: above 1 the row is quicker. Lowest to highest over seeds, and over all judges that did not teach "
        "the row; > and < where one was there at its first measurement, – where both were.\n\n"
    ) + markdown_table(head, lines, left=2)
    if flattered:
        out += "\n" + taught_note(flattered)
    failing = {row.label: sorted(set(row.unfit.values())) for row in result.rows if row.unfit}
    if failing:
        told = "".join(f"* {label}: {'; '.join(why)}\n" for label, why in failing.items())
        out += f"\nRuns without a speed-up, because what they made fails:\n\n{told}"
    return out


def _range(some: Sequence[SpeedUp], what: Literal["images", "seconds"]) -> str:
    """`1.2x to >5.0x`, lowest to highest; bounds are marked."""
    signs = {"": "", "at least": "> ", "at most": "< "}
    found = sorted((value, signs[s.bound]) for s in some if (value := s.images if what == "images" else s.seconds) is not None)
    if not found:
        return NOTHING
    ends = [f"{sign}{number(value, 'x')}" for value, sign in (found[0], found[-1])]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def to_csv(result: StudyResult) -> str:
    """One line a row and number: label, title, key, value, low, high."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["row", "model", "key", "value", "low", "high"])
    for row in result.rows:
        sets = {"last": row.last, "best": row.best, "real": row.real, "final": row.final or {}}
        for when, values in sets.items():
            for key, x in values.items():
                writer.writerow([row.label, row.title, f"{when}/{key}", x.value, x.low, x.high])
        if row.images_per_s is not None:
            writer.writerow([row.label, row.title, "images_per_s", row.images_per_s, "", ""])
    return out.getvalue()
