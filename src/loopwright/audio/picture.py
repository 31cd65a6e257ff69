"""PNG pictures of log-mels: sheets to look at. matplotlib is imported late, it is slow to start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loopwright.arrays import Float32
from loopwright.files import atomic_path


def mel_sheet(
    path: Path,
    log_mels: Float32,
    *,
    titles: Sequence[str] | None = None,
    columns: int = 4,
    title: str = "",
    low: float = -4.0,
    high: float = 0.5,
) -> None:
    """Draw log-mels (n, M, T) as a grid of pictures, low bands at the bottom, lines on the four beats.

    `low` and `high` are the log10 magnitudes of black and white, the same for all, so that levels can be compared.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n = len(log_mels)
    rows = -(-n // columns)
    figure = Figure(figsize=(3.0 * columns, 1.9 * rows + (0.4 if title else 0)), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
    for i, axis in enumerate(axes):
        axis.set_axis_off()
        if i >= n:
            continue
        axis.imshow(log_mels[i], origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high, interpolation="nearest")
        for beat in range(1, 4):
            axis.axvline(beat * log_mels[i].shape[1] / 4 - 0.5, color="white", alpha=0.25, lw=0.6)
        if titles:
            axis.set_title(titles[i], fontsize=7)
    if title:
        figure.suptitle(title, fontsize=10)
    with atomic_path(Path(path)) as temporary:
        figure.savefig(temporary, format="png")
