from __future__ import annotations

from pathlib import Path

import pytest
import torch

from loopwright.errors import InputError
from loopwright.files import atomic_path, load_tensors, save_tensors, sha256_of, write_json


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})

    def stop_half_way() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        stop_half_way()
    assert path.read_text() == '{\n  "x": 1\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_files_are_as_readable_as_others_that_this_user_makes(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    write_json(tmp_path / "ours", {"x": 1})
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_tensors_and_header_come_back(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_tensors(path, {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3, dtype=torch.int64)}, {"k": [1, "é"]})
    tensors, header = load_tensors(path)
    assert header == {"k": [1, "é"]}
    assert tensors["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert tensors["b"].item() == 3


@pytest.mark.parametrize("where", [-1, -20, 60])
def test_one_altered_byte_is_found(tmp_path: Path, where: int) -> None:
    path = tmp_path / "m.safetensors"
    save_tensors(path, {"a": torch.randn(40, generator=torch.Generator().manual_seed(0))}, {"k": 1})
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"m\.safetensors"):
        load_tensors(path)


def test_cut_foreign_and_absent_files(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_tensors(path, {"a": torch.zeros(100)}, {})
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_tensors(path)
    (tmp_path / "t").write_text("hello")
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_tensors(tmp_path / "t")
    with pytest.raises(InputError, match="no file"):
        load_tensors(tmp_path / "absent")


def test_sha256_is_the_published_one_of_the_empty_file(tmp_path: Path) -> None:
    (tmp_path / "e").touch()
    assert sha256_of(tmp_path / "e") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
