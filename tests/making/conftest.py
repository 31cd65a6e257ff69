"""Model files for the tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest
from random_model import random_model

from loopwright.config import LOOP48


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small; no graph comes with the package, so torch makes its loops."""
    return random_model(tmp_path_factory.mktemp("model") / "random.safetensors")


@pytest.fixture(scope="session")
def loop48_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the bundled models' sizes: both engines make its loops."""
    return random_model(tmp_path_factory.mktemp("m48") / "random.safetensors", "house", LOOP48)
