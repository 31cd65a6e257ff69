"""A sheet of rendered bars (left) beside bars of real loops (right), as log-mels: do they make the same kind of picture?

python scripts/corpus_sheet.py CORPUS REAL_LOOPS OUT.png --kind drum
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import librosa
import matplotlib as mpl
import numpy as np
import soundfile

mpl.use("Agg")
import matplotlib.pyplot as plt

SIDE = 4


def log_mel(x: np.ndarray) -> np.ndarray:
    tiled = np.tile(x, 3)  # the corpus is circular: look at the middle of three rounds
    mel = librosa.feature.melspectrogram(y=tiled, sr=48000, n_fft=2048, hop_length=375, n_mels=128, fmax=21000, power=1.0)
    return np.log10(np.maximum(mel[:, 256:512], 1e-5))


def real_bars(folder: Path, kind: str) -> list[tuple[str, np.ndarray]]:
    out = []
    with (folder / "real_loops.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            if (row["kind"] == "drum") != (kind == "drum") or not row["bpm"]:
                continue
            x, rate = soundfile.read(folder / row["file"], always_2d=True, dtype="float32")
            bar = x.mean(axis=1)[: round(240 / float(row["bpm"]) * rate)]
            if len(bar) < 230 / float(row["bpm"]) * rate:
                continue
            bar = librosa.resample(bar, orig_sr=rate, target_sr=48000)
            bar = librosa.util.fix_length(librosa.effects.time_stretch(bar, rate=len(bar) / 96000), size=96000)
            out.append((row["file"].removesuffix(".flac"), 0.6 * bar / np.abs(bar).max()))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("real", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kind", choices=["drum", "synth"], default="drum")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    with (args.corpus / "loops.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    left = []
    for i in rng.choice(len(rows), SIDE * SIDE, replace=False):
        x, _ = soundfile.read(args.corpus / rows[i]["file"], dtype="float32")
        left.append((f"{rows[i]['style']}, {rows[i]['kit']}", x))
    right = real_bars(args.real, args.kind)
    right = [right[i] for i in rng.permutation(len(right))[: SIDE * SIDE]]
    figure, axes = plt.subplots(SIDE, 2 * SIDE, figsize=(16, 8), dpi=65)
    for axis in axes.ravel():
        axis.axis("off")
    for column, bars in ((0, left), (SIDE, right)):
        for number, (title, x) in enumerate(bars):
            axis = axes[number // SIDE, column + number % SIDE]
            axis.imshow(log_mel(x), origin="lower", aspect="auto", vmin=-5, vmax=1, cmap="magma")
            axis.set_title(title[:24], fontsize=8, color="black" if column == 0 else "tab:blue")
    figure.tight_layout(pad=0.4)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, pil_kwargs={"quality": 82} if args.out.suffix == ".jpg" else {})


if __name__ == "__main__":
    main()
