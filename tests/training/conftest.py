"""Data and networks for the training loop, see cheap.py."""

from __future__ import annotations

import cheap
import pytest

from loopwright.config import LOOP48, TONE48
from loopwright.data import PreparedData
from loopwright.training import gan_build, tick


@pytest.fixture(scope="session")
def hits(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """40 labelled bars, 20 of them held out."""
    return cheap.write_data(tmp_path_factory.mktemp("hits") / "prepared")


@pytest.fixture(scope="session")
def drums48(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """The same for the generator that plays a kit."""
    return cheap.write_data(tmp_path_factory.mktemp("drums48") / "prepared", representation=LOOP48)


@pytest.fixture(scope="session")
def notes48(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """The same for the generator that draws notes."""
    return cheap.write_data(tmp_path_factory.mktemp("notes48") / "prepared", representation=TONE48)


@pytest.fixture
def cheap_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gan_build, "build_features", cheap.build)
    monkeypatch.setattr(tick, "build_embedder", lambda name, mel: cheap.CheapEmbedder())
