"""From corpora to the bundled models, in stages that can be interrupted and run again (docs/bundled.md).

    python scripts/train_bundled.py drums --groove GROOVE --oneshots ONESHOTS --work work [--minutes 9] [--device cuda]
    python scripts/train_bundled.py synth --waveforms W --tonal T --chords C --work work

Each call goes on where the last one stopped, until the stages are done or the minutes are spent: on a machine lent for
minutes, call it in legs. Stages: corpus, prepare, train, export. What is to be kept lies in WORK/keep: the generator in
half precision, its curve, its last sheets. The vocoder has its own command, `loopwright train vocoder`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path


def loopwright(*arguments: str, seconds: float) -> bool:
    """Run one command; False if the time ran out first. Its state is safe: every command continues when run again."""
    command = [sys.executable, "-c", "from loopwright.cli import main; main()", *arguments]
    print("$ loopwright", *arguments, flush=True)
    try:
        subprocess.run(command, check=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=["drums", "synth"])
    for name in ("groove", "oneshots", "waveforms", "tonal", "chords"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--recipe", default="house")
    parser.add_argument("--repr", default="loop48")
    parser.add_argument("--bars", type=int, help="bars to render; the corpus command's own number if left out")
    parser.add_argument("--kimg", type=float, default=40.0)
    parser.add_argument("--anneal-kimg", type=float, help="the last so many thousand images; a third of all if left out")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the recipe")
    parser.add_argument("--minutes", type=float, default=600.0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    end = time.monotonic() + 60 * args.minutes
    corpus, prepared = args.work / f"corpus-{args.model}", args.work / f"prepared-{args.model}-{args.repr}"
    runs, keep = args.work / f"runs-{args.model}-{args.repr}", args.work / "keep"

    def left() -> float:
        return max(1.0, end - time.monotonic())

    sources = ("groove", "oneshots") if args.model == "drums" else ("waveforms", "tonal", "chords")
    if not (prepared / "stats.json").exists():
        paths: list[str] = []
        for name in sources:
            folder = getattr(args, name)
            if folder is None:
                parser.error(f"--{name} is needed to render the {args.model} corpus")
            paths += [f"--{name}", str(folder)]
        count = ["-n", str(args.bars)] if args.bars else []
        if not loopwright("corpus", args.model, *paths, "-o", str(corpus), "--seed", str(args.seed), *count, seconds=left()):
            return 3
        # rendered bars are distinct by construction, and sustained synth bars look alike to the search for duplicates
        keep_all = ["--keep-duplicates"] if args.model == "synth" else []
        if not loopwright("prepare", str(corpus), "-o", str(prepared), "--repr", args.repr, *keep_all, seconds=left()):
            return 3
    minutes = max(0.5, left() / 60 - 0.7)  # leave time to export what there is
    train = ["train", "gan", str(prepared), "-o", str(runs), "--recipe", args.recipe, "--kimg", str(args.kimg)]
    train += ["--device", args.device, "--minutes", f"{minutes:.2f}", "--seed", str(args.seed)]
    anneal = args.anneal_kimg if args.anneal_kimg is not None else round(args.kimg / 3, 3)
    for setting in (f"train.anneal_kimg={anneal}", *args.set):
        train += ["--set", setting]
    if not loopwright(*train, seconds=left() + 60):
        return 3
    (run,) = sorted(runs.glob("[0-9]*-*"))[-1:]
    keep.mkdir(parents=True, exist_ok=True)
    loopwright("export", str(run), "-o", str(keep / f"model_{args.model}.safetensors"), seconds=120)
    shutil.copy(run / "metrics.jsonl", keep / f"{args.model}-metrics.jsonl")
    shutil.copy(run / "baseline.json", keep / f"{args.model}-baseline.json")
    for picture in sorted((run / "samples").glob("*.png"))[-2:]:
        shutil.copy(picture, keep / f"{args.model}-{picture.name}")
    print(f"kept in {keep}: " + ", ".join(sorted(p.name for p in keep.iterdir())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
