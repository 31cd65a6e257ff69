"""Metrics against the packages and procedures everybody uses: seconds of CPU, memory, equality. One thread.

Run: OMP_NUM_THREADS=1 python benchmarks/metrics.py [--big] [--packages FOLDER] [-o FILE]
FOLDER: where `pip install --no-deps --target FOLDER fadtk frechet-audio-distance` has put the published packages. Their own
function is read out of their source, so that none of what they depend on is needed.
Ours and theirs alternate in pairs, so that a busy machine slows both; times are those of the process's own CPU clock.
Memory is measured in fresh processes: peak resident set less what it was when the arrays were ready.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import logging
import multiprocessing
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import scipy
import torch
from scipy import linalg

from loopwright import metrics
from loopwright.metrics.bins import assign

Pair = tuple[np.ndarray, np.ndarray]


def sets(n: int, d: int, rank: int = 64, seed: int = 0) -> Pair:
    """Two sets of embeddings, float32: a few strong directions and some noise in all, as judges give them."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(rank, d))
    real = rng.normal(size=(n, rank)) @ mix + 0.5 * rng.normal(size=(n, d))
    fake = (1.1 * rng.normal(size=(n, rank)) + 0.2) @ mix + 0.5 * rng.normal(size=(n, d))
    return real.astype(np.float32), fake.astype(np.float32)


def peer_frechet(m1: np.ndarray, c1: np.ndarray, m2: np.ndarray, c2: np.ndarray) -> float:
    """The form in pytorch-fid, fadtk and their kin."""
    root = linalg.sqrtm(c1 @ c2)
    if np.iscomplexobj(root):
        root = root.real
    return float(((m1 - m2) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * np.trace(root))


def peer_eigenvalues(m1: np.ndarray, c1: np.ndarray, m2: np.ndarray, c2: np.ndarray) -> float:
    """The form in torchmetrics: eigenvalues of the product, without the root."""
    product = torch.from_numpy(c1 @ c2)
    return float(((m1 - m2) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * torch.linalg.eigvals(product).sqrt().real.sum())


def peer_package(folder: Path, package: str, function: str) -> Callable[..., float]:
    """The function of a published package, as shipped, from the text of its fad.py."""
    tree = ast.parse((folder / package / "fad.py").read_text(encoding="utf-8"))
    found = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == function)
    names: dict[str, object] = {"np": np, "linalg": linalg, "scisqrt": np.lib.scimath.sqrt, "log": logging.getLogger("peer")}
    exec(compile(ast.Module([found], []), package, "exec"), names)
    method = names[function]
    assert callable(method)
    return (lambda *four: method(None, *four)) if found.args.args[0].arg == "self" else method


def moments(x: np.ndarray) -> Pair:
    return x.mean(axis=0, dtype=np.float64), np.cov(x.astype(np.float64), rowvar=False)


def peer_prdc(real: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    import prdc

    with contextlib.redirect_stdout(io.StringIO()):
        return prdc.compute_prdc(real, fake, 5)


def peer_assign(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The predecessor benchmark's loop over cells."""
    gaps = np.zeros([len(x), len(centres)], dtype=x.dtype)
    for i in range(len(centres)):
        gaps[:, i] = np.linalg.norm(x - centres[i], ord=2, axis=1)
    return np.argmin(gaps, axis=1)


def race(ours: Callable[[], object], theirs: Callable[[], object], pairs: int) -> tuple[float, float, float]:
    """Median CPU seconds of each, and the median of the ratios of pairs."""
    mine, peer = [], []
    for i in range(pairs + 1):
        for what, out in ((ours, mine), (theirs, peer)):
            began = time.process_time()
            what()
            if i:  # the first pair warms caches and imports
                out.append(time.process_time() - began)
    return statistics.median(mine), statistics.median(peer), statistics.median(p / m for m, p in zip(mine, peer, strict=True))


def high_water_mb() -> float:
    """Peak resident set of this process (ru_maxrss would also count what its parent had)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return float(status.split("VmHWM:")[1].split()[0]) / 1024


def _peak(name: str, n: int, d: int, pipe: object) -> None:
    real, fake = sets(n, d)
    metrics.density_coverage(real[:600], fake[:600])  # libraries' own buffers
    if name == "theirs":
        peer_prdc(real[:600], fake[:600])
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
    before = high_water_mb()
    began = time.process_time()
    if name == "theirs":
        peer_prdc(real, fake)
    elif name == "prdc":
        metrics.prdc(real, fake)
    else:
        metrics.density_coverage(real, fake)
    spent = time.process_time() - began
    pipe.send((high_water_mb() - before, spent))  # type: ignore[attr-defined]


def peak_mb(name: str, n: int, d: int) -> tuple[float, float]:
    """(extra MB, CPU seconds) in a fresh process."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_peak, args=(name, n, d, there))
    process.start()
    out = here.recv()
    process.join()
    return out


def frechet_rows(pairs: int, packages: Path | None) -> list[str]:
    real, fake = sets(3000, 1024)
    a, b = moments(real), moments(fake)
    ours, theirs, embedded = metrics.frechet_distance(*a, *b), peer_frechet(*a, *b), metrics.fad(real, fake)
    peers: dict[str, Callable[..., float]] = {
        f"scipy {scipy.__version__} sqrtm": peer_frechet,
        f"eigvals, as in torchmetrics, torch {torch.__version__}": peer_eigenvalues,
    }
    if packages:
        peers["frechet-audio-distance, as shipped"] = peer_package(
            packages, "frechet_audio_distance", "calculate_frechet_distance"
        )
        peers["fadtk, as shipped"] = peer_package(packages, "fadtk", "calc_frechet_distance")
    out = []
    for name, peer in peers.items():
        times = race(lambda: metrics.frechet_distance(*a, *b), lambda peer=peer: peer(*a, *b), pairs)
        apart = abs(ours / float(np.real(peer(*a, *b))) - 1)
        out.append(row(f"FAD from moments, d = 1024 ({name})", times, f"rel {apart:.0e}"))
    times = race(lambda: metrics.fad(real, fake), lambda: peer_frechet(*moments(real), *moments(fake)), max(1, pairs - 1))
    out.append(row("FAD from 2 x 3000 embeddings, d = 1024", times, f"rel {abs(embedded / theirs - 1):.0e}"))
    few, many = real[:300], fake[:300]
    times = race(lambda: metrics.fad(few, many), lambda: peer_frechet(*moments(few), *moments(many)), 1)
    peer, mine = peer_frechet(*moments(few), *moments(few)), metrics.fad(few, few)
    out.append(row("FAD from 2 x 300, d = 1024 (singular)", times, f"a set with itself: peer {peer:.2g}, ours {mine:.0e}"))
    return out


def neighbour_rows(pairs: int) -> list[str]:
    real, fake = sets(10_000, 512)
    ours, theirs = metrics.prdc(real, fake), peer_prdc(real, fake)
    equal = "exact" if all(abs(getattr(ours, key) - theirs[key]) < 1e-12 for key in theirs) else "DIFFERENT"
    times = race(lambda: metrics.density_coverage(real, fake), lambda: peer_prdc(real, fake), pairs)
    out = [row("density, coverage, N = 10,000, d = 512 (prdc)", times, equal)]
    times = race(lambda: metrics.prdc(real, fake), lambda: peer_prdc(real, fake), max(1, pairs - 2))
    return [*out, row("all four, N = 10,000, d = 512 (prdc)", times, equal)]


def cell_rows(pairs: int) -> list[str]:
    real, fake = sets(10_000, 1024)
    centres = real[:100].copy()
    agree = float((assign(fake, centres) == peer_assign(fake, centres)).mean())
    times = race(lambda: assign(fake, centres), lambda: peer_assign(fake, centres), pairs)
    return [row("NDB assignment, N = 10,000, k = 100, d = 1024", times, f"same cell {agree:.2%}")]


def memory_rows(big: bool) -> list[str]:
    out = ["", "| extra memory | MB | CPU s |", "|---|--:|--:|"]
    for name, text in (("density", "density, coverage: ours"), ("prdc", "all four: ours"), ("theirs", "prdc package")):
        mb, seconds = peak_mb(name, 10_000, 512)
        out.append(f"| {text}, N = 10,000, d = 512 | {mb:.0f} | {seconds:.1f} |")
    if big:
        mb, seconds = peak_mb("density", 100_000, 32)
        out.append(f"| density, coverage: ours, N = 100,000, d = 32 | {mb:.0f} | {seconds:.1f} |")
    return out


def row(what: str, times: tuple[float, float, float], equality: str) -> str:
    mine, peer, ratio = times
    return f"| {what} | {mine:.3f} | {peer:.3f} | {ratio:.1f}x | {equality} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--big", action="store_true", help="also N = 100,000")
    parser.add_argument("--memory-only", action="store_true")
    parser.add_argument("--packages", type=Path, help="folder with fadtk and frechet-audio-distance")
    parser.add_argument("--fad-only", action="store_true")
    parser.add_argument("-o", "--out", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)  # sqrtm's `disp`, which the packages pass
    torch.set_num_threads(1)
    lines = ["| what | ours, s | peer, s | ratio | equality |", "|---|--:|--:|--:|---|"]
    if not args.memory_only:
        lines += frechet_rows(args.pairs, args.packages)
    if not args.memory_only and not args.fad_only:
        lines += cell_rows(args.pairs) + neighbour_rows(args.pairs)
    if not args.fad_only:
        lines += memory_rows(args.big)
    print("\n".join(lines))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
