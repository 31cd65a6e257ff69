"""An evaluation as a page: evaluation.md."""

from __future__ import annotations

from collections.abc import Mapping

from loopwright.measuring.columns import (
    BY_JUDGE,
    LOOP_DISTANCES,
    LOOP_MEASURES,
    MUSIC_DISTANCES,
    MUSIC_NOTES,
    MUSIC_SOUND,
    Column,
)
from loopwright.measuring.panel import panel_page
from loopwright.measuring.report import ARROWS, NOTHING, TAUGHT, cell, markdown_table, taught, taught_note
from loopwright.measuring.results import Evaluation, SetFacts


def to_markdown(result: Evaluation) -> str:
    """The whole page."""
    parts = [f"# {result.fake.label} against {result.real.label}\n", _how(result), _sets(result)]
    parts += _music(result)
    for judge in result.judges:
        keys = {f"{key}/{judge.name}": column for key, column in BY_JUDGE.items()}
        if any(key in row.values for row in result.rows for key in keys):
            parts.append(f"## Judge {judge.name} ({judge.dim} dimensions, weights {judge.checksum[:12]})\n")
            parts.append(_rows(result, keys, judge=judge.name))
    parts += _panel(result)
    parts += _kits(result)
    parts += _loops(result)
    parts += _novelty(result)
    if result.warnings:
        parts.append("## Read with care\n")
        parts.append("".join(f"* {warning}\n" for warning in result.warnings))
    return "\n".join(parts)


def _how(result: Evaluation) -> str:
    """How it was measured, and the model if there is one."""
    text = (
        f"N = {result.n} loops in every row and in the reference ({result.real.reference}); k = {result.k}; "
        f"seed {result.seed}; brackets: {result.interval.level:.0%} intervals by {result.interval.method} "
        f"({result.interval.repeats} draws). loopwright {result.loopwright}.\n"
    )
    fake = result.fake
    if fake.kind == "model":
        assert fake.checksum is not None
        text += (
            f"\nModel {fake.label} (sha256 {fake.checksum[:12]}), vocoder {fake.vocoder}, seed {fake.seed}, "
            f"truncation {fake.truncation:g}"
        )
        text += f", taught by {', '.join(fake.taught_by)}.\n" if fake.taught_by else ".\n"
    return text


def _sets(result: Evaluation) -> str:
    """How many loops, sources and kits each row has."""

    def line(name: str, facts: SetFacts) -> list[str]:
        drawn = "whole sources" if facts.drawn == "sources" else "single loops"
        return [name, str(facts.loops), str(facts.sources or NOTHING), str(facts.kits or NOTHING), drawn]

    rows = [line("reference", result.reference), *(line(row.row, row.set) for row in result.rows)]
    return markdown_table(["", "loops", "sources", "kits", "intervals draw"], rows)


def _rows(
    result: Evaluation, columns: Mapping[str, Column], *, reference: Mapping[str, float] | None = None, judge: str = ""
) -> str:
    """A table of those values that any row has, a line a row; `reference` stands first; `judge`: whose scores they are."""
    section = next(iter(columns)).split("/")[0]
    shown = {key: c for key, c in columns.items() if any(key in row.values for row in result.rows)}
    head = ["", *(f"{c.title} {ARROWS[c.better]}" if c.better else c.title for c in shown.values())]
    lines = []
    if reference is not None:
        own = {f"{section}/{key}": value for key, value in reference.items()}
        lines.append(["reference", *(f"{own[key]:z.{c.decimals}f}" if key in own else NOTHING for key, c in shown.items())])
    flattered = bool(judge) and taught(judge, result.fake.taught_by or ())
    for row in result.rows:
        sign = f" {TAUGHT}" if flattered and row.kind == "generated" else ""
        lines.append([row.row + sign, *(cell(row.values.get(key), c.decimals) for key, c in shown.items())])
    note = taught_note([judge] if flattered else [])
    return markdown_table(head, lines) + (f"\n{note}" if note else "")


def _music(result: Evaluation) -> list[str]:
    if result.reference_music is None:
        return []
    parts = ["## Music: notes, key, tuning (read beside the reference)\n"]
    parts.append(
        "Medians over the loops a measure applies to; a loop without notes has no key and no tuning. R: 0 anywhere, 1 all "
        "partials on one semitone grid; 25 cents off is anywhere.\n"
    )
    for number, columns in enumerate((MUSIC_NOTES, MUSIC_SOUND)):
        if number:
            parts.append("## Music: attacks, level, pattern (read beside the reference)\n")
        keys = {f"music/{key}": column for key, column in columns.items()}
        parts.append(_rows(result, keys, reference=result.reference_music))
    parts.append("## Music: distance to the reference (0 is alike, 1 has nothing in common)\n")
    parts.append("Kolmogorov-Smirnov distances of one measure's distributions.\n")
    parts.append(_rows(result, {f"music/{key}": column for key, column in MUSIC_DISTANCES.items()}))
    return parts


def _loops(result: Evaluation) -> list[str]:
    if not any("loops/onset_jsd" in row.values for row in result.rows):
        return []
    return [
        "## Loops: distance to the reference (0 is alike)\n",
        "Onset JSD in nats; the others are Kolmogorov-Smirnov distances of one measure, 0 to 1.\n",
        _rows(result, {f"loops/{key}": column for key, column in LOOP_DISTANCES.items()}),
        "## Loops: the measures themselves (read beside the reference)\n",
        _rows(result, {f"loops/{key}": column for key, column in LOOP_MEASURES.items()}, reference=result.reference_loops),
    ]


def _panel(result: Evaluation) -> list[str]:
    text = panel_page({row.row: row.values for row in result.rows}, {"generated": result.fake.taught_by or ()})
    return [f"## Panel of judges\n\n{text}"] if text else []


def _kits(result: Evaluation) -> list[str]:
    kits = result.kits
    if kits is None:
        return []
    keys = list(next(iter(kits.values.values())))
    lines = []
    for row, values in kits.values.items():
        lines.append([row, *(f"{x.min:z.2f} / {x.median:z.2f} / {x.max:z.2f}" for x in values.values())])
    generated = kits.values.get("generated", {})
    ends = "; ".join(f"{key.split('/')[1]}: nearest {x.nearest}, furthest {x.furthest}" for key, x in generated.items())
    left = f" ({kits.left_out} with fewer than 8 loops left out)" if kits.left_out else ""
    return [
        f"## From {kits.by} to {kits.by}\n",
        f"KAD against the reference loops of one {kits.by} at a time, {kits.kits} of them{left}: smallest / median / largest. "
        f"Generated, {ends}.\n",
        markdown_table(["", *(f"KAD {key.split('/')[1]}" for key in keys)], lines),
    ]


def _novelty(result: Evaluation) -> list[str]:
    if result.novelty is None:
        return []
    values = result.novelty.values
    return [
        f"## Novelty (searched: {result.novelty.training})\n",
        f'Closer to training than 99% of the loops of row "{result.novelty.real}": **{cell(values["copied"], 3)}** of the '
        f"generated loops (0.01 is innocent). Median similarity: generated {cell(values['generated'], 3)}, "
        f"{result.novelty.real} {cell(values['real'], 3)}; threshold {cell(values['threshold'], 3)}. "
        "The closest pairs: neighbours.png.\n",
    ]
