"""Made-up files over all containers and faults: none ends a run, none is passed over unsaid, stated tempi are obeyed.

    python benchmarks/odd_files.py [--count 2000] [--seed 0] [--workers 1]

Prints what is not as it must be, and how long it took. A slice of it is tests/data/test_odd_files.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from loopwright.config import REPRESENTATIONS
from loopwright.data.settings import PrepareSettings
from loopwright.tasks.prepare import PrepareReport, dry_run, findings, most_worth, prepare

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))
from odd_files import faults_of, make


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    settings = PrepareSettings(mel=REPRESENTATIONS["loop16"])
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch) / "in"
        made = make(top, args.count, seed=args.seed)
        start = time.monotonic()
        report = PrepareReport()
        lines = list(dry_run(top, settings, workers=args.workers, report=report))
        took = time.monotonic() - start
        wrong = faults_of(made, lines, report.said)
        done = prepare(top, Path(scratch) / "out", settings, workers=args.workers)
    for line in [*wrong, *findings(report), *report.said[:20]]:
        print(line)
    print("most worth doing:", most_worth(report))
    numbers = {"files": len(made), "lines": len(lines), "kept": report.kept, "wrong": len(wrong), "dry_run_s": round(took, 1)}
    numbers |= {"rows": done.rows, "reasons": dict(report.reasons), "what": dict(Counter(odd.left for odd in made))}
    print(json.dumps(numbers))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
