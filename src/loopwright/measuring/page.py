"""An evaluation as a page: evaluation.md."""

from __future__ import annotations

from collections.abc import Mapping

from loopwright.measuring.columns import BY_JUDGE, LOOP_DISTANCES, LOOP_MEASURES, Column
from loopwright.measuring.report import ARROWS, cell, markdown_table
from loopwright.measuring.results import Evaluation


def to_markdown(result: Evaluation) -> str:
    """The whole page."""
    parts = [f"# {result.fake.label} against {result.real.label}\n", _how(result)]
    for judge in result.judges:
        keys = [key for key in BY_JUDGE if any(f"{key}/{judge.name}" in row.values for row in result.rows)]
        if keys:
            parts.append(f"## Judge {judge.name} ({judge.dim} dimensions, weights {judge.checksum[:12]})\n")
            parts.append(_rows(result, {f"{key}/{judge.name}": BY_JUDGE[key] for key in keys}))
    if any("loops/onset_jsd" in row.values for row in result.rows):
        parts.append("## Loops: distance to the reference (0 is alike)\n")
        parts.append("Onset JSD in nats; the others are Kolmogorov-Smirnov distances of one measure, 0 to 1.\n")
        parts.append(_rows(result, {f"loops/{key}": column for key, column in LOOP_DISTANCES.items()}))
        parts.append("## Loops: the measures themselves (read beside the reference)\n")
        own = [f"{result.reference_loops[key]:.{column.decimals}f}" for key, column in LOOP_MEASURES.items()]
        parts.append(
            _rows(result, {f"loops/{key}": column for key, column in LOOP_MEASURES.items()}, first=["reference", *own])
        )
    if result.novelty is not None:
        values = result.novelty.values
        parts.append(f"## Novelty (searched: {result.novelty.training})\n")
        parts.append(
            f"Closer to training than 99% of held-out real loops: **{cell(values['copied'], 3)}** of the generated loops "
            f"(0.01 is innocent). Median similarity {cell(values['fake'], 3)}, held-out real {cell(values['held_out'], 3)}; "
            f"threshold {cell(values['threshold'], 3)}. The closest pairs: neighbours.png.\n"
        )
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
            f"truncation {fake.truncation:g}.\n"
        )
    return text


def _rows(result: Evaluation, columns: Mapping[str, Column], *, first: list[str] | None = None) -> str:
    """A table of some of the values, a line a row."""
    head = ["", *(f"{column.title} {ARROWS[column.better]}" if column.better else column.title for column in columns.values())]
    rows = [] if first is None else [first]
    rows += [[row.row, *(cell(row.values.get(key), c.decimals) for key, c in columns.items())] for row in result.rows]
    return markdown_table(head, rows)
