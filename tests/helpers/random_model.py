"""Model files with random weights: real audio comes out of them, though not music. The one builder, of benchmarks too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from loopwright.config import LOOP16, MelConfig
from loopwright.files import save_tensors
from loopwright.making.directions import Direction, directions_path, save_directions
from loopwright.models.config import GeneratorSizes
from loopwright.models.generator import Generator
from loopwright.models.modelfile import make_header, read_header
from loopwright.training.recipe import load_recipe


def random_model(
    path: Path,
    recipe: str = "tiny",
    mel: MelConfig = LOOP16,
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
        net = Generator.of(sizes)
        for name, parameter in net.named_parameters():
            if "noise_strength" in name or name.endswith("bias"):  # both begin at nothing
                parameter.add_(torch.randn(parameter.shape) * 0.2)
        labels = torch.arange(256) % len(styles) if styles else None
        net.w_avg.copy_(net.mapping(torch.randn(256, net.z_dim), labels).mean(dim=0))
    ones = np.ones(mel.n_mels)
    statistics = {"mean": list(-2 * ones), "std": list(0.6 * ones), "low": list(-5 * ones), "high": list(0 * ones)}
    facts = make_header(chosen.model_dump(mode="json"), mel, 1, statistics, {"kimg": 0.0}, styles)
    save_tensors(path, net.state_dict(), facts | (header or {}))
    return path


def random_directions(model: Path, names: tuple[str, ...] = ("brightness", "density"), seed: int = 0) -> None:
    """Write directions beside a model file, as if somebody had looked for them."""
    rng, w_dim = np.random.default_rng(seed), int(read_header(model)["recipe"]["generator"]["w_dim"])
    found = [Direction(name, tuple(rng.normal(0, 0.3, w_dim).tolist()), 0.2, {name: 0.5}) for name in names]
    save_directions(directions_path(model), found)
