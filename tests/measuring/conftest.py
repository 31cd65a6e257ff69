"""Two folders of loops, a prepared one, and a run that never trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from measuring_material import folder, loop
from random_model import random_model

from loopwright.audio.mel import LogMel
from loopwright.config import LOOP16
from loopwright.data.prepared import PreparedData
from loopwright.data.prepared_writer import PreparedWriter
from loopwright.files import write_json
from loopwright.models.modelfile import make_header
from loopwright.training.recipe import load_recipe


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("a") / "real", range(20))


@pytest.fixture(scope="session")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("b") / "fake", range(100, 110))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """30 training and 12 test rows of LOOP16."""
    log_mel = LogMel(LOOP16)
    writer = PreparedWriter(tmp_path_factory.mktemp("c") / "tiny", LOOP16, 1)
    for seed in range(42):
        x = loop(seed)
        split = "train" if seed < 30 else "test"
        with torch.no_grad():
            picture = log_mel(torch.from_numpy(x)).numpy()
        writer.add(picture, x, {"file": f"{seed}.wav", "bar": 0, "split": split, "source": f"s{seed // 2}"})
    return writer.finish()


@pytest.fixture(scope="session")
def run(prepared: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder whose model never trained."""
    path = tmp_path_factory.mktemp("d") / "00000-tiny"
    told = load_recipe("tiny").model_dump(mode="json")
    header = make_header(told, LOOP16, prepared.bars, prepared.stats.to_json(), {"kimg": 1.0, "seconds": 60.0})
    random_model(path / "checkpoints" / "best.safetensors", header=header)
    write_json(path / "config.json", {"recipe": header["recipe"], "data": str(prepared.path)})
    return path
