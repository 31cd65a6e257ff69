"""Finding files: order, links, names of any bytes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from loopwright.data.scan import find_audio
from loopwright.errors import InputError


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def test_order_suffixes_and_hidden_files(tmp_path: Path) -> None:
    for name in (
        "b.WAV",
        "a.flac",
        "sub/c.mp3",
        "sub/a.aiff",
        "notes.txt",
        "._b.wav",
        ".git/x.wav",
        "__MACOSX/a.wav",
        "a b/ü 日本.ogg",
    ):
        touch(tmp_path / name)
    assert [found.name for found in find_audio(tmp_path)] == ["a.flac", "b.WAV", "a b/ü 日本.ogg", "sub/a.aiff", "sub/c.mp3"]


def test_links_that_loop_end_and_double_nothing(tmp_path: Path) -> None:
    touch(tmp_path / "pack/a.wav")
    (tmp_path / "pack/up").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "pack")
    (tmp_path / "self.wav").symlink_to(tmp_path / "self.wav")
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nothing")
    assert [found.name for found in find_audio(tmp_path)] == ["again/a.wav"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux allows any bytes in names")
def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))).write_bytes(b"x")
    (found,) = find_audio(tmp_path)
    assert found.name == "caf\\xe9.wav"
    assert found.path.read_bytes() == b"x"


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        next(find_audio(tmp_path / "none"))
