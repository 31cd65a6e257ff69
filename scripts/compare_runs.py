"""Runs side by side on more bars than a tick can afford.

    python scripts/compare_runs.py DATA RUN... -o OUT --judges yamnet,musicnn,scnn_loop [--split validation] [--which last]

RUN: a run folder, or a study's folder of one row and seed. Log-mels through the bridge, no vocoder. The reference is half of
the split by source; beside the runs, with as many bars, the other half (what a perfect model scores) and training bars (what
copying scores). To choose between runs use split validation; test is for results, and locked for the last table alone.
Brackets: 95 % intervals, whole sources drawn; a row of a study with several seeds has the mean of its seeds, and brackets from
the lowest bound to the highest. Scores by a network that taught a run are marked. Each run's numbers are kept in OUT, so an
interrupted comparison goes on. Writes compare.md: the rows, then each run.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from loopwright import metrics
from loopwright.data import PreparedData
from loopwright.features import build_embedder
from loopwright.files import write_json, write_text
from loopwright.measuring.compare import with_interval
from loopwright.measuring.report import TAUGHT, cell, markdown_table, taught, taught_note
from loopwright.measuring.results import Estimate
from loopwright.measuring.rows import in_first_half
from loopwright.measuring.settings import Settings
from loopwright.models import modelfile
from loopwright.training.runs import RunFolder
from loopwright.training.samples import generate_batch, to_log_mels

REPEATS = 60
MEASURES = ("FAD", "KAD", "coverage", "density")
Scores = dict[str, Estimate]


@dataclass(frozen=True)
class Bars:
    """Bars as judges see them, (N, D) by judge, and the source of each; None of generated ones."""

    embedded: dict[str, np.ndarray]
    sources: list[str] | None = None


def embed(log_mels: torch.Tensor, judges: Mapping[str, torch.nn.Module]) -> dict[str, np.ndarray]:
    """Embeddings (N, D) of log-mels (N, M, T) by each judge."""
    parts = torch.split(log_mels, 16)
    with torch.no_grad():
        return {name: torch.cat([judge(part) for part in parts]).double().numpy() for name, judge in judges.items()}


def score(reference: Bars, fake: Bars) -> Scores:
    """KAD, coverage and density by each judge with their intervals, and FAD without."""

    def both(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
        near = metrics.prdc(a, b)
        return {"KAD": float(metrics.kad(a, b)), "coverage": float(near.coverage), "density": float(near.density)}

    out: Scores = {}
    settings = Settings(repeats=REPEATS)
    for name, real in reference.embedded.items():
        found = with_interval(both, real, fake.embedded[name], groups=[reference.sources, fake.sources], settings=settings)
        out |= {f"{key} {name}": estimate for key, estimate in found.items()}
        out[f"FAD {name}"] = Estimate(value=float(metrics.fad(real, fake.embedded[name])))
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
    parser.add_argument("--split", default="validation")
    parser.add_argument("--which", choices=["last", "best"], default="last")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    data = PreparedData.open(args.data)
    judges = {name: build_embedder(name, data.mel) for name in args.judges.split(",")}
    rows = np.asarray(data.indices(args.split))
    units = [str(source) for source in data.column("source", rows)]
    first = in_first_half(units, seed=0)
    n = min(int(first.sum()), int((~first).sum()))
    if n < 12:
        raise SystemExit(f"split {args.split} of {args.data} has {len(rows)} bars: two halves of at least 12 are needed.")
    rng = np.random.default_rng(0)

    def bars(pool: np.ndarray) -> Bars:
        picks = np.sort(rng.choice(pool, n, replace=False))
        sources = [str(source) for source in data.column("source", picks)]
        return Bars(embed(torch.from_numpy(data.log_mel(picks)), judges), sources)

    reference, other, training = bars(rows[first]), bars(rows[~first]), bars(np.asarray(data.indices("train")))
    runs = {f"{args.split} against {args.split}": score(reference, other), "training bars": score(reference, training)}
    taught_by: dict[str, tuple[str, ...]] = {}
    for folder in args.runs:
        run, name = run_and_name(folder)
        kept = args.out / f"{name}-{args.which}-{args.split}.json"
        if not RunFolder(run).checkpoint(args.which).exists() and not kept.exists():
            print(f"{run}: no {args.which} checkpoint, left out", flush=True)
            continue
        taught_by[name] = RunFolder(run).read_config()[0].discriminator.network_names
        if kept.exists():
            values = json.loads(kept.read_text(encoding="utf-8"))
            runs[name] = {key: Estimate(**value) for key, value in values.items()}
            continue
        file = modelfile.read(RunFolder(run).checkpoint(args.which))
        generator, mean, std = modelfile.build(file), torch.from_numpy(file.mean), torch.from_numpy(file.std)
        log_mels = to_log_mels(generate_batch(generator, n, seed=1), mean, std, data.mel)
        runs[name] = score(reference, Bars(embed(log_mels, judges)))
        write_json(kept, {key: value.to_json() for key, value in runs[name].items()})
        print(name, {key: cell(value, 2, single=True) for key, value in runs[name].items()}, flush=True)
    text = (
        f"N = {n} bars in every row; reference: half of split {args.split}, {len(set(reference.sources or []))} sources; "
        f"`{args.which}` checkpoints.\n"
    )
    for title, some in {"Rows": over_seeds(runs), "Runs": runs}.items():
        text += f"\n## {title}\n\n" + table(title[:-1].lower(), some, taught_by, list(judges))
    write_text(args.out / "compare.md", text)


def table(head: str, rows: dict[str, Scores], taught_by: dict[str, tuple[str, ...]], judges: list[str]) -> str:
    """Rows of scores; a row of several seeds was taught by what taught its first run."""
    flattered: list[str] = []
    lines = []
    for name, scores in rows.items():
        runs = [run for run in taught_by if run == name or run.startswith(f"{name.split(' (')[0]}-seed")]
        networks = taught_by[runs[0]] if runs else ()
        cells = []
        for judge in judges:
            sign = f" {TAUGHT}" if taught(judge, networks) else ""
            flattered += [judge] if sign and judge not in flattered else []
            cells += [cell(scores.get(f"{key} {judge}"), 2, single=True) + sign for key in MEASURES]
        lines.append([name, *cells])
    titles = [f"{key} {judge}" for judge in judges for key in MEASURES]
    note = taught_note(flattered)
    return markdown_table([head, *titles], lines) + (f"\n{note}" if note else "")


if __name__ == "__main__":
    main()
