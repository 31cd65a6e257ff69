"""Look at a prepared folder: what is in it, in numbers and pictures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.audio import level
from loopwright.audio.onsets import band_flux
from loopwright.audio.picture import mel_sheet
from loopwright.config import STEPS_PER_BAR
from loopwright.data.prepared import PreparedData
from loopwright.data.report import PrepareReport, read_report
from loopwright.errors import InputError
from loopwright.files import atomic_path

SAMPLE_ROWS = 512  # rows looked into for levels and onsets
BANDS = ("low", "middle", "high")


def inspect(path: Path, row: int | None = None) -> dict[str, Any]:
    """What a prepared folder is; with `row`, that row's manifest record and measured levels.

    Raises InputError if the folder is not one, or has no such row.
    """
    data = PreparedData.open(path)
    if row is not None:
        if not 0 <= row < len(data):
            raise InputError(f"{path} has rows 0 to {len(data) - 1}, not {row}.")
        log_mel = data.log_mel([row])[0]
        out = {**data.records[row], "log_mel_min": float(log_mel.min()), "log_mel_max": float(log_mel.max())}
        if (Path(path) / "shards" / "audio-00000.npy").exists():
            audio = data.audio([row])[0]
            out |= {
                "peak_db": round(level.to_db(level.peak(audio)), 2),
                "rms_db": round(level.to_db(level.rms(audio)), 2),
            }
        return out
    return {
        "path": str(path),
        "representation": data.representation.name,
        "rows": len(data),
        "bars_per_row": data.bars,
        "frames": data.frames,
        "mel_bands": data.representation.bands,
        "rate_hz": data.representation.rate_hz,
        "minutes": round(len(data) * data.bars * 2 / 60, 1),
        "files": len(set(data.column("file"))),
        "sources": len(set(data.column("source"))),
        "splits": dict(Counter(data.column("split")).most_common()),
        "licences": dict(Counter(licence or "not stated" for licence in data.column("licence")).most_common()),
        "bytes": sum(f.stat().st_size for f in Path(path).rglob("*") if f.is_file()),
    }


def _counts(values: list[Any], most: int = 12) -> dict[str, int]:
    counts = Counter(str(value) if value not in (None, "") else "not stated" for value in values)
    out = dict(counts.most_common(most))
    rest = sum(counts.values()) - sum(out.values())
    return {**out, "others": rest} if rest else out


def onset_steps(data: PreparedData, rows: np.ndarray) -> dict[str, list[float]]:
    """Share of onset strength on each sixteenth of the bar, in three bands (thirds of the mel scale)."""
    import torch

    edges = tuple(round(k * data.representation.bands / 3) for k in range(4))
    total = {name: np.zeros(STEPS_PER_BAR) for name in BANDS}
    for start in range(0, len(rows), 64):
        log_mels = torch.from_numpy(data.log_mel(rows[start : start + 64]))
        for name, flux in zip(BANDS, band_flux(log_mels, edges), strict=True):
            bars = flux.reshape(-1, data.representation.bar_frames)
            # a sixteenth's cell is centred on it: the window sees an attack before its frame does
            width = data.representation.bar_frames / STEPS_PER_BAR
            cell = (np.floor((np.arange(data.representation.bar_frames) + width / 2) / width) % STEPS_PER_BAR).astype(int)
            total[name] += np.bincount(cell, weights=bars.sum(0).numpy(), minlength=STEPS_PER_BAR)
    return {name: [round(float(v), 4) for v in counts / max(counts.sum(), 1e-12)] for name, counts in total.items()}


def stats(path: Path) -> dict[str, Any]:
    """Numbers about a prepared folder: tempi, keys, styles, levels, onsets, and what was left out of it.

    Levels and onsets are measured on up to 512 rows spread evenly.
    """
    data = PreparedData.open(path)
    bpm = np.asarray(data.column("bpm"), dtype=float)
    rows = np.unique(np.linspace(0, len(data) - 1, SAMPLE_ROWS).astype(int))
    out: dict[str, Any] = {
        **inspect(path),
        "bpm": {f"p{q}": round(float(np.percentile(bpm, q)), 2) for q in (0, 5, 25, 50, 75, 95, 100)},
        "keys": _counts(data.column("key")),
        "styles": _counts(data.column("style")),
        "kinds": _counts(data.column("kind")),
        "gain_db": {
            f"p{q}": round(float(np.percentile(np.asarray(data.column("gain_db"), dtype=float), q)), 1) for q in (5, 50, 95)
        },
        "onsets": onset_steps(data, rows),
    }
    if (Path(path) / "shards" / "audio-00000.npy").exists():
        levels = np.array([level.to_db(level.rms(data.audio([row])[0])) for row in rows])
        out["rms_db"] = {f"p{q}": round(float(np.percentile(levels, q)), 1) for q in (5, 50, 95)}
    try:
        report = PrepareReport()
        for line in read_report(path):
            report.count(line)
        out["files_found"], out["rejected"], out["near_duplicates"] = (
            report.files,
            dict(report.reasons.most_common()),
            report.duplicates,
        )
    except InputError:  # made by other means than `prepare`
        pass
    return out


def picture(path: Path, png: Path, *, rows: int = 16, seed: int = 0) -> None:
    """PNG of a prepared folder: histograms of tempi, levels and onsets above a sheet of log-mels drawn at random."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    data = PreparedData.open(path)
    chosen = np.sort(np.random.default_rng(seed).choice(len(data), min(rows, len(data)), replace=False))
    sheet = png.with_name(png.stem + "-sheet.png")
    titles = [
        f"{data.records[i].get('style') or Path(data.records[i]['file']).stem[:22]} {data.records[i]['bpm']:.0f}"
        for i in chosen
    ]
    mel_sheet(
        sheet, data.log_mel(chosen), titles=titles, title=f"{Path(path).name}: {len(data)} rows, {data.representation.name}"
    )
    some = np.unique(np.linspace(0, len(data) - 1, SAMPLE_ROWS).astype(int))
    onsets = onset_steps(data, some)
    figure = Figure(figsize=(12, 6), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3)
    axes[0, 0].hist(np.asarray(data.column("bpm"), dtype=float), bins=50, color="tab:purple")
    axes[0, 0].set(title="tempo of the source (BPM)")
    axes[0, 1].hist(np.asarray(data.column("gain_db"), dtype=float), bins=40, color="tab:orange")
    axes[0, 1].set(title="gain applied (dB)")
    keys = _counts([key for key in data.column("key") if key], 14)
    axes[0, 2].barh(list(keys) or ["not stated"], list(keys.values()) or [len(data)], color="tab:green")
    axes[0, 2].invert_yaxis()
    axes[0, 2].xaxis.get_major_locator().set_params(integer=True)
    axes[0, 2].set(title="key")
    for axis, name in zip(axes[1], BANDS, strict=True):
        axis.bar(np.arange(STEPS_PER_BAR) + 1, onsets[name], color=["tab:red" if k % 4 == 0 else "tab:blue" for k in range(16)])
        axis.set(title=f"onsets per sixteenth, {name} bands", ylim=(0, None), xticks=range(1, STEPS_PER_BAR + 1, 4))
    with atomic_path(png) as temporary:
        figure.savefig(temporary, format="png")
