"""Directions: found by what they do, kept beside the model, chosen by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from loopwright.errors import InputError
from loopwright.making.directions import FEATURES, find_directions, load_directions, pick, save_directions
from loopwright.making.heard import measure
from loopwright.making.torch_model import TorchModel


@pytest.fixture(scope="module")
def model(model_file: Path) -> TorchModel:
    return TorchModel.load(str(model_file))


def test_directions_are_principal_and_their_effect_is_what_is_measured(model: TorchModel, tmp_path: Path) -> None:
    found = find_directions(model, count=3, samples=300, probes=16)
    shapes = [d for d in found if d.name.startswith("shape")]
    assert [d.name for d in shapes] == ["shape1", "shape2", "shape3"] == [d.name for d in found[-3:]]
    vectors = torch.nn.functional.normalize(torch.tensor([d.vector for d in shapes]))
    torch.testing.assert_close(vectors @ vectors.T, torch.eye(3), atol=1e-4, rtol=0)
    assert shapes[0].share >= shapes[1].share >= shapes[2].share
    w = model.styles_of(range(75))
    move = np.array(found[0].vector, dtype=np.float32)
    mels = [torch.from_numpy(model.log_mel(x, range(len(x)))) for x in (w[:16] + move, w[:16] - move, w)]
    up, down, normal = (measure(log_mel, model.mel)["density"] for log_mel in mels)
    assert found[0].effect["density"] == pytest.approx(float((up - down).mean() / 2 / normal.std()), abs=1e-3)
    assert len(found) > 3
    for direction in found[:-3]:  # a feature's own direction moves it upwards
        assert direction.name in FEATURES
        assert direction.effect[direction.name] > 0
    save_directions(tmp_path / "d.json", found)
    assert [d.name for d in load_directions(tmp_path / "d.json")] == [d.name for d in found]
    assert pick(found, "1") is found[1]
    with pytest.raises(InputError, match=r"no direction .louder.\. There are: 0 "):
        pick(found, "louder")
    (tmp_path / "d.json").write_text("{")
    with pytest.raises(InputError, match=r"d\.json is damaged"):
        load_directions(tmp_path / "d.json")
