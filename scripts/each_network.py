"""Does every feature network train a discriminator? A few hundred steps of the recipe `tiny` for each, and a table.

Run: python scripts/each_network.py PREPARED -o OUT [--steps 300] [--batch 4] [--networks yamnet,direct:yamnet,mel]
One run folder a network under OUT, so an interrupted script goes on where it was, and each can be looked at and listened to.
Columns: the discriminator's loss in the first and the last tenth of the run (hinge: 2 knows nothing, 0 has won), its
saturation at the end (share of logits beyond the hinge; 1: it dominates), FAD and KAD by a judge that trained nothing, before
and after, and CPU milliseconds a step. A network without weights here is left out and named; `random:` of it needs none.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from loopwright.data import PreparedData
from loopwright.errors import WeightsError
from loopwright.features import build
from loopwright.files import write_json, write_text
from loopwright.tasks.train_gan import train

# cheapest first; the widest last
NETWORKS = (
    "mel", "scnn_loop", "scnn_loop_synth", "random:yamnet", "direct:yamnet", "yamnet", "mtat_fcn", "random:vggish", "scnn_mtat",
    "random:short_chunk_loop", "random:short_chunk_res",
)  # fmt: skip
TICKS = 10


def settings(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """What differs from the recipe `tiny`."""
    kimg = args.steps * args.batch / 1000
    return {
        "discriminator": {"networks": [name]},
        "train": {
            "batch": args.batch,
            "kimg": kimg,
            "tick_kimg": kimg / TICKS,
            "eval_kimg": kimg,
            "eval_n": args.count,
            "ema_kimg": kimg / TICKS,
            "judges": [args.judge],
            "seed": args.seed,
        },
    }


def run_one(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Train with one network and sum up its run."""
    times: list[float] = []  # CPU seconds of ticks in which nothing was measured
    last = time.process_time()

    def watch(row: Mapping[str, Any]) -> None:
        nonlocal last
        now = time.process_time()
        if row["step"] and f"fad/{args.judge}" not in row:
            times.append(now - last)
        last = now

    began = time.process_time()
    folder = train(
        args.data,
        args.out / name.replace(":", "-"),
        "tiny",
        overrides=settings(name, args),
        device="cpu",
        threads=args.threads,
        report=watch,
    )
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    before, ticks = rows[0], rows[1:]
    baseline = json.loads((folder / "baseline.json").read_text(encoding="utf-8"))
    return {
        "network": name,
        "loss/d": [ticks[0]["loss/d"], ticks[-1]["loss/d"]],
        "saturation": ticks[-1]["saturation"],
        "fad": [before[f"fad/{args.judge}"], ticks[-1][f"fad/{args.judge}"]],
        "kad": [before[f"kad/{args.judge}"], ticks[-1][f"kad/{args.judge}"]],
        "baseline": [baseline[f"training-fad/{args.judge}"], baseline[f"training-kad/{args.judge}"]],
        "ms": 1000 * statistics.median(times) / max(1, args.steps // TICKS) if times else float("nan"),
        "cpu_s": time.process_time() - began,
    }


def table(results: list[dict[str, Any]], args: argparse.Namespace) -> str:
    """Markdown."""
    lines = [
        f"| network | loss/d, start | end | saturation | FAD {args.judge}, before | after | KAD, before | after | ms a step |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for r in results:
        lines.append(
            f"| `{r['network']}` | {r['loss/d'][0]:.2f} | {r['loss/d'][1]:.2f} | {r['saturation']:.2f} | {r['fad'][0]:.1f} | "
            f"{r['fad'][1]:.1f} | {r['kad'][0]:.1f} | {r['kad'][1]:.1f} | {r['ms']:.0f} |"
        )
    if results:
        fad, kad = results[0]["baseline"]
        lines.append(f"| *real training bars* | | | | | {fad:.1f} | | {kad:.1f} | |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--judge", default="musicnn")
    parser.add_argument("-n", "--count", type=int, default=200, help="bars on each side of a measurement")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    mel = PreparedData.open(args.data).mel
    results: list[dict[str, Any]] = []
    for name in args.networks.split(","):
        done = args.out / f"{name.replace(':', '-')}.json"
        if done.is_file():
            results.append(json.loads(done.read_text(encoding="utf-8")))
            continue
        try:
            build(name, mel)
        except WeightsError as error:
            print(f"{name}: left out, no weights here ({str(error).splitlines()[0][:100]})", flush=True)
            continue
        results.append(run_one(name, args))
        write_json(done, results[-1])
        write_text(args.out / "table.md", table(results, args))
        print(f"{name}: {results[-1]['cpu_s']:.0f} s of CPU", flush=True)
    print(table(results, args))


if __name__ == "__main__":
    main()
