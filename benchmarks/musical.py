"""The musical metrics against the log-mel they stand beside: CPU milliseconds a loop of 2 s at 48 kHz, one thread.

Run: OMP_NUM_THREADS=1 python benchmarks/musical.py [--loops 16] [--pairs 9] [--weights FOLDER]
Both in turn, batch by batch and loop by loop. With the weights of basic_pitch at hand, the transcriber too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from timing import alternate, machine, median, ratio

from loopwright.audio.mel import LogMel
from loopwright.audio.resample import resample_circle
from loopwright.config import LOOP48
from loopwright.errors import WeightsError
from loopwright.features import load_judge
from loopwright.metrics.music import musical_features
from loopwright.metrics.pattern import onsets_of
from loopwright.metrics.pitch import tuning
from loopwright.metrics.punch import punch_of


def bars(count: int) -> np.ndarray:
    """Chords of harmonics under decaying bursts of noise: partials and hits as in music."""
    rng = np.random.default_rng(0)
    t = np.arange(LOOP48.bar_samples) / LOOP48.rate_hz
    out = np.zeros((count, len(t)))
    for x in out:
        for midi in rng.choice(np.arange(40, 76), 3, replace=False):
            hz = round(2 * 440 * 2 ** ((midi - 69) / 12)) / 2
            x += sum(0.1 / h * np.sin(2 * np.pi * h * hz * t) for h in range(1, 9))
        for step in rng.choice(16, 8, replace=False):
            x += 0.3 * np.roll(rng.normal(size=len(t)) * np.exp(-t / 0.05), step * len(t) // 16)
    return (0.2 * out).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loops", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--weights", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    loops, log_mel, rate = bars(args.loops), LogMel(LOOP48), LOOP48.rate_hz
    tensors, found = torch.from_numpy(loops), onsets_of(loops, LOOP48.rate_hz)
    tasks = {
        "log-mel loop48, all at once": lambda: log_mel(tensors),
        "musical, all at once": lambda: musical_features(loops, rate, 1),
        "log-mel loop48, one by one": lambda: [log_mel(x[None]) for x in tensors],
        "musical, one by one": lambda: [musical_features(x[None], rate, 1) for x in loops],
        "of these: tuning": lambda: tuning(loops, rate),
        "of these: onsets": lambda: onsets_of(loops, rate),
        "of these: punch": lambda: punch_of(loops, rate, 1, found),
    }
    try:
        judge = load_judge("basic_pitch", weights=args.weights)
        slow = resample_circle(loops, 2 * judge.rate_hz)
        tasks["transcriber (basic_pitch)"] = lambda: judge.notes(slow)  # type: ignore[attr-defined]
    except WeightsError as error:
        print(error)
    times = alternate(tasks, args.pairs)
    print(machine())
    for name, values in times.items():
        print(f"{name:32} {median(values) / len(loops) * 1000:7.2f} ms a loop")
    for way in ("all at once", "one by one"):
        print(f"log-mel over musical, {way}: {ratio(times, f'log-mel loop48, {way}', f'musical, {way}')}")


if __name__ == "__main__":
    main()
