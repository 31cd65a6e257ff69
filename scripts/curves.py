"""Curves of runs beside each other: KAD and FAD against images and minutes, coverage and density, a row for each judge.

python scripts/curves.py OUT.png NAME=metrics.jsonl [NAME=metrics.jsonl ...] [--real baseline.json]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from loopwright.study.plots import plot_curves
from loopwright.study.results import Curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", nargs="+", metavar="NAME=metrics.jsonl")
    parser.add_argument("--real", type=Path, help="baseline.json: what real training bars score, drawn as a flat line")
    args = parser.parse_args()
    curves = []
    for number, pair in enumerate(args.runs):
        name, _, path = pair.partition("=")
        ticks = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
        curves.append(Curve(row=2 * number, label=name, title="", seed=0, ticks=ticks))
    judges = sorted({key[4:] for tick in curves[0].ticks for key in tick if key.startswith("kad/")}, reverse=True)
    if args.real:
        told = json.loads(args.real.read_text(encoding="utf-8"))
        scores = {key.removeprefix("training-"): x for key, x in told.items() if key.startswith("training-")}
        last = {k: max(c.ticks[-1][k] for c in curves) for k in ("kimg", "seconds")}
        flat = [{**scores, "kimg": 0.0, "seconds": 0.0}, {**scores, **last}]
        curves.append(Curve(row=15, label="real training bars", title="", seed=0, ticks=flat))
    plot_curves(args.out, curves, judges)


if __name__ == "__main__":
    main()
