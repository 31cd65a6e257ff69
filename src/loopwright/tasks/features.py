"""What a user does with feature networks: list, fetch, import, verify, compare."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from loopwright.arrays import Bool, Float64, Int64
from loopwright.data import PreparedData
from loopwright.errors import ConfigError, InputError, LoopwrightError, WeightsError
from loopwright.features import NETWORKS, build
from loopwright.features.checks import Result, verify
from loopwright.features.fetch import Progress, download
from loopwright.features.importing import import_weights
from loopwright.features.weights import cache_folder, find_weights
from loopwright.files import atomic_path, sha256_of, write_json

RIDGE = 0.1  # of the probes: share of the mean eigenvalue added to the diagonal


@dataclass(frozen=True)
class Listed:
    """One line of `features list`. `path` is None where no file is found; `known`: whether its checksum is the known one."""

    name: str
    about: str
    licence: str
    origin: str
    path: Path | None
    size: int
    known: bool | None


def list_networks(weights: Path | None = None, *, checksums: bool = False) -> list[Listed]:
    """All networks: where each is found. `checksums` also reads the files."""
    out = []
    for name, row in NETWORKS.items():
        try:
            path: Path | None = find_weights(name, row.files, weights)
        except WeightsError:
            path = None
        known = sha256_of(path) == row.sha256 if checksums and path and row.sha256 else None
        size = path.stat().st_size if path else row.size
        out.append(Listed(name, row.about, row.licence, row.origin, path, size, known))
    return out


def fetch(name: str, folder: Path | None = None, *, progress: Progress | None = None, **how: Any) -> Path:
    """Download a network from its publisher and write it to `folder` (the user cache) as safetensors.

    Raises ConfigError for an unknown name, WeightsError if there is no address, or it does not give the file.
    """
    if name not in NETWORKS:
        raise ConfigError(f"no feature network '{name}'. Known: {', '.join(NETWORKS)}.")
    row = NETWORKS[name]
    folder = cache_folder() if folder is None else Path(folder)
    if row.bundled:
        raise WeightsError(f"{name} comes with loopwright; train your own with `{row.origin}`.")
    if not row.url:
        raise WeightsError(f"{name} has no public address. If you have its file: loopwright features import FILE --name {name}")
    original = folder / "originals" / row.url.rsplit("/", 1)[-1]
    original = original.with_name(f"{name}-{original.name}")
    download(row.url, original, sha256=row.url_sha256, progress=progress, **how)
    _, path = import_weights(original, folder, name)
    original.unlink()
    return path


def import_file(path: Path, name: str | None = None, folder: Path | None = None) -> tuple[str, Path]:
    """Recognise a published weight file and write it to `folder` (the user cache) as safetensors."""
    if name is not None and name not in NETWORKS:
        raise ConfigError(f"no feature network '{name}'. Known: {', '.join(NETWORKS)}.")
    return import_weights(path, cache_folder() if folder is None else folder, name)


def verify_all(names: list[str], weights: Path | None = None) -> Iterator[tuple[str, list[Result] | LoopwrightError]]:
    """Check values of the networks named, or of all that are found; errors are given, not raised, so that all are seen."""
    wanted = names or [listed.name for listed in list_networks(weights) if listed.path is not None]
    if not wanted:
        raise WeightsError("no weight files were found. `loopwright features list` says where they are looked for.")
    for name in wanted:
        if name not in NETWORKS:
            raise ConfigError(f"no feature network '{name}'. Known: {', '.join(NETWORKS)}.")
        try:
            yield name, verify(name, weights=weights)
        except LoopwrightError as error:
            yield name, error


@dataclass(frozen=True)
class Compared:
    """One network on one corpus. Shares in [0, 1]; NaN where it was not asked."""

    name: str
    label_accuracy: float  # linear probe on the label, held-out rows
    label_chance: float  # always the commonest class
    real_fake_accuracy: float  # linear probe real against generated, held-out rows: 0.5 is indistinguishable
    dead_channels: tuple[float, ...]  # per tap: share of channels that are 0 on every real bar
    forward_ms: float  # per bar, process CPU time
    forward_backward_ms: float


def compare(
    data: Path,
    *,
    names: list[str] | None = None,
    generated: Path | None = None,
    label: str = "style",
    count: int = 400,
    weights: Path | None = None,
    seed: int = 0,
    report: Callable[[Compared], None] | None = None,
) -> list[Compared]:
    """Measure feature networks on prepared `data`: what they know of the label, and how they tell real from `generated`.

    The probe is a ridge classifier on the mean and the maximum of every channel of every tap. Trained on one half of the
    rows and asked about the other, halves split by source. A network in whose features real and generated bars are easily
    told apart gives a discriminator much to teach (the criterion of vision-aided GANs, arXiv:2112.09130).

    Raises InputError if there are too few rows; ConfigError, WeightsError for the networks asked for.
    """
    prepared = PreparedData.open(data)
    other = PreparedData.open(generated) if generated is not None else None
    rng = np.random.default_rng(seed)
    rows = _draw(prepared, count, rng, data)
    fakes = None if other is None else _draw(other, count, rng, Path(str(generated)))
    if other is not None and other.mel != prepared.mel:
        raise InputError(f"{generated} has mel settings '{other.mel.name}', {data} '{prepared.mel.name}'. Prepare both alike.")
    found = [listed.name for listed in list_networks(weights) if listed.path is not None]
    wanted = names or [*found, "random:yamnet"]
    out = []
    labels = np.asarray([str(value or "") for value in prepared.column(label, rows)])
    sources = [str(value) for value in prepared.column("source", rows)]
    for name in wanted:
        try:
            net = build(name, prepared.mel, weights=weights, circular=prepared.mel.circular)
        except ConfigError:
            if names:
                raise
            continue  # a judge without taps
        pooled, dead, forward_ms = _pool(net, prepared, rows)
        known = labels != ""
        train = _half(sources, seed)
        accuracy, chance = float("nan"), float("nan")
        if len(set(labels[known & train])) > 1 and (known & ~train).any():
            accuracy = _probe(pooled[known], labels[known], train[known])
            values, counts = np.unique(labels[known & train], return_counts=True)
            chance = float((labels[known & ~train] == values[counts.argmax()]).mean())
        real_fake = float("nan")
        if other is not None and fakes is not None:
            pooled_fake, _, _ = _pool(net, other, fakes)
            both = np.concatenate([pooled, pooled_fake])
            which = np.asarray(["real"] * len(pooled) + ["fake"] * len(pooled_fake))
            fake_train = np.arange(len(pooled_fake)) % 2 == 0
            real_fake = _probe(both, which, np.concatenate([train, fake_train]))
        backward_ms = _backward_ms(net, torch.from_numpy(prepared.log_mel(rows[:8])))
        row = Compared(name, accuracy, chance, real_fake, dead, forward_ms, backward_ms)
        out.append(row)
        if report is not None:
            report(row)
    return out


def write_comparison(out: Path, compared: list[Compared]) -> list[Path]:
    """Write `compare.json`, `compare.md` and `compare.png` to the folder `out`."""
    out = Path(out)
    write_json(out / "compare.json", [row.__dict__ for row in compared])
    lines = [
        "| network | label probe | commonest class | real / generated probe | dead channels by tap | ms | with backward |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.name} | {r.label_accuracy:.3f} | {r.label_chance:.3f} | {r.real_fake_accuracy:.3f} "
        f"| {' '.join(f'{100 * d:.0f}%' for d in r.dead_channels)} | {r.forward_ms:.1f} | {r.forward_backward_ms:.1f} |"
        for r in compared
    ]
    with atomic_path(out / "compare.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    _picture(out / "compare.png", compared)
    return [out / f"compare.{kind}" for kind in ("md", "json", "png")]


def _draw(prepared: PreparedData, count: int, rng: np.random.Generator, path: Path) -> Int64:
    rows = np.arange(len(prepared), dtype=np.int64)
    if len(rows) < 8:
        raise InputError(f"{path} has {len(rows)} bars; a comparison needs 8 or more.")
    return np.sort(rng.permutation(rows)[:count])


def _half(sources: list[str], seed: int) -> Bool:
    """Rows of a random half of the sources; of every other row if there is but one source."""
    unique = sorted(set(sources))
    if len(unique) < 2:
        return np.arange(len(sources)) % 2 == 0
    picked = set(np.random.default_rng(seed).permutation(unique)[: len(unique) // 2])
    return np.asarray([source in picked for source in sources])


@torch.no_grad()
def _pool(net: Any, prepared: PreparedData, rows: Int64) -> tuple[Float64, tuple[float, ...], float]:
    """Mean and maximum of every channel (n, D); share of dead channels per tap; CPU milliseconds a bar."""
    parts: list[Tensor] = []
    alive: list[Tensor] = []
    began = 0.0
    spent = 0.0
    for i in range(0, len(rows), 16):
        log_mel = torch.from_numpy(prepared.log_mel(rows[i : i + 16]))
        began = time.process_time()
        maps = net(log_mel)
        spent += time.process_time() - began
        parts.append(torch.cat([torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1) for x in maps], dim=1))
        now = [(x != 0).any(dim=3).any(dim=2).any(dim=0) for x in maps]
        alive = [a | b for a, b in zip(alive, now, strict=True)] if alive else now
    dead = tuple(float(1 - a.float().mean()) for a in alive)
    return torch.cat(parts).double().numpy(), dead, 1000 * spent / len(rows)


def _probe(features: Float64, labels: npt.NDArray[Any], train: Bool) -> float:
    """Held-out accuracy of a ridge classifier (one against all), features standardised on the training rows."""
    mean, std = features[train].mean(axis=0), features[train].std(axis=0) + 1e-9
    x = np.nan_to_num((features - mean) / std)
    classes, codes = np.unique(labels, return_inverse=True)
    targets = np.eye(len(classes))[codes]
    a = x[train]
    offset = targets[train].mean(axis=0)
    gram = a @ a.T  # the dual: fewer rows than features
    gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    scores = x[~train] @ (a.T @ np.linalg.solve(gram, targets[train] - offset)) + offset
    return float((scores.argmax(axis=1) == codes[~train]).mean())


def _backward_ms(net: Any, log_mel: Tensor) -> float:
    log_mel = log_mel.requires_grad_(True)
    spent = 0.0
    for _ in range(2):  # the first one warms up
        began = time.process_time()
        maps = net(log_mel)
        torch.autograd.grad(maps, log_mel, [torch.ones_like(x) for x in maps])
        spent = time.process_time() - began
    return 1000 * spent / len(log_mel)


def _picture(path: Path, compared: list[Compared]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    names = [row.name for row in compared]
    y = np.arange(len(names))
    figure, axes = plt.subplots(1, 3, figsize=(12, 1.4 + 0.45 * len(names)), sharey=True, layout="constrained")
    axes[0].barh(y, [row.label_accuracy for row in compared], color="tab:blue")
    axes[0].plot([row.label_chance for row in compared], y, "k|", markersize=14)
    axes[0].set_title("label probe (mark: commonest class)", fontsize=10)
    axes[1].barh(y, [row.real_fake_accuracy for row in compared], color="tab:orange")
    axes[1].set_title("real against generated", fontsize=10)
    axes[2].barh(y, [row.forward_backward_ms for row in compared], color="tab:grey")
    axes[2].set_title("ms a bar, forward and backward", fontsize=10)
    for axis in axes[:2]:
        axis.set_xlim(0, 1)
    axes[0].set_yticks(y, names)
    axes[0].invert_yaxis()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
    plt.close(figure)
