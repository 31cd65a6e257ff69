"""A model for the tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest

from random_model import write_random_model


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_model(tmp_path_factory.mktemp("model") / "random.safetensors")
