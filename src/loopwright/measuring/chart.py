"""An evaluation as a picture: evaluation.png."""

from __future__ import annotations

from pathlib import Path

from loopwright.files import atomic_path
from loopwright.measuring.columns import BY_JUDGE, LOOP_DISTANCES, MUSIC_DISTANCES
from loopwright.measuring.report import ARROWS, TAUGHT, taught
from loopwright.measuring.results import Evaluation

_COLOURS = {"generated": "#d1495b", "real": "#2e6f95", "vocoded": "#8ab0c8", "training": "#9c8aa5"}
_COLUMNS = 6


def chart(result: Evaluation, path: Path) -> None:
    """One small chart a measure, a bar a row, with intervals."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    charts = [
        (f"{key}/{judge.name}", f"{column.title} {ARROWS.get(column.better, '')}\n{judge.name}{_sign(result, judge.name)}")
        for judge in result.judges
        for key, column in BY_JUDGE.items()
    ]
    charts += [(f"loops/{key}", f"{column.title} ↓\nloops, to reference") for key, column in LOOP_DISTANCES.items()]
    charts += [(f"music/{key}", f"{column.title} ↓\nmusic, to reference") for key, column in MUSIC_DISTANCES.items()]
    charts = [(key, title) for key, title in charts if any(key in row.values for row in result.rows)]
    if not charts:
        charts = [("", "nothing measured")]
    rows = -(-len(charts) // _COLUMNS)
    figure = Figure(figsize=(2.1 * _COLUMNS, 2.0 * rows + 0.9), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axis, (key, title) in zip(axes, charts, strict=False):
        axis.set_title(title, fontsize=8)
        axis.tick_params(labelsize=7)
        axis.set_xticks([])
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        for i, row in enumerate(result.rows):
            found = row.values.get(key)
            if found is None:
                continue
            axis.bar(i, found.value, width=0.7, color=_COLOURS.get(row.kind, "#777777"), label=row.row)
            low = found.value if found.low is None else found.low
            high = found.value if found.high is None else found.high
            ends = [[max(0.0, found.value - low)], [max(0.0, high - found.value)]]
            axis.errorbar(i, found.value, yerr=ends, color="black", capsize=2, lw=0.9)
    for axis in axes[len(charts) :]:
        axis.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.suptitle(f"{result.fake.label} against {result.real.label}, N = {result.n}", fontsize=10)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


def _sign(result: Evaluation, judge: str) -> str:
    """Beside a judge that taught the model."""
    return f" {TAUGHT} taught it" if taught(judge, result.fake.taught_by or ()) else ""
