"""Runs side by side on more bars than a tick can afford: every bar of the test split, which no run was chosen by.

    python scripts/compare_runs.py DATA RUN... -o OUT --judges yamnet,musicnn,scnn_loop [--which last]

RUN: a run folder, or a study's folder of one row and seed. Log-mels through the bridge, no vocoder; as many generated and as
many training bars ("real") as the split has. Brackets: 95 % intervals by half-sampling; a row of a study with several seeds has
the mean of its seeds, and brackets from the lowest bound to the highest. Each run's numbers are kept in OUT, so an interrupted
comparison goes on. Writes compare.md: the rows, then each run.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from loopwright import metrics
from loopwright.data import PreparedData
from loopwright.features import build_embedder
from loopwright.files import write_json, write_text
from loopwright.measuring.report import cell, markdown_table
from loopwright.measuring.results import Estimate
from loopwright.training.gan_loop import load_model
from loopwright.training.runs import RunFolder
from loopwright.training.tick import generate_batch, to_log_mels

REPEATS = 60
Scores = dict[str, Estimate]


def embed(log_mels: torch.Tensor, judges: Mapping[str, torch.nn.Module]) -> dict[str, np.ndarray]:
    """Embeddings (N, D) of log-mels (N, M, T) by each judge."""
    parts = torch.split(log_mels, 16)
    with torch.no_grad():
        return {name: torch.cat([judge(part) for part in parts]).double().numpy() for name, judge in judges.items()}


def score(real: dict[str, np.ndarray], fake: dict[str, np.ndarray]) -> Scores:
    """KAD, coverage and density by each judge with their intervals, and FAD without."""

    def both(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
        near = metrics.prdc(a, b)
        return {"KAD": float(metrics.kad(a, b)), "coverage": float(near.coverage), "density": float(near.density)}

    out: Scores = {}
    for name, reference in real.items():
        found = metrics.bootstrap(both, reference, fake[name], repeats=REPEATS)
        out |= {f"{key} {name}": Estimate.of(x) for key, x in found.items()}
        out[f"FAD {name}"] = Estimate(value=float(metrics.fad(reference, fake[name])))
    return out


def run_and_name(folder: Path) -> tuple[Path, str]:
    """The run at `folder` and what to call it: a study's runs after their row and seed, others after their own folder."""
    if not (folder / "config.json").exists():
        folder = next((config.parent for config in sorted(folder.glob("*/config.json"))), folder)
    parent = folder.absolute().parent.name
    return folder, parent if re.search(r"-seed\d+$", parent) else folder.absolute().name


def over_seeds(runs: dict[str, Scores]) -> dict[str, Scores]:
    """Runs called ROW-seedN joined to rows: mean values, the lowest and the highest bound."""
    rows: dict[str, list[Scores]] = {}
    for name, scores in runs.items():
        rows.setdefault(re.sub(r"-seed\d+$", "", name), []).append(scores)
    return {
        (name if len(seeds) == 1 else f"{name} ({len(seeds)} seeds)"): {
            key: Estimate.over_seeds([scores[key] for scores in seeds]) for key in seeds[0]
        }
        for name, seeds in rows.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--judges", default="yamnet,musicnn,scnn_loop")
    parser.add_argument("--which", choices=["last", "best"], default="last")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    data = PreparedData.open(args.data)
    judges = {name: build_embedder(name, data.mel) for name in args.judges.split(",")}
    held_out = np.asarray(data.indices("test"))
    n = len(held_out)
    real = embed(torch.from_numpy(data.log_mel(held_out)), judges)
    runs: dict[str, Scores] = {}
    for folder in [None, *args.runs]:
        run, name = (None, "real") if folder is None else run_and_name(folder)
        kept = args.out / f"{name}-{args.which}.json"
        if kept.exists():
            runs[name] = {key: Estimate(**value) for key, value in json.loads(kept.read_text(encoding="utf-8")).items()}
            continue
        if run is not None and not RunFolder(run).checkpoint(args.which).exists():
            print(f"{run}: no {args.which} checkpoint, left out", flush=True)
            continue
        if run is None:
            picks = np.sort(np.random.default_rng(0).choice(data.indices("train"), n, replace=False))
            log_mels = torch.from_numpy(data.log_mel(picks))
        else:
            generator, header = load_model(RunFolder(run).checkpoint(args.which))
            mean, std = (torch.tensor(header["statistics"][key], dtype=torch.float32) for key in ("mean", "std"))
            log_mels = to_log_mels(generate_batch(generator, n, seed=1), mean, std, data.mel)
        runs[name] = score(real, embed(log_mels, judges))
        write_json(kept, {key: value.to_json() for key, value in runs[name].items()})
        print(name, {key: cell(value, 2, single=True) for key, value in runs[name].items()}, flush=True)
    keys = [f"{key} {name}" for name in judges for key in ("FAD", "KAD", "coverage", "density")]
    text = f"N = {n} bars of the test split, {n} generated and {n} training bars; `{args.which}` checkpoints.\n"
    for title, some in {"Rows": over_seeds(runs), "Runs": runs}.items():
        table = [[name, *(cell(scores[key], 2, single=True) for key in keys)] for name, scores in some.items()]
        text += f"\n## {title}\n\n" + markdown_table([title[:-1].lower(), *keys], table)
    write_text(args.out / "compare.md", text)


if __name__ == "__main__":
    main()
