"""Pictures of a study: curves of the scores, and of what tells collapse and dominance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from loopwright.files import atomic_path


class CurveLike(Protocol):
    """One run."""

    row: int
    label: str
    title: str
    seed: int
    ticks: list[dict[str, Any]]

    def series(self, key: str) -> tuple[list[float], list[float], list[float]]:
        """(kimg, seconds, value)."""


def _figure(columns: int, rows: int) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * columns, 3.0 * rows + 0.8), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _colour(row: int) -> Any:
    from matplotlib import colormaps

    return colormaps["tab20"](row % 20)


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


def plot_curves(path: Path, curves: Sequence[CurveLike], judges: Sequence[str]) -> None:
    """A row of charts for each judge: KAD and FAD against images, KAD against minutes, coverage and density."""
    charts = [("kad", False), ("kad", True), ("fad", False), ("coverage", False), ("density", False)]
    figure = _figure(len(charts), max(1, len(judges)))
    axes = figure.subplots(max(1, len(judges)), len(charts), squeeze=False)
    for line, judge in zip(axes, judges, strict=False):
        for axis, (name, by_time) in zip(line, charts, strict=True):
            for curve in curves:
                kimg, seconds, values = curve.series(f"{name}/{judge}")
                at = [s / 60 for s in seconds] if by_time else kimg
                label = f"{curve.label} {curve.title}"
                axis.plot(at, values, color=_colour(curve.row), lw=1.1, ls="-" if curve.seed == 0 else "--", label=label)
            heights = [float(y) for drawn in axis.lines for y in drawn.get_ydata()]
            if name in ("kad", "fad") and heights and max(heights) > 5 * max(min(heights), 0.1):
                axis.set_yscale("symlog", linthresh=0.1)  # KAD may fall below 0
            axis.set_title(f"{name}, {judge}", fontsize=9)
            axis.set_xlabel("minutes of training" if by_time else "thousand images", fontsize=8)
    _finish(figure, list(axes.ravel()), path)


def plot_health(path: Path, curves: Sequence[CurveLike]) -> None:
    """Saturation and D's loss (dominance), spread of fakes beside real (collapse), gradient norms; limits dotted."""
    charts = ["saturation", "loss/d", "spread of generated / of real", "grad/g", "grad/d"]
    figure = _figure(len(charts), 1)
    axes = list(figure.subplots(1, len(charts), squeeze=False).ravel())
    for axis, name in zip(axes, charts, strict=True):
        for curve in curves:
            if name.startswith("spread"):
                rows = [t for t in curve.ticks if t.get("pairwise/real")]
                at, values = [t["kimg"] for t in rows], [t["pairwise/fake"] / t["pairwise/real"] for t in rows]
            else:
                at, _, values = curve.series(name)
            label = f"{curve.label} {curve.title}"
            axis.plot(at, values, color=_colour(curve.row), lw=1.1, ls="-" if curve.seed == 0 else "--", label=label)
        limit = {"saturation": 0.9, "spread of generated / of real": 0.5}.get(name)
        if limit is not None:
            axis.axhline(limit, color="black", lw=0.8, ls=":")
        if name.startswith("grad") and axis.lines:
            axis.set_yscale("log")
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("thousand images", fontsize=8)
    _finish(figure, axes, path)
