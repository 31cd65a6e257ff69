"""How FAD, FAD-inf and KAD of real loops against other real loops depend on N: the figure of docs/metrics.md.

Run: python scripts/metric_bias.py LOOPS -o OUT --judge yamnet,musicnn --pool 10000
LOOPS is prepared data (training bars, through the bridge: quickest), a folder of audio (through the judges' own front-ends), or
nothing with --from-cache FILE: what `loopwright evaluate --cache FILE` has embedded. For each N, pairs of sets of N loops are
drawn, up to `--draws` of them and as many as there are loops for: no two sets share a loop. Both sets of a pair come from one
distribution, so an honest measure is 0. For N beyond the pool: a Gaussian with the loops' mean and covariance, one pair.
Embeddings and finished points are kept in OUT, so an interrupted run goes on. Writes bias.json, bias.md and bias.png.
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
from loopwright.data import PreparedData
from loopwright.data.scan import find_audio
from loopwright.features import build_embedder, load_judge
from loopwright.files import atomic_path, write_json, write_text
from loopwright.measuring.cache import EmbeddingCache, content_hash
from loopwright.measuring.judging import hear

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
        out += hear(judge, clips, [content_hash(clip) for clip in clips], cache, "embedding")
        print(f"{judge_name}: {len(out)} of {len(chosen)}", flush=True)
    return np.stack(out)


def embed_prepared(path: Path, judge_name: str, count: int, seed: int, kept: Path) -> np.ndarray:
    """Embeddings of `count` training bars through the bridge, (count, D); kept in a file as they come."""
    data = PreparedData.open(path)
    rows = np.random.default_rng(seed).permutation(data.indices("train"))[:count]
    out = np.load(kept) if kept.is_file() else np.zeros((0, 0), np.float32)
    embedder = build_embedder(judge_name, data.mel) if len(out) < len(rows) else None
    while len(out) < len(rows):
        assert embedder is not None
        picks = rows[len(out) : len(out) + 500]
        parts = [embedder(torch.from_numpy(data.log_mel(some))).numpy() for some in np.split(picks, range(20, len(picks), 20))]
        out = np.concatenate([*([out] if len(out) else []), *parts])
        with atomic_path(kept) as temporary, temporary.open("wb") as file:
            np.save(file, out)
        print(f"{judge_name}: {len(out)} of {len(rows)}", flush=True)
    return out[: len(rows)]


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


def points(pool: np.ndarray, draws: int, seed: int, kept: Path) -> list[dict]:
    """One entry a size: n, what was drawn, and for each measure its mean, least and most."""
    out: list[dict] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else []
    for n in SIZES[len(out) :]:
        rng = np.random.default_rng((seed, n))
        pairs = min(draws, len(pool) // (2 * n))
        if pairs:
            sets = pool[rng.permutation(len(pool))[: 2 * n * pairs]].reshape(pairs, 2, n, -1)
            rows = [measure(a, b) for a, b in sets]
        else:
            spread = np.linalg.cholesky(np.cov(pool, rowvar=False) + 1e-9 * np.eye(pool.shape[1]))
            a, b = (pool.mean(axis=0) + rng.normal(size=(n, pool.shape[1])) @ spread.T for _ in range(2))
            rows = [measure(a, b)]
        out.append({"n": n, "of": "loops" if pairs else "Gaussian", "pairs": len(rows)})
        for name in NAMES:
            values = [row[name] for row in rows]
            out[-1][name] = [float(np.mean(values)), float(np.min(values)), float(np.max(values))]
        write_json(kept, out)
        print(n, {name: round(out[-1][name][0], 4) for name in NAMES}, flush=True)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loops", type=Path, nargs="?", help="prepared data, or a folder of audio")
    parser.add_argument("--from-cache", type=Path, help="embeddings that `loopwright evaluate --cache` has kept, instead")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--judge", default="yamnet,musicnn")
    parser.add_argument("--pool", type=int, default=10_000)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="of a folder of audio: SQLite file of embeddings")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    result: dict[str, dict] = {}
    for judge in args.judge.split(","):
        if args.from_cache:
            pool = cached(args.from_cache, judge)
        elif (args.loops / "stats.json").is_file():
            pool = embed_prepared(args.loops, judge, args.pool, args.seed, args.out / f"{judge}.npy")
        else:
            pool = embed(args.loops, judge, args.pool, EmbeddingCache(args.cache), args.seed)
        found = points(pool.astype(np.float64), args.draws, args.seed, args.out / f"{judge}.json")
        result[judge] = {"dim": pool.shape[1], "pool": len(pool), "points": found}
        write_json(args.out / "bias.json", {"seed": args.seed, "draws": args.draws, **result})
        write_text(args.out / "bias.md", table(result))
    draw(result, args.out / "bias.png")
    print(table(result))


def table(result: dict[str, dict]) -> str:
    """Means of the pairs, one line a size."""
    head = [f"{text} {judge}" for judge in result for text in ("FAD", "FAD-inf", "KAD", "coverage")]
    lines = ["| N (pairs) | " + " | ".join(head) + " |", "|--:|" + "--:|" * len(head)]
    for found in zip(*(values["points"] for values in result.values()), strict=True):
        what = f"{found[0]['pairs']}" if found[0]["of"] == "loops" else "Gaussian"
        cells = [f"{point[name][0]:.2f}" for point in found for name in NAMES]
        lines.append(f"| {found[0]['n']} ({what}) | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


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
                for of, style in (("loops", "o-"), ("Gaussian", "s:")):
                    some = [point for point in values["points"] if point["of"] == of]
                    if not some:
                        continue
                    sizes = [point["n"] for point in some]
                    middle, low, high = np.array([point[name] for point in some]).T
                    label = text if of == "loops" else f"{text}, Gaussian"
                    axis.plot(sizes, middle, style, color=colour, label=label, ms=4)
                    axis.fill_between(sizes, low, high, color=colour, alpha=0.2, lw=0)
            axis.axhline(0.969 if names == ("coverage",) else 0.0, color="black", lw=0.7)
            if names == ("coverage",):
                axis.set_ylim(0.9, 1.0)
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
