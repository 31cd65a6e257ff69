"""Preparation speed per core against the reference's chain, and the wrap test, on bars of the real loops.

    python benchmarks/prepare.py --material MATERIAL          (needs pyrubberband with its program, and librosa)

Both chains start at the same one-bar WAV files (44.1 kHz, 16 bit) and end with a log-mel of 2 s. Reference: librosa.load at
the file's rate, pyrubberband to 2 s, librosa.resample to the mel's rate, librosa's mel. Ours: `process_file` as `prepare`
calls it (also tags, mono mix, level, joined ends and fingerprint). Process CPU time with children, one thread, file by file
in turn.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from loopwright.audio.io import read_audio
from loopwright.audio.seam import click_ratio
from loopwright.config import REPRESENTATIONS, MelConfig
from loopwright.data.cut import cut_loop
from loopwright.data.facts import Facts
from loopwright.data.mixdown import mixdown
from loopwright.data.process import process_file
from loopwright.data.scan import FoundFile
from loopwright.data.settings import PrepareSettings


def cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def reference(path: Path, mel: MelConfig) -> np.ndarray:
    import librosa
    import pyrubberband

    y, rate = librosa.load(path, sr=None)
    y = pyrubberband.time_stretch(y, rate, len(y) / rate / 2.0)
    y = librosa.resample(y, orig_sr=rate, target_sr=mel.rate_hz)
    power = librosa.feature.melspectrogram(
        y=y, sr=mel.rate_hz, n_fft=mel.n_fft, hop_length=mel.hop, n_mels=mel.n_mels, fmax=mel.fmax_hz, power=1.0
    )
    return np.log10(np.maximum(power, 1e-5))


def found(path: Path) -> FoundFile:
    state = path.stat()
    return FoundFile(path, path.name, state.st_size, state.st_mtime_ns)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--material", type=Path, required=True, help="folder with data/real_loops and data/groove")
    parser.add_argument("--most", type=int, default=40, help="bars timed")
    args = parser.parse_args()
    folder = args.material / "data" / "real_loops"
    with (folder / "real_loops.csv").open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["bpm"]]

    delivered, prepared = [], []
    for row in rows:  # the wrap test: every loop as delivered, every bar as prepared
        audio = read_audio(folder / row["file"])
        delivered.append(click_ratio(mixdown(audio.samples)))
        facts = Facts(bpm=float(row["bpm"]), bars=float(row["n_bars"]))
        outcome = process_file(found(folder / row["file"]), facts, PrepareSettings(mel=REPRESENTATIONS["loop48"]))
        if outcome.audio is not None:
            prepared += [(click_ratio(bar), row["file"]) for bar in outcome.audio]
    worst = max(prepared)
    print(
        json.dumps(
            {
                "wrap": "click ratio",
                "loops_delivered": len(delivered),
                "delivered_below_0.4": sum(r < 0.4 for r in delivered),
                "bars_prepared": len(prepared),
                "prepared_below_0.4": sum(r < 0.4 for r, _ in prepared),
                "worst_prepared": [round(worst[0], 3), worst[1]],
            }
        )
    )

    with tempfile.TemporaryDirectory() as scratch:
        bars: list[tuple[Path, float]] = []
        for row in rows:
            n_bars = float(row["n_bars"])
            if n_bars < 1 or abs(float(row["bpm"]) - 120) < 1:
                continue
            audio = read_audio(folder / row["file"])
            for i, bar in enumerate(cut_loop(mixdown(audio.samples), round(n_bars), audio.rate_hz)[:2]):
                path = Path(scratch) / f"{Path(row['file']).stem}_{i}.wav"
                soundfile.write(path, bar, audio.rate_hz, subtype="PCM_16")
                bars.append((path, 60 * 4 * audio.rate_hz / len(bar)))
        bars = bars[: args.most]
        for name in ("loop48", "loop16"):
            mel = REPRESENTATIONS[name]
            settings = PrepareSettings(mel=mel)
            spent: list[tuple[float, float]] = []
            for k, (path, bpm) in enumerate([bars[0], *bars]):
                start = cpu_s()
                outcome = process_file(found(path), Facts(bpm=bpm, bars=1), settings)
                middle = cpu_s()
                reference(path, mel)
                end = cpu_s()
                assert not outcome.reason, outcome.reason
                if k:  # the first is the warm-up
                    spent.append((middle - start, end - middle))
            times = np.array(spent) * 1000
            ratio = times[:, 1] / times[:, 0]
            rng = np.random.default_rng(0)
            boots = [float(np.median(rng.choice(ratio, len(ratio)))) for _ in range(1000)]
            print(
                json.dumps(
                    {
                        "representation": name,
                        "bars": len(times),
                        "ours_ms": round(float(np.median(times[:, 0])), 1),
                        "reference_ms": round(float(np.median(times[:, 1])), 1),
                        "times_faster": round(float(np.median(ratio)), 2),
                        "interval_95": [round(float(np.quantile(boots, q)), 2) for q in (0.025, 0.975)],
                    }
                )
            )


if __name__ == "__main__":
    main()
