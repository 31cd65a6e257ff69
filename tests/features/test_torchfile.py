"""Files of torch.save from others: tensors are read, programs are refused, damage is told."""

from __future__ import annotations

import argparse
import io
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from loopwright.errors import WeightsError
from loopwright.features import torchfile
from loopwright.features.torchfile import read_torch_file

CONTAINERS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def state() -> OrderedDict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(6, 4, generator=generator)
    tensors: OrderedDict[str, Tensor] = OrderedDict()
    tensors["plain"] = base
    tensors["transposed"] = base.T  # a view: strides, the same storage
    tensors["slice"] = base[2:, 1:3]  # offset
    tensors["parameter"] = nn.Parameter(torch.randn(3, generator=generator))
    tensors["half"] = torch.randn(5, generator=generator).half()
    tensors["counter"] = torch.tensor(7)
    tensors["empty"] = torch.zeros(0, 3)
    return tensors


@CONTAINERS
def test_tensors_are_read_without_python_s_unpickler(tmp_path: Path, zipped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.pth"
    torch.save(state(), path, _use_new_zipfile_serialization=zipped)

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("something was unpickled")

    for name in ("load", "loads", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, never)
    got = read_torch_file(path)
    assert set(got) == set(state())
    for key, value in state().items():
        assert got[key].dtype == value.dtype
        assert torch.equal(got[key], value), key
    assert got["slice"].untyped_storage().nbytes() == 4 * 4 * 2  # not a window on the whole


def test_module_state_dicts_and_nested_ones_are_read(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))  # its state dict carries _metadata
    torch.save({"model": module.state_dict(), "epoch": 3}, tmp_path / "run.pt")
    got = read_torch_file(tmp_path / "run.pt")
    assert torch.equal(got["model.0.weight"], module.state_dict()["0.weight"])
    assert "epoch" not in got


@CONTAINERS
def test_of_a_lightning_checkpoint_the_weights_are_read(tmp_path: Path, zipped: bool) -> None:
    module = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    checkpoint: dict[str, object] = {
        "epoch": 5,
        "pytorch-lightning_version": "1.9.0",
        "state_dict": module.state_dict(),
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {"ModelCheckpoint{'monitor': 'loss'}": {"best_model_score": torch.tensor(0.1)}},
        "optimizer_states": [optimizer.state_dict()],
        "hyper_parameters": {"lr": 1e-3},
    }
    torch.save(checkpoint, tmp_path / "run.ckpt", _use_new_zipfile_serialization=zipped)
    got = read_torch_file(tmp_path / "run.ckpt")
    assert set(got) == {"weight", "bias"}
    assert torch.equal(got["weight"], module.weight)
    checkpoint["hyper_parameters"] = argparse.Namespace(lr=1e-3)
    torch.save(checkpoint, tmp_path / "run.ckpt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"asks for argparse\.Namespace"):
        read_torch_file(tmp_path / "run.ckpt")


class Bomb:
    """Unpickling this makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


@CONTAINERS
def test_a_pickle_with_code_is_refused_without_running_it(tmp_path: Path, zipped: bool) -> None:
    target = tmp_path / "ran"
    torch.save({"w": torch.zeros(2), "x": Bomb(target)}, tmp_path / "bad.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"refused, and nothing in it was run.*mkdir") as error:
        read_torch_file(tmp_path / "bad.pth")
    assert not target.exists()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "program",
    [
        b"cos\nsystem\n(S'true'\ntR.",  # GLOBAL + REDUCE
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",  # STACK_GLOBAL
        b"(S'true'\nios\nsystem\n.",  # INST
        b"ccollections\nOrderedDict\n(S'a'\ntR.",  # a harmless name with odd arguments
        b"ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"\x80\x02}(U\x01ac__builtin__\neval\nu.",
        b"\x80\x02(lp0\nP1\n.",  # PERSID
        b"\x80\x02K\x07.",  # a number
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_odd_programs_are_refused(tmp_path: Path, program: bytes, whole: bool) -> None:
    path = tmp_path / "odd.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        if whole:
            archive.writestr("archive/version", "3\n")
            archive.writestr("archive/byteorder", "little")
    with pytest.raises(WeightsError) as error:
        read_torch_file(path)
    assert "\n" not in str(error.value)


def test_a_tensor_that_reaches_past_its_storage_is_refused(tmp_path: Path) -> None:
    """The file says 6 x 4 numbers; its storage has fewer."""
    whole, cut = tmp_path / "whole.pth", tmp_path / "cut.pth"
    torch.save({"w": torch.randn(6, 4)}, whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(cut, "w") as new:
        for item in old.namelist():
            data = old.read(item)
            new.writestr(item, data[:40] if item.endswith("data/0") else data)
    with pytest.raises(WeightsError, match="not a whole file"):
        read_torch_file(cut)


@CONTAINERS
def test_truncated_files_are_told(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "cut.pth"
    buffer = io.BytesIO()
    torch.save(state(), buffer, _use_new_zipfile_serialization=zipped)
    data = buffer.getvalue()
    for share in (0.3, 0.9):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(WeightsError, match=r"not a whole file of torch\.save.*Get it again"):
            read_torch_file(path)
    path.write_text("hello")
    with pytest.raises(WeightsError, match="not a whole file"):
        read_torch_file(path)


def test_a_torch_with_the_known_hole_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(state(), tmp_path / "weights.pth")
    monkeypatch.setattr(torchfile.torch, "__version__", "2.9.1+cu128")
    monkeypatch.setattr(torchfile.torch, "load", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(WeightsError, match=r"pip install 'torch>=2\.10'"):
        read_torch_file(tmp_path / "weights.pth")
