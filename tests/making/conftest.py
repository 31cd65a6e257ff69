"""Model files for the tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest
from random_model import random_model

from loopwright.config import LOOP48, TONE48


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small; no graph comes with the package, so torch makes its loops."""
    return random_model(tmp_path_factory.mktemp("model") / "random.safetensors")


@pytest.fixture(scope="session")
def loop48_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the bundled models' sizes: both engines make its loops."""
    return random_model(tmp_path_factory.mktemp("m48") / "random.safetensors", "house", LOOP48)


@pytest.fixture(scope="session", params=[True, False], ids=["given", "written"])
def notes_file(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A small pitch-grid model: its scores are given, or its own."""
    folder = tmp_path_factory.mktemp("notes")
    return random_model(folder / "keys.safetensors", "house-tonal", TONE48, channels=(24, 24, 24, 16, 16), given=request.param)


@pytest.fixture(scope="session", params=[True, False], ids=["given", "made"])
def drums_file(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A pattern-kit model: its patterns are given, or its own."""
    return random_model(tmp_path_factory.mktemp("drums") / "beats.safetensors", "house-drums", LOOP48, given=request.param)
