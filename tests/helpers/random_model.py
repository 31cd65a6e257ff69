"""A real model file with random weights: real audio comes out of it, though not music. For tests and benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from loopwright.config import LOOP16, MelConfig
from loopwright.files import save_tensors
from loopwright.models.config import GeneratorSizes
from loopwright.models.generator import Generator
from loopwright.models.modelfile import make_header
from loopwright.training.recipe import load_recipe


def write_random_model(
    path: Path,
    recipe: str = "tiny",
    mel: MelConfig = LOOP16,
    *,
    styles: tuple[str, ...] = (),
    seed: int = 0,
    biases: bool = False,
    **form: object,
) -> Path:
    """Write a model of a recipe's sizes; `form` holds other settings of its generator, `biases` draws its biases, too."""
    chosen = load_recipe(recipe, {"generator": form})
    sizes = GeneratorSizes(config=chosen.generator, n_mels=mel.n_mels, frames=mel.model_frames, classes=len(styles))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        generator = Generator.of(sizes)
        for name, parameter in generator.named_parameters():
            if "noise_strength" in name:
                parameter.normal_(0, 0.3)
            elif biases and name.endswith("bias"):
                parameter.add_(torch.randn(parameter.shape) * 0.2)
        if styles:
            generator.w_avg.normal_()
        else:
            generator.w_avg.copy_(generator.mapping(torch.randn(256, generator.z_dim)).mean(dim=0))
    ones = np.ones(mel.n_mels)
    statistics = {"mean": list(-2 * ones), "std": list(0.6 * ones), "low": list(-5 * ones), "high": list(0 * ones)}
    header = make_header(chosen.model_dump(mode="json"), mel, 1, statistics, {"kimg": 1.5}, styles)
    save_tensors(path, generator.state_dict(), header)
    return path
