"""The walk-through of docs/features.md is run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from loopwright.config import LOOP16
from loopwright.features import registry
from loopwright.features.base import Network, Tap
from loopwright.features.convolution import same_conv
from loopwright.features.frontends import audioset_mel

DOCS = Path(__file__).resolve().parents[2] / "docs" / "features.md"


def test_adding_a_network_is_one_class_and_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"```python\n# src/loopwright/features/beats.py\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert code
    names: dict[str, object] = {
        "Network": Network, "Tap": Tap, "same_conv": same_conv, "audioset_mel": audioset_mel, "torch": torch,
        "__name__": "beats",
    }  # fmt: skip
    exec(code.group(1), names)
    beats = names["Beats"]
    assert isinstance(beats, type)
    row = registry.Row(module="beats:Beats", files=("beats.safetensors",), about="", licence="", origin="")
    monkeypatch.setitem(registry.NETWORKS, "beats", row)
    monkeypatch.setattr(registry, "network_class", lambda name: beats)
    net = registry.build("random:beats", LOOP16)
    log_mel = torch.rand(2, 64, 256, generator=torch.Generator().manual_seed(0)) * 4 - 4
    maps, rolled = net(log_mel), net(log_mel.roll(64, dims=2))
    assert [tuple(x.shape) for x in maps] == [(2, 32, 32, 96), (2, 64, 16, 48)]
    torch.testing.assert_close(maps[1].roll(12, dims=3), rolled[1], rtol=1e-4, atol=1e-4)
    judge = registry.load_judge("random:beats")
    assert judge.embed(torch.zeros(1, 16_000)).shape == (1, 64)
