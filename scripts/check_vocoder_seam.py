"""Tile a resynthesised loop eight times and hold its seams against the inside: steps, and bends (second differences).

    python scripts/check_vocoder_seam.py prepared/drums48 [--vocoder house] [--bpm 127] [-n 64]

Each seam is given as a quantile among all places of its own loop: 0.5 is like any other, 1 the largest. Rolling the log-mel
by random whole frames must roll the loop. Exit status 1 if a step lies above the 99.9th percentile, a length is wrong, a sample
is beyond full scale, or rolling differs by 1e-4 or more.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from loopwright.audio.mel import LogMel
from loopwright.data import PreparedData
from loopwright.vocoder import load, loop_samples, render

RATE_HZ, TURNS = 44_100, 8


def seam_quantile(tiled: np.ndarray, n: int, order: int) -> float:
    """Where the largest difference of `order` over any of the seams lies among those inside the loop."""
    size = np.abs(np.diff(tiled, order))
    seams = [turn * n - k for turn in range(1, TURNS) for k in range(1, order + 1)]
    inside = size[: n - order]
    return float(np.mean(inside < size[seams].max()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--vocoder", default="ring")
    parser.add_argument("--bpm", type=float, default=127.0)
    parser.add_argument("-n", "--count", type=int, default=64)
    args = parser.parse_args()
    data = PreparedData.open(args.data)
    rng = np.random.default_rng(0)
    rows = rng.choice(data.indices("test"), args.count, replace=False)
    vocoder, analyse = load(args.vocoder, data.mel), LogMel(data.mel)
    steps, bends, peaks, rolls = [], [], [], []
    n = loop_samples(data.bars, args.bpm, RATE_HZ)
    for row in rows:
        with torch.no_grad():
            log_mel = analyse(torch.from_numpy(data.audio([row])))
            loop = render(vocoder, log_mel[0].numpy(), args.bpm, rate_hz=RATE_HZ)
            frames = int(rng.integers(1, log_mel.shape[-1]))
            want = vocoder(log_mel).roll(frames * data.mel.hop, -1)
            rolls.append(float((vocoder(log_mel.roll(frames, -1)) - want).norm() / want.norm()))
        assert len(loop) == n
        tiled = np.tile(loop.astype(np.float64), TURNS)
        steps.append(seam_quantile(tiled, n, 1))
        bends.append(seam_quantile(tiled, n, 2))
        peaks.append(float(np.abs(loop).max()))
    print(f"{len(rows)} test bars of {data.mel.name}, {args.vocoder}, {args.bpm:g} BPM, {n} samples each, exact")
    for what, values in (("step over the seam", steps), ("bend over the seam", bends)):
        print(f"{what}: quantile {np.mean(values):.3f} on average, {max(values):.4f} at most")
    print(f"above the 99.9th percentile: {sum(v > 0.999 for v in steps)} steps, {sum(v > 0.999 for v in bends)} bends")
    print(f"peak {max(peaks):.4f} at most; rolled frames against rolled loop: {max(rolls):.2g} at most")
    if max(steps) > 0.999 or max(peaks) > 1 or max(rolls) >= 1e-4:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
