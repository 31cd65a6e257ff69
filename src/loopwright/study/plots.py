"""Pictures of a study: curves of the scores, and of what tells collapse and dominance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loopwright.files import atomic_path
from loopwright.study.results import Curve, spread_of, unfit


def _figure(columns: int, rows: int) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * columns, 3.0 * rows + 0.8), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _colours(curves: Sequence[Curve]) -> dict[int, Any]:
    """A colour for each row that is drawn."""
    from matplotlib import colormaps

    return {row: colormaps["tab20"](at % 20) for at, row in enumerate(sorted({c.row for c in curves}))}


def _line(axis: Any, curve: Curve, at: Sequence[float], values: Sequence[float], colour: Any, label: str) -> None:
    """One line; later seeds are dashed."""
    if len(values):
        axis.plot(at, values, color=colour, lw=1.1, ls="-" if curve.seed == 0 else "--", label=label)


def _scale(axis: Any) -> None:
    """Logarithmic where a score falls far; KAD may fall below 0."""
    heights = [float(y) for drawn in axis.lines for y in drawn.get_ydata()]
    if heights and max(heights) > 5 * max(min(heights), 0.1):
        axis.set_yscale("symlog", linthresh=0.1)


def _finish(figure: Any, axes: Sequence[Any], path: Path) -> None:
    for axis in axes:
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.2)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    handles: dict[str, Any] = {}
    for axis in axes:
        handles |= {label: handle for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    if handles:
        figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=5, fontsize=7, frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


def plot_curves(path: Path, curves: Sequence[Curve], judges: Sequence[str]) -> None:
    """A row of charts for each judge: KAD and FAD against images, KAD against minutes, coverage and density."""
    charts = [("kad", False), ("kad", True), ("fad", False), ("coverage", False), ("density", False)]
    colours = _colours(curves)
    figure = _figure(len(charts), max(1, len(judges)))
    axes = figure.subplots(max(1, len(judges)), len(charts), squeeze=False)
    for line, judge in zip(axes, judges, strict=False):
        for axis, (name, by_time) in zip(line, charts, strict=True):
            for curve in curves:
                kimg, seconds, values = curve.series(f"{name}/{judge}")
                at = [s / 60 for s in seconds] if by_time else kimg
                _line(axis, curve, at, values, colours[curve.row], f"{curve.label} {curve.title}")
            if name in ("kad", "fad"):
                _scale(axis)
            axis.set_title(f"{name}, {judge}", fontsize=9)
            axis.set_xlabel("minutes of training" if by_time else "thousand images", fontsize=8)
    _finish(figure, list(axes.ravel()), path)


def plot_questions(path: Path, pairs: Sequence[tuple[Sequence[Curve], Sequence[Curve]]], judges: Sequence[str]) -> None:
    """KAD by each judge of a row and of the row it differs from in one thing: a chart for each question and judge."""
    side = 2  # questions beside each other
    figure = _figure(side * len(judges), -(-len(pairs) // side))
    axes = figure.subplots(-(-len(pairs) // side), side * len(judges), squeeze=False).reshape(-1, len(judges))
    for line, (asked, base) in zip(axes, pairs, strict=False):
        for axis, judge in zip(line, judges, strict=True):
            for curves, colour in ((base, "grey"), (asked, "tab:red")):
                for curve in curves:
                    kimg, _, values = curve.series(f"kad/{judge}")
                    _line(axis, curve, kimg, values, colour, "the row" if curves is asked else "the row it is asked against")
            _scale(axis)
            axis.set_title(f"{asked[0].label} (grey: {base[0].label}), kad {judge}", fontsize=8)
            axis.set_xlabel("thousand images", fontsize=7)
    for line in axes[len(pairs) :]:
        for axis in line:
            axis.set_axis_off()
    _finish(figure, list(axes.ravel()), path)


def plot_health(path: Path, curves: Sequence[Curve]) -> None:
    """Saturation and D's loss (dominance), spread of fakes beside real (collapse), gradient norms; limits dotted.

    Grey: rows whose second half shows neither and that end near real bars. Nearly every row makes few things at first.
    """
    charts = ["saturation", "loss/d", "spread of generated / of real", "grad/g", "grad/d"]
    figure = _figure(len(charts), 1)
    axes = list(figure.subplots(1, len(charts), squeeze=False).ravel())
    ill = [c for c in curves if unfit(c)]
    colours = _colours([c for c in curves if c.row in {one.row for one in ill}])
    for axis, name in zip(axes, charts, strict=True):
        for curve in sorted(curves, key=lambda c: c.row in colours):  # grey lies below
            if name.startswith("spread"):
                at, values = spread_of(curve)
            else:
                at, _, values = curve.series(name)
            label = f"{curve.label} {curve.title}" if curve.row in colours else "the others"
            _line(axis, curve, at, values, colours.get(curve.row, "lightgrey"), label)
        limit = {"saturation": 0.9, "spread of generated / of real": 0.5}.get(name)
        if limit is not None:
            axis.axhline(limit, color="black", lw=0.8, ls=":")
        if name.startswith(("grad", "spread")) and axis.lines:
            axis.set_yscale("log")
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("thousand images", fontsize=8)
    _finish(figure, axes, path)
