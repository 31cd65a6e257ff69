"""Shared fixtures. Material beside the project (`../shared`) is used where it is; elsewhere its tests skip with a reason.

Weights are looked for in the folders of `LOOPWRIGHT_WEIGHTS`, as the program itself does, and then beside the project.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

REPO = Path(__file__).resolve().parents[1]
SHARED = REPO.parent / "shared"

torch.set_num_threads(1)  # small tensors: threads cost more than they give, and tests share the cores


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    if not SHARED.is_dir():
        pytest.skip("needs the source material beside the project (../shared), which is not on this machine")
    return SHARED


@pytest.fixture(scope="session")
def weights_dir() -> Path:
    """The folder with the published networks' weights."""
    named = [Path(part) for part in os.environ.get("LOOPWRIGHT_WEIGHTS", "").split(os.pathsep) if part]
    for folder in [*named, SHARED / "weights"]:
        if (folder / "yamnet.safetensors").is_file():
            return folder
    pytest.skip("needs the weights of YAMNet and its like: set LOOPWRIGHT_WEIGHTS to their folder (loopwright features fetch)")
