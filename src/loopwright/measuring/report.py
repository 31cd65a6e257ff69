"""An evaluation as a page and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loopwright.files import atomic_path

# name -> (heading, which way is better, decimals)
COLUMNS: dict[str, tuple[str, str, int]] = {
    "is": ("IS", "up", 2),
    "fad": ("FAD", "down", 3),
    "fad_inf": ("FAD-inf", "down", 3),
    "kad": ("KAD", "down", 3),
    "precision": ("precision", "up", 3),
    "recall": ("recall", "up", 3),
    "density": ("density", "up", 3),
    "coverage": ("coverage", "up", 3),
    "ndb": ("NDB/k", "down", 3),
    "jsd": ("JSD", "down", 3),
}
LOOP_COLUMNS: dict[str, tuple[str, int]] = {
    "click_share": ("clicks at the wrap", 3),
    "wrap": ("wrap step (rank)", 3),
    "seam": ("seam flux, log2", 2),
    "end_db": ("end level, dB", 1),
    "beat": ("beat period", 3),
    "half_bar": ("half-bar period", 3),
    "grid": ("grid", 3),
}
DISTANCE_COLUMNS: dict[str, tuple[str, int]] = {
    "onset_jsd": ("onset JSD", 4),
    "ks_wrap": ("wrap", 3),
    "ks_seam": ("seam", 3),
    "ks_end_db": ("end", 3),
    "ks_beat": ("beat", 3),
    "ks_half_bar": ("half-bar", 3),
    "ks_grid": ("grid", 3),
}
ARROWS = {"up": "↑", "down": "↓"}


def cell(value: dict[str, float] | None, decimals: int, *, single: bool = False) -> str:
    """`1.23 [1.10, 1.36]`, or a dash. No zero has a sign. `single`: brackets of no width say nothing and are left out."""
    if value is None:
        return "–"
    text = f"{value['value']:z.{decimals}f}"
    if single and value["low"] == value["high"]:
        return text
    return f"{text} [{value['low']:z.{decimals}f}, {value['high']:z.{decimals}f}]"


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A table with its first column to the left, the others to the right."""
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(["---", *["--:"] * (len(head) - 1)]) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def to_markdown(result: dict[str, Any]) -> str:
    """The page evaluation.md."""
    parts = [f"# {result['fake']['label']} against {result['real']['label']}\n"]
    parts.append(
        f"N = {result['n']} loops in every row and in the reference ({result['real']['reference']}); k = {result['k']}; "
        f"seed {result['seed']}; brackets: {result['interval']['level']:.0%} intervals by {result['interval']['method']} "
        f"({result['interval']['repeats']} draws). loopwright {result['loopwright']}.\n"
    )
    fake = result["fake"]
    if fake["kind"] == "model":
        parts.append(
            f"Model {fake['label']} (sha256 {fake['checksum'][:12]}), vocoder {fake['vocoder']}, seed {fake['seed']}, "
            f"truncation {fake['truncation']:g}.\n"
        )
    for judge in result["judges"]:
        keys = [key for key in COLUMNS if any(f"{key}/{judge['name']}" in row["values"] for row in result["rows"])]
        if not keys:
            continue
        parts.append(f"## Judge {judge['name']} ({judge['dim']} dimensions, weights {judge['checksum'][:12]})\n")
        head = ["", *(f"{COLUMNS[key][0]} {ARROWS[COLUMNS[key][1]]}" for key in keys)]
        rows = [
            [row["row"], *(cell(row["values"].get(f"{key}/{judge['name']}"), COLUMNS[key][2]) for key in keys)]
            for row in result["rows"]
        ]
        parts.append(markdown_table(head, rows))
    if any("loops/onset_jsd" in row["values"] for row in result["rows"]):
        parts.append("## Loops: distance to the reference (0 is alike)\n")
        parts.append("Onset JSD in nats; the others are Kolmogorov-Smirnov distances of one measure, 0 to 1.\n")
        head = ["", *(f"{text} ↓" for text, _ in DISTANCE_COLUMNS.values())]
        rows = [
            [row["row"], *(cell(row["values"].get(f"loops/{key}"), d) for key, (_, d) in DISTANCE_COLUMNS.items())]
            for row in result["rows"]
        ]
        parts.append(markdown_table(head, rows))
        parts.append("## Loops: the measures themselves (read beside the reference)\n")
        reference = result["reference_loops"]
        rows = [["reference", *(f"{reference[key]:.{d}f}" for key, (_, d) in LOOP_COLUMNS.items())]]
        rows += [
            [row["row"], *(cell(row["values"].get(f"loops/{key}"), d) for key, (_, d) in LOOP_COLUMNS.items())]
            for row in result["rows"]
        ]
        parts.append(markdown_table(["", *(text for text, _ in LOOP_COLUMNS.values())], rows))
    if "novelty" in result:
        values = result["novelty"]["values"]
        parts.append(f"## Novelty (searched: {result['novelty']['training']})\n")
        parts.append(
            f"Closer to training than 99% of held-out real loops: **{cell(values['copied'], 3)}** of the generated loops "
            f"(0.01 is innocent). Median similarity {cell(values['fake'], 3)}, held-out real {cell(values['held_out'], 3)}; "
            f"threshold {cell(values['threshold'], 3)}. The closest pairs: neighbours.png.\n"
        )
    if result["warnings"]:
        parts.append("## Read with care\n")
        parts.append("".join(f"* {warning}\n" for warning in result["warnings"]))
    return "\n".join(parts)


def draw(result: dict[str, Any], path: Path) -> None:
    """One small chart a measure, a bar a row, with intervals."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    charts: list[tuple[str, str, str]] = []  # key, title, direction
    for judge in result["judges"]:
        for key, (text, way, _) in COLUMNS.items():
            if any(f"{key}/{judge['name']}" in row["values"] for row in result["rows"]):
                charts.append((f"{key}/{judge['name']}", f"{text} {ARROWS[way]}\n{judge['name']}", way))
    for key, (text, _) in DISTANCE_COLUMNS.items():
        if any(f"loops/{key}" in row["values"] for row in result["rows"]):
            charts.append((f"loops/{key}", f"{text} ↓\nloops, to reference", "down"))
    if not charts:
        charts = [("", "nothing measured", "down")]
    columns = 6
    rows = -(-len(charts) // columns)
    figure = Figure(figsize=(2.1 * columns, 2.0 * rows + 0.9), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    colours = {"generated": "#d1495b", "held-out real": "#2e6f95", "vocoded real": "#8ab0c8"}
    for axis, (key, title, _) in zip(axes, charts, strict=False):
        axis.set_title(title, fontsize=8)
        axis.tick_params(labelsize=7)
        axis.set_xticks([])
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        for i, row in enumerate(result["rows"]):
            value = row["values"].get(key)
            if value is None:
                continue
            axis.bar(i, value["value"], width=0.7, color=colours.get(row["row"], "#777777"), label=row["row"])
            axis.errorbar(
                i,
                value["value"],
                yerr=[[max(0.0, value["value"] - value["low"])], [max(0.0, value["high"] - value["value"])]],
                color="black",
                capsize=2,
                lw=0.9,
            )
    for axis in axes[len(charts) :]:
        axis.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.suptitle(f"{result['fake']['label']} against {result['real']['label']}, N = {result['n']}", fontsize=10)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")
