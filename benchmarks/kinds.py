"""Time of a finished loop of each kind of generator, one thread, process CPU time, at easy and awkward tempi.

    python benchmarks/kinds.py [--loops 10] [MODEL ...]

Everything that `loopwright generate` does for a loop after the first, but for the file: latent, generator, sound at the tempo,
level, seam. Without MODEL, models of the house recipes' sizes with random weights: those of a kit ring longer than learned
ones do, and cost more.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy

import numpy as np
import onnxruntime

from loopwright.config import LOOP48, TONE48, Representation
from loopwright.making.engines import load

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))

KINDS: dict[str, Representation] = {"house": LOOP48, "house-tonal": TONE48, "house-drums": LOOP48}
TEMPI = (120.0, 124.0, 97.3, 174.0, 63.1)  # 124 and 97.3: lengths with large prime factors


def one_thread(session: type) -> Callable[..., onnxruntime.InferenceSession]:
    """onnxruntime's own threads do not obey OMP_NUM_THREADS."""

    def make(path: str, options: onnxruntime.SessionOptions, **rest: object) -> onnxruntime.InferenceSession:
        options.intra_op_num_threads = 1
        return session(path, options, **rest)

    return make


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="Instead of random ones.")
    parser.add_argument("--loops", type=int, default=10)
    args = parser.parse_args()
    onnxruntime.InferenceSession = one_thread(onnxruntime.InferenceSession)
    with tempfile.TemporaryDirectory() as folder:
        names = args.models
        if not names:
            from random_model import random_model

            names = [str(random_model(Path(folder) / f"{k}.safetensors", k, mel)) for k, mel in KINDS.items()]
        for name in names:
            model = load(name)
            model.generate([0])
            found = []
            for bpm in TEMPI:
                times = []
                for seed in range(1, args.loops + 1):
                    start = time.process_time()
                    model.generate([seed], bpm=bpm)
                    times.append(1000 * (time.process_time() - start))
                found.append(f"{bpm:g} BPM {np.median(times):.0f} ms")
            print(f"{Path(name).stem} ({type(model).__name__}): " + ", ".join(found))


if __name__ == "__main__":
    main()
