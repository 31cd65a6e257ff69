"""Model files with random weights: real audio comes out of them, though not music. The one builder, of benchmarks too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from loopwright.audio.drum_events import Hit, wrapped
from loopwright.audio.keys import Key
from loopwright.audio.note_events import Note
from loopwright.config import LOOP16, Representation
from loopwright.files import save_tensors
from loopwright.making.bank import FIELD, Bank
from loopwright.making.clip import Clip
from loopwright.making.directions import Direction, directions_path, save_directions
from loopwright.models.build import build_generator
from loopwright.models.config import GeneratorSizes
from loopwright.models.modelfile import make_header, read_header
from loopwright.training.recipe import load_recipe


def random_model(
    path: Path,
    recipe: str = "tiny",
    mel: Representation = LOOP16,
    *,
    seed: int = 0,
    styles: tuple[str, ...] = (),
    header: dict[str, Any] | None = None,
    **generator: object,
) -> Path:
    """Write a model file of a recipe's sizes.

    Args:
        path: where to.
        recipe: its name.
        mel: what the model speaks.
        seed: of the weights.
        styles: classes of a conditional model.
        header: fields instead of those that a fresh model has.
        generator: settings of the recipe's generator instead of its own.
    """
    chosen = load_recipe(recipe, {"generator": generator})
    sizes = GeneratorSizes(config=chosen.generator, bands=mel.bands, frames=mel.model_frames, classes=len(styles))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        statistics = {"mean": -2.0, "std": 0.6, "low": -5.0, "high": 0.0}
        bands = {name: [value] * mel.bands for name, value in statistics.items()}
        net = build_generator(sizes, torch.tensor(bands["mean"]), torch.tensor(bands["std"]))
        for name, parameter in net.named_parameters():
            if "noise_strength" in name or name.endswith("bias"):  # both begin at nothing
                parameter.add_(torch.randn(parameter.shape) * 0.2)
        labels = torch.arange(256) % len(styles) if styles else None
        net.w_avg.copy_(net.mapping(torch.randn(256, net.z_dim), labels).mean(dim=0))
    facts = make_header(chosen.model_dump(mode="json"), mel, 1, bands, {"kimg": 0.0}, styles)
    if sizes.config.given:
        facts |= {FIELD: random_bank(sizes.config.kind, seed=seed).to_json()}
    save_tensors(path, net.state_dict(), facts | (header or {}))
    return path


def random_bank(kind: str, *, count: int = 12, seed: int = 0) -> Bank:
    """Clips of a bar: notes of a key on sixteenths, or a kick, a snare and closed hats with a few others."""
    rng = np.random.default_rng(seed)
    clips = []
    for _ in range(count):
        if kind == "pitch-grid":
            key = Key(int(rng.integers(12)), bool(rng.integers(2)))
            pitches = 36 + key.scale + rng.choice([0, 2, 4, 5, 7, 9, 11], 6) + 12 * rng.integers(0, 3, 6)
            starts = np.sort(rng.choice(16, 6, replace=False)) / 16
            notes = [Note(int(p), float(s), 0.1, float(rng.uniform(0.4, 1))) for p, s in zip(pitches, starts, strict=True)]
            clips.append(Clip(tuple(notes), 1, key))
        else:
            hats = [Hit("hat_closed", float(i / 8 + rng.normal(0, 0.003)) % 1, float(rng.uniform(0.3, 1))) for i in range(8)]
            rest = [Hit("kick", 0.0, 1.0), Hit("snare", 0.25, 0.9), Hit("kick", 0.5, 0.8), Hit("snare", 0.75, 0.5)]
            more = Hit(str(rng.choice(["crash", "tom_low", "rim"])), float(rng.integers(16)) / 16, 0.7)
            clips.append(Clip(tuple(wrapped([*hats, *rest, more], 1)), 1))
    return Bank(tuple(clips), ("CC0-1.0",))


def random_directions(model: Path, names: tuple[str, ...] = ("brightness", "density"), seed: int = 0) -> None:
    """Write directions beside a model file, as if somebody had looked for them."""
    rng, w_dim = np.random.default_rng(seed), int(read_header(model)["recipe"]["generator"]["w_dim"])
    found = [Direction(name, tuple(rng.normal(0, 0.3, w_dim).tolist()), 0.2, {name: 0.5}) for name in names]
    save_directions(directions_path(model), found)
