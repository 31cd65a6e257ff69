"""Shared fixtures. Material beside the project (`../shared`) is used where it is; elsewhere its tests skip with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

REPO = Path(__file__).resolve().parents[1]
SHARED = REPO.parent / "shared"

torch.set_num_threads(1)  # small tensors: threads cost more than they give, and tests share the cores


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    if not SHARED.is_dir():
        pytest.skip("needs the material beside the project (../shared), which is not on this machine")
    return SHARED


@pytest.fixture(scope="session")
def weights_dir(shared_dir: Path) -> Path:
    return shared_dir / "weights"
