"""A checkpoint brings back everything, and refuses what it is not for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from loopwright.errors import ConfigError, InputError
from loopwright.files import load_tensors
from loopwright.training.checkpoint import Trainee, load_checkpoint, save_checkpoint

SETTINGS = {"lr": 0.1, "steps": 4, "model": {"sizes": (3, 2)}}
HEADER = {"kind": "test checkpoint", "settings": SETTINGS}


def trainee(seed: int = 0, size: int = 3) -> Trainee:
    """With BatchNorm's buffers, and a parameter that is first in its optimizer and never learns."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1, size, 2), nn.BatchNorm2d(size), nn.Conv2d(size, 1, 1))
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Trainee({"net": net}, {"adam": torch.optim.Adam([nn.Parameter(torch.zeros(2)), *net.parameters()], lr=0.1)})


def step(it: Trainee) -> None:
    x = torch.randn(4, 1, 5, 5, generator=torch.Generator().manual_seed(it.step))
    it.optimizers["adam"].zero_grad()
    it.modules["net"](x).square().mean().backward()
    it.optimizers["adam"].step()
    it.step += 1


def test_going_on_equals_never_having_stopped(tmp_path: Path) -> None:
    unbroken, other = trainee(), trainee(seed=1)
    for _ in range(3):
        step(unbroken)
    unbroken.seconds = 2.5
    save_checkpoint(tmp_path / "c", unbroken, HEADER)
    header = load_checkpoint(tmp_path / "c", other, kind="test checkpoint", settings=SETTINGS)
    assert (other.step, other.seconds, header["settings"]["lr"]) == (3, 2.5, 0.1)
    for it in (unbroken, other):
        step(it)
        save_checkpoint(tmp_path / f"{it is other}", it, HEADER)
    a, b = load_tensors(tmp_path / "False")[0], load_tensors(tmp_path / "True")[0]
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)
    moments = other.optimizers["adam"].state_dict()["state"][1]
    assert moments["exp_avg"].is_contiguous(memory_format=torch.channels_last)  # as its parameter


def test_what_it_is_not_for_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, trainee(), HEADER)
    with pytest.raises(InputError, match=r"c\.safetensors is not a GAN checkpoint"):
        load_checkpoint(path, trainee(), kind="GAN checkpoint")
    with pytest.raises(ConfigError, match=r"begun with other settings \(lr: 0.1 -> 0.2\)\. Use the same, or a new run folder"):
        load_checkpoint(path, trainee(), kind="test checkpoint", settings=SETTINGS | {"lr": 0.2})
    longer = SETTINGS | {"steps": 8}
    load_checkpoint(path, trainee(), kind="test checkpoint", settings=longer, may_change={"steps"})
    with pytest.raises(InputError, match="does not fit this run"):
        load_checkpoint(path, trainee(size=5), kind="test checkpoint")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="is not a whole safetensors file"):
        load_checkpoint(path, trainee(), kind="test checkpoint")
