"""Memory and time of `prepare` over the number of files, three in ten of them broken.

    python benchmarks/prepare_scale.py 250 2000          # numbers of files

Prints files, rows, seconds of CPU and peak memory (parent and largest worker) for each number, each in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
RUN = """
import json, resource, sys, time
from pathlib import Path
from loopwright.config import LOOP16
from loopwright.data.settings import PrepareSettings
from loopwright.tasks.prepare import prepare
report = prepare(Path(sys.argv[1]), Path(sys.argv[2]), PrepareSettings(mel=LOOP16), workers=1)
use = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"files": report.files, "kept": report.kept, "rows": report.rows, "duplicates": report.duplicates,
 "rejected": dict(report.reasons), "cpu_s": round(use.ru_utime + use.ru_stime, 1), "peak_mb": round(use.ru_maxrss / 1024)}))
"""


def make(folder: Path, count: int) -> None:
    """Bars of random tones and bursts at 120 BPM; of ten files one is text, one is cut short, one is silent."""
    rng = np.random.default_rng(0)
    for i in range(count):
        path = folder / f"{i // 500:03d}" / f"{i:06d}_120bpm.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        x = np.zeros(2 * RATE, dtype=np.float32)
        for at in rng.choice(16, rng.integers(4, 9), replace=False) * 2000:
            t = np.arange(4000)
            hit = np.exp(-t / rng.uniform(200, 2000)) * (
                np.sin(rng.uniform(0.02, 2) * t) + rng.uniform(0, 1) * rng.standard_normal(4000)
            )
            np.add.at(x, (at + t) % len(x), 0.2 * hit)
        kind = i % 10
        soundfile.write(path, x * (kind != 2), RATE)
        if kind == 0:
            path.write_text("not audio")
        elif kind == 1:
            path.write_bytes(path.read_bytes()[:40])


def main() -> None:
    for count in map(int, sys.argv[1:] or ["250", "2000"]):
        with tempfile.TemporaryDirectory() as scratch:
            make(Path(scratch) / "in", count)
            argv = [sys.executable, "-c", RUN, f"{scratch}/in", f"{scratch}/out"]
            print(
                json.dumps({"count": count, **json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)}),
                flush=True,
            )


if __name__ == "__main__":
    main()
