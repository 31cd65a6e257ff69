"""A real model file with random weights: real audio comes out of it, though not music."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from loopwright.config import LOOP16
from loopwright.files import save_tensors
from loopwright.training.gan_loop import MODEL_FORMAT, build_generator
from loopwright.training.recipe import load_recipe


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = load_recipe("tiny")
    torch.manual_seed(0)
    generator = build_generator(recipe, n_mels=64, frames=256)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if "noise_strength" in name:
                parameter.normal_(0, 0.3)
        generator.w_avg.copy_(generator.mapping(torch.randn(256, generator.z_dim)).mean(dim=0))
    ones = np.ones(64)
    statistics = {"mean": list(-2 * ones), "std": list(0.6 * ones), "low": list(-5 * ones), "high": list(0 * ones)}
    header = {
        "kind": "generator",
        "format": MODEL_FORMAT,
        "recipe": recipe.model_dump(mode="json"),
        "mel": LOOP16.model_dump(),
        "bars": 1,
        "statistics": statistics,
        "training": {"kimg": 0.0},
    }
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    save_tensors(path, generator.state_dict(), header)
    return path
