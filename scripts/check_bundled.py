"""Make many loops with a model and check every one: seam, loudness, length, clipping. Exits with 1 if something fails.

    python scripts/check_bundled.py drums -n 1000

* seam: the step from the last sample to the first over the 99.9th percentile of the steps inside; above 1 is a click.
* loudness: all loops within 3 dB of each other (BS.1770 on the circle, without gating).
* length: at each whole bpm from 60 to 200, round(60 * rate * beats / bpm) samples; the loops take turns through the tempos.
* clipping: no sample at or above full scale.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from loopwright.audio.loudness import loudness_lufs
from loopwright.making.engines import load
from loopwright.making.model import Model

TEMPOS = range(60, 201)
SPREAD_DB = 3.0


def check(model: Model, count: int, rate_hz: int = 44_100) -> tuple[list[tuple[str, str, str, bool]], int]:
    """Rows (what, measured, wanted, whether it holds) over `count` loops, and how many tempos they covered."""
    clicks, peaks, loudness, wrong = [], [], [], []
    for i in range(count):
        bpm = TEMPOS[i * 37 % len(TEMPOS)]  # 37 and 141 have no common factor: every tempo in turn, far ones first
        (loop,) = model.generate([i], bpm=bpm, rate_hz=rate_hz)
        clicks.append(loop.seam()["click_ratio"])
        peaks.append(float(np.abs(loop.samples).max()))
        loudness.append(loudness_lufs(loop.samples, rate_hz))
        if len(loop.samples) != round(60 * rate_hz * 4 / bpm):
            wrong.append(bpm)
    worst, spread = max(clicks), max(loudness) - min(loudness)
    low = sum(level < max(loudness) - SPREAD_DB for level in loudness)
    rows = [
        ("seam", f"{sum(c > 1 for c in clicks)} clicks, worst ratio {worst:.3f}", "0 clicks", worst <= 1),
        ("loudness", f"{spread:.2f} dB apart, {low} below", f"within {SPREAD_DB:g} dB", spread <= SPREAD_DB),
        ("length", f"{len(wrong)} wrong{f' (bpm {wrong[:5]})' if wrong else ''}", "0 wrong", not wrong),
        ("clipping", f"highest peak {max(peaks):.4f}", "below 1", max(peaks) < 1),
    ]
    return rows, min(count, len(TEMPOS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="Bundled name, model file, run folder or ONNX export.")
    parser.add_argument("-n", "--count", type=int, default=1000)
    parser.add_argument("--vocoder")
    parser.add_argument("--engine", default="auto", choices=["auto", "onnx", "torch"])
    parser.add_argument("-o", "--out", type=Path, help="Also write the table here (Markdown).")
    parser.add_argument("--json", type=Path, help="Also write it here as JSON, for scripts/record_result.py.")
    args = parser.parse_args()
    model = load(args.model, vocoder=args.vocoder, engine=args.engine)
    rows, tempos = check(model, args.count)
    lines = [f"{args.model}: seeds 0 to {args.count - 1}, {tempos} tempos, vocoder {model.vocoder_name}", ""]
    lines += ["| check | measured | wanted | |", "|---|---|---|---|"]
    lines += [f"| {what} | {got} | {wanted} | {'pass' if fine else 'FAIL'} |" for what, got, wanted, fine in rows]
    text = "\n".join(lines)
    print(text)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")
    if args.json:
        facts = {
            "model": args.model,
            "count": args.count,
            "tempos": tempos,
            "vocoder": model.vocoder_name,
            "engine": args.engine,
        }
        args.json.write_text(
            json.dumps(facts | {"rows": [[*row[:3], bool(row[3])] for row in rows]}, indent=1) + "\n", encoding="utf-8"
        )
    sys.exit(0 if all(fine for *_, fine in rows) else 1)


if __name__ == "__main__":
    main()
