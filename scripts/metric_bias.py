"""How FAD, FAD-inf and KAD of real loops against other real loops depend on N: the figure of docs/metrics.md.

Run: python scripts/metric_bias.py CORPUS -o OUT --judge yamnet,musicnn --pool 4000
CORPUS is a folder of WAV loops (or --from-cache FILE: what `loopwright evaluate --cache FILE` has embedded). Two sets of N
loops, without a common loop, are drawn `--draws` times for each N; both sets come from one distribution, so an honest measure
is 0. Beside the loops: a Gaussian with their mean and covariance, where N can be as large as one likes. Writes bias.json and
bias.png.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
from pathlib import Path

import numpy as np
import torch

from loopwright import metrics
from loopwright.audio.io import read_audio
from loopwright.audio.resample import resample_circle
from loopwright.data.scan import find_audio
from loopwright.features import load_judge
from loopwright.pipeline.embedding_cache import EmbeddingCache, content_hash
from loopwright.pipeline.evaluate import _through

SIZES = (100, 200, 500, 1000, 1500, 2000, 5000)
NAMES = ("fad", "fad_inf", "kad", "coverage")


def embed(folder: Path, judge_name: str, count: int, cache: EmbeddingCache, seed: int) -> np.ndarray:
    """Embeddings of `count` files of the folder, (count, D)."""
    judge = load_judge(judge_name)
    files = [found.path for found in find_audio(folder)]
    chosen = np.random.default_rng(seed).permutation(len(files))[:count]
    out: list[np.ndarray] = []
    for start in range(0, len(chosen), 32):
        clips = []
        for i in chosen[start : start + 32]:
            audio = read_audio(files[i])
            clips.append(resample_circle(audio.samples.mean(axis=1), round(audio.length_s * 16_000)))
        out += _through(judge, clips, [content_hash(clip) for clip in clips], cache, "embedding")
        print(f"{judge_name}: {len(out)} of {len(chosen)}", flush=True)
    return np.stack(out)


def cached(path: Path, judge_name: str) -> np.ndarray:
    """All embeddings that an evaluation has left in its cache file, in the order of their hashes, which is a random one."""
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT value FROM vectors WHERE space LIKE ? ORDER BY key", [f"{judge_name} % embedding"]).fetchall()
    return np.stack([np.frombuffer(value, dtype="<f4") for (value,) in rows])


def measure(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    return {
        "fad": metrics.fad(a, b),
        "fad_inf": metrics.fad_inf(a, b, steps=8).value,
        "kad": metrics.kad(a, b),
        "coverage": metrics.density_coverage(a, b)[1],
    }


def curve(draw: object, sizes: list[int], draws: int) -> dict[str, list[list[float]]]:
    out: dict[str, list[list[float]]] = {name: [] for name in NAMES}
    for n in sizes:
        rows = [measure(*draw(n, i)) for i in range(draws)]  # type: ignore[operator]
        for name in NAMES:
            values = [row[name] for row in rows]
            out[name].append([float(np.mean(values)), float(np.min(values)), float(np.max(values))])
        print(n, {name: round(out[name][-1][0], 4) for name in NAMES}, flush=True)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, nargs="?")
    parser.add_argument("--from-cache", type=Path, help="embeddings that `loopwright evaluate --cache` has kept, instead")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--judge", default="yamnet,musicnn")
    parser.add_argument("--pool", type=int, default=4000)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cache = EmbeddingCache(args.cache)
    result: dict[str, dict] = {}
    for judge in args.judge.split(","):
        if args.from_cache:
            pool = cached(args.from_cache, judge).astype(np.float64)
        else:
            pool = embed(args.corpus, judge, args.pool, cache, args.seed).astype(np.float64)
        mean, spread = pool.mean(axis=0), np.linalg.cholesky(np.cov(pool, rowvar=False) + 1e-9 * np.eye(pool.shape[1]))

        def of_loops(n: int, i: int, pool: np.ndarray = pool) -> tuple[np.ndarray, np.ndarray]:
            chosen = np.random.default_rng((args.seed, n, i)).permutation(len(pool))
            return pool[chosen[:n]], pool[chosen[n : 2 * n]]

        def of_gaussian(n: int, i: int, mean: np.ndarray = mean, spread: np.ndarray = spread) -> tuple[np.ndarray, np.ndarray]:
            rng = np.random.default_rng((args.seed, n, i))
            return tuple(mean + rng.normal(size=(n, len(mean))) @ spread.T for _ in range(2))  # type: ignore[return-value]

        loops = [n for n in SIZES if 2 * n <= len(pool)]
        result[judge] = {
            "dim": pool.shape[1],
            "pool": len(pool),
            "sizes": loops,
            "loops": curve(of_loops, loops, args.draws),
            "gaussian_sizes": list(SIZES),
            "gaussian": curve(of_gaussian, list(SIZES), 1),
        }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "bias.json").write_text(json.dumps({"seed": args.seed, "draws": args.draws, **result}, indent=1) + "\n")
    draw(result, args.out / "bias.png")


def draw(result: dict[str, dict], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.0 * len(result)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(result), 3, squeeze=False)
    for line, (judge, values) in zip(axes, result.items(), strict=True):
        for axis, names in zip(line, (("fad", "fad_inf"), ("kad",), ("coverage",)), strict=True):
            for name, colour in zip(names, ("#d1495b", "#2e6f95"), strict=False):
                text = {"fad": "FAD", "fad_inf": "FAD-inf", "kad": "KAD", "coverage": "coverage (k = 5)"}[name]
                middle, low, high = np.array(values["loops"][name]).T
                axis.plot(values["sizes"], middle, "o-", color=colour, label=f"{text}, loops", ms=4)
                axis.fill_between(values["sizes"], low, high, color=colour, alpha=0.2, lw=0)
                gaussian = np.array(values["gaussian"][name])[:, 0]
                axis.plot(values["gaussian_sizes"], gaussian, ":", color=colour, label=f"{text}, Gaussian")
            axis.axhline(0.969 if names == ("coverage",) else 0.0, color="black", lw=0.7)
            axis.set_xscale("log")
            axis.set_xticks(SIZES, [str(n) if n != 1500 else "" for n in SIZES])
            axis.set_xticks([], minor=True)
            axis.set_xlabel("N on each side", fontsize=8)
            axis.set_title(f"{judge} ({values['dim']} dimensions)", fontsize=9)
            axis.tick_params(labelsize=8)
            axis.legend(fontsize=7, frameon=False)
            for side in ("top", "right"):
                axis.spines[side].set_visible(False)
    figure.savefig(path)


if __name__ == "__main__":
    main()
