"""Fixtures of the studio's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from studio_host import Running, make_model, start

from loopwright.vocoder.griffinlim import GriffinLim


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "toy.safetensors")


@pytest.fixture(autouse=True, scope="session")
def _quick_vocoder() -> Iterator[None]:
    """Griffin-Lim with a few iterations: tests of the studio do not judge its sound."""
    patch = pytest.MonkeyPatch()
    before = GriffinLim.__init__

    def quick(self: GriffinLim, *args: object, **kwargs: object) -> None:
        before(self, *args, **{**kwargs, "iterations": 2})  # type: ignore[arg-type]

    patch.setattr(GriffinLim, "__init__", quick)
    yield
    patch.undo()


@pytest.fixture
def studio(model_file: Path, tmp_path: Path) -> Iterator[Running]:
    running = start(model_file, tmp_path / "library")
    yield running
    running.stop()
