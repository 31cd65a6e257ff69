"""Named directions of W: one for each feature that can be measured, then the principal components of a model's styles.

A feature's own direction is along the styles' covariance with it, as measured on the log-mels of many loops. The principal ones
are as in GANSpace (arXiv:2004.02546). Of all it is measured what they do to every feature.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loopwright.audio.melscale import slaney_hz_to_mel
from loopwright.audio.onsets import spectral_flux
from loopwright.config import MelConfig
from loopwright.errors import InputError
from loopwright.files import write_json
from loopwright.making.torch_model import Model

FEATURES = ("density", "brightness", "swing", "kick")


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


def band_of(mel: MelConfig, hz: float) -> int:
    """Index of the mel band nearest to a frequency."""
    low, high = slaney_hz_to_mel(np.array([mel.fmin_hz, mel.fmax_hz]))
    position = (slaney_hz_to_mel(np.array([hz]))[0] - low) / (high - low) * (mel.n_mels + 1) - 1
    return int(np.clip(round(float(position)), 0, mel.n_mels - 1))


def level_db(magnitude: Tensor) -> Tensor:
    """Level of each sample in dB. (B, M, T) -> (B,)."""
    return 10 * magnitude.square().mean(dim=(1, 2)).clamp_min(1e-10).log10()


def measure(log_mel: Tensor, mel: MelConfig) -> dict[str, Tensor]:
    """Features of loops (B, M, T), each (B,).

    density: onset strength, mean spectral flux. brightness: level above 4 kHz less level below 500 Hz, in dB.
    swing: onset strength just behind the off-beat sixteenths less that on them. kick: level below 120 Hz, in dB.
    """
    flux = spectral_flux(log_mel)
    magnitude = 10.0**log_mel
    low, high, kick = band_of(mel, 500), band_of(mel, 4000), max(1, band_of(mel, 120))
    frames = mel.bar_frames // 16
    steps = flux.reshape(len(flux), -1, frames)  # (B, sixteenths, frames each)
    late = frames // 3
    off = steps[:, 1::2]
    return {
        "density": flux.mean(dim=1),
        "brightness": level_db(magnitude[:, high:]) - level_db(magnitude[:, :low]),
        "swing": off[..., 2 : 2 + late].mean(dim=(1, 2)) - off[..., :2].mean(dim=(1, 2)),
        "kick": level_db(magnitude[:, :kick]),
    }


COMPONENTS = 32  # a feature's direction is sought among so many principal components: the rest is mostly noise


@torch.no_grad()
def find_directions(model: Model, *, count: int = 8, samples: int = 2000, probes: int = 48, seed: int = 0) -> list[Direction]:
    """Directions of W with their measured effects. Deterministic in `seed`.

    Args:
        model: whose.
        count: principal directions. Before them stands one for each of FEATURES that the styles have a hold on.
        samples: styles that the principal directions are found in; the features are measured on a quarter of them.
        probes: loops that are moved along each direction to measure what it does.
        seed: the first of the seeds used.
    """
    w = torch.cat([model.styles_of(range(seed + i, seed + i + 100)) for i in range(0, samples, 100)]).double()
    centred = w - w.mean(dim=0)
    _, singular, basis = torch.linalg.svd(centred, full_matrices=False)
    deviation = singular / (len(w) - 1) ** 0.5
    total = deviation.square().sum()

    def features(styles: Tensor) -> dict[str, Tensor]:
        at = range(0, len(styles), 16)
        seeds = [list(range(seed + i, seed + min(i + 16, len(styles)))) for i in at]
        parts = [model.log_mel(styles[i : i + 16], some) for i, some in zip(at, seeds, strict=True)]
        return measure(torch.cat(parts), model.mel)

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


def pick(directions: list[Direction], key: str) -> Direction:
    """A direction by name or number. Raises InputError listing those there are."""
    for i, direction in enumerate(directions):
        if key in (direction.name, str(i)):
            return direction
    names = ", ".join(f"{i} {d.name}" for i, d in enumerate(directions))
    raise InputError(f"no direction '{key}'. There are: {names}.")
