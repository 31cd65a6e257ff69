"""Named directions of W: one for each feature that can be measured, then the principal components of a model's styles.

A feature's own direction is along the styles' covariance with it, as measured on the log-mels of many loops. The principal ones
are as in GANSpace (arXiv:2004.02546). Of all it is measured what they do to every feature. Finding them needs torch, using them
does not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from loopwright.errors import InputError
from loopwright.files import write_json
from loopwright.making.model import Model

if TYPE_CHECKING:
    from torch import Tensor

FEATURES = ("density", "brightness", "swing", "kick")
COMPONENTS = 32  # a feature's direction is sought among so many principal components: the rest is mostly noise
MAX_MOVE = 6.0  # standard deviations: one style in 500 million lies as far out, so no generator was trained there


@dataclass(frozen=True)
class Direction:
    """One direction of W.

    Attributes:
        name: the feature that it is for, or `shape1`, `shape2`, ...: the principal components, largest first.
        vector: (W,), scaled so that 1 is one standard deviation of the styles along it.
        share: of the styles' variance.
        effect: change of each feature for +1, in standard deviations of that feature over random loops.
    """

    name: str
    vector: tuple[float, ...]
    share: float
    effect: dict[str, float]


def find_directions(model: Model, *, count: int = 8, samples: int = 2000, probes: int = 48, seed: int = 0) -> list[Direction]:
    """Directions of W with their measured effects. Deterministic in `seed`.

    Args:
        model: whose.
        count: principal directions. Before them stands one for each of FEATURES that the styles have a hold on.
        samples: styles that the principal directions are found in; the features are measured on a quarter of them.
        probes: loops that are moved along each direction to measure what it does.
        seed: the first of the seeds used.
    """
    import torch

    from loopwright.making.heard import measure

    styles = [model.styles_of(range(seed + i, seed + i + 100)) for i in range(0, samples, 100)]
    w = torch.from_numpy(np.concatenate(styles)).double()
    centred = w - w.mean(dim=0)
    _, singular, basis = torch.linalg.svd(centred, full_matrices=False)
    deviation = singular / (len(w) - 1) ** 0.5
    total = deviation.square().sum()

    def features(styles: Tensor) -> dict[str, Tensor]:
        at = range(0, len(styles), 16)
        seeds = [list(range(seed + i, seed + min(i + 16, len(styles)))) for i in at]
        parts = [model.log_mel(styles[i : i + 16].numpy(), some) for i, some in zip(at, seeds, strict=True)]
        return measure(torch.from_numpy(np.concatenate(parts)), model.mel)

    heard = max(samples // 4, probes)
    normal = features(w[:heard].float())
    scores = (centred[:heard] @ basis[:COMPONENTS].T) / deviation[:COMPONENTS].clamp_min(1e-12)
    vectors: dict[str, Tensor] = {}
    for name in FEATURES:
        value = normal[name].double()
        value = (value - value.mean()) / value.std().clamp_min(1e-12)
        hold = (scores * value[:, None]).mean(dim=0)  # correlations
        hold[hold.abs() < 2 / heard**0.5] = 0.0  # what chance gives as well
        if hold.any():
            vectors[name] = (hold / hold.norm() * deviation[:COMPONENTS]) @ basis[:COMPONENTS]
    for i in range(min(count, len(basis))):
        vectors[f"shape{i + 1}"] = basis[i] * deviation[i]
    start = w[:probes].float()
    found = []
    for name, vector in vectors.items():
        up, down = features(start + vector.float()), features(start - vector.float())
        effect = {k: float((up[k] - down[k]).mean() / (2 * normal[k].std().clamp_min(1e-9))) for k in FEATURES}
        found.append(Direction(name, tuple(vector.float().tolist()), float(vector.square().sum() / total), effect))
    return found


def directions_path(model_path: Path) -> Path:
    """Where a model's directions are kept: beside it."""
    return model_path.with_suffix(".directions.json")


def save_directions(path: Path, directions: list[Direction]) -> None:
    """Write directions as JSON."""
    rows = [asdict(d) | {"vector": [round(v, 6) for v in d.vector]} for d in directions]
    write_json(path, {"directions": rows})


def load_directions(path: Path) -> list[Direction]:
    """Read directions; [] if there is no such file."""
    if not path.exists():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["directions"]
        return [Direction(r["name"], tuple(r["vector"]), r["share"], r["effect"]) for r in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}). Make it again: loopwright directions MODEL") from error


def directions_of(model: Model) -> list[Direction]:
    """The directions kept beside the model's file, or found now."""
    return load_directions(directions_path(model.path)) or find_directions(model)


def pick(directions: Sequence[Direction], key: str) -> Direction:
    """A direction by name or number. Raises InputError listing those there are."""
    for i, direction in enumerate(directions):
        if key in (direction.name, str(i)):
            return direction
    names = ", ".join(f"{i} {d.name}" for i, d in enumerate(directions))
    raise InputError(f"no direction '{key}'. There are: {names}.")
