"""Metadata wherever it lies: chunks written by hand from the specifications, behind data of every kind."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from loopwright.audio.wavmeta import WavMeta, acid_chunk, read_chunks, smpl_chunk

RATE = 44_100
DATA = bytes(range(200)) * 3 + b"x"  # odd
ACID = acid_chunk(97.25, 6, beats_per_bar=3, root_note=57)


def fmt(order: str = "<") -> bytes:
    return b"fmt " + struct.pack(order + "IHHIIHH", 16, 1, 1, RATE, RATE, 1, 8)


def riff(body: bytes, form: bytes = b"RIFF", order: str = "<", size: int | None = None) -> bytes:
    return form + struct.pack(order + "I", len(body) + 4 if size is None else size) + b"WAVE" + body


def read(path: Path, data: bytes) -> WavMeta:
    path.write_bytes(data)
    return read_chunks(path)


def said(meta: WavMeta) -> tuple[float | None, int | None, int | None, int | None]:
    return meta.bpm, meta.beats, meta.beats_per_bar, meta.root_note


@pytest.mark.parametrize("pad", [b"\0", b"", b"Q", b"a"])
@pytest.mark.parametrize("behind", [b"", b"JUNK\x02\0\0\0ab", b"odd \x03\0\0\0abc\0"])
def test_behind_odd_data_with_any_byte_or_none(tmp_path: Path, pad: bytes, behind: bytes) -> None:
    chunks = fmt() + b"data" + struct.pack("<I", len(DATA)) + DATA + pad + behind + ACID + smpl_chunk(601, RATE)
    meta = read(tmp_path / "a.wav", riff(chunks))
    assert said(meta) == (97.25, 6, 3, 57)
    assert meta.loops == ((0, 600),)


@pytest.mark.parametrize("form", [b"RF64", b"BW64"])
def test_behind_the_data_of_rf64(tmp_path: Path, form: bytes) -> None:
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, 0, 600, 600, 0)
    chunks = ds64 + fmt() + b"data" + b"\xff" * 4 + DATA[:600] + ACID
    meta = read(tmp_path / "a.wav", riff(chunks, form, size=0xFFFF_FFFF))
    assert said(meta) == (97.25, 6, 3, 57)
    assert meta.n_samples == 600


def test_big_endian_riff(tmp_path: Path) -> None:
    acid = b"acid" + struct.pack(">IIHHfIHHf", 24, 6, 57, 0x8000, 0.0, 6, 4, 3, 97.25)
    chunks = fmt(">") + b"data" + struct.pack(">I", 600) + DATA[:600] + acid
    assert said(read(tmp_path / "a.wav", riff(chunks, b"RIFX", ">"))) == (97.25, 6, 3, 57)


def aiff(*chunks: tuple[bytes, bytes]) -> bytes:
    comm = struct.pack(">hIh", 1, 300, 16) + bytes.fromhex("400eac44000000000000")
    body = b"AIFF"
    for name, data in ((b"COMM", comm), (b"SSND", bytes(8) + DATA[:600]), *chunks):
        body += name + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"FORM" + struct.pack(">I", len(body)) + body


@pytest.mark.parametrize(("loops", "one_shot"), [(1, False), (2, True)])
@pytest.mark.parametrize(("note", "scale", "root", "mode"), [(57, 1, 57, "minor"), (51, 2, 51, "major"), (0, 0, None, "")])
def test_apple_loops_in_aiff(
    tmp_path: Path, loops: int, one_shot: bool, note: int, scale: int, root: int | None, mode: str
) -> None:
    basc = struct.pack(">IIHHHHH", 1, 12, note, scale, 3, 4, loops) + bytes(66)
    cate = struct.pack(">II", 1, 0) + b"Synths".ljust(50, b"\0") + b"Bass".ljust(50, b"\0") + bytes(100)
    meta = read(tmp_path / "a.aif", aiff((b"trns", bytes(88)), (b"cate", cate), (b"basc", basc)))
    assert meta.apple_loop
    assert (meta.rate_hz, meta.n_samples) == (RATE, 300)
    assert (meta.beats, meta.beats_per_bar, meta.one_shot, meta.root_note, meta.scale) == (12, 3, one_shot, root, mode)
    assert meta.categories == ("Synths", "Bass")


def test_apple_loops_in_caf(tmp_path: Path) -> None:
    words = ["category", "Drums", "beat count", "16", "time signature", "4/4", "key signature", "Bb", "key type", "minor"]
    body = bytes.fromhex("29819273b5bf4aefb78d62d1ef90bb2c") + struct.pack(">I", 5) + "\0".join(words).encode() + b"\0"
    chunks = [(b"desc", bytes(32)), (b"uuid", body), (b"data", bytes(604))]
    data = b"caff\0\1\0\0" + b"".join(name + struct.pack(">q", len(part)) + part for name, part in chunks)
    meta = read(tmp_path / "a.caf", data)
    assert (meta.beats, meta.beats_per_bar, meta.root_note, meta.scale) == (16, 4, 58, "minor")
    assert meta.categories == ("Drums",)


@pytest.mark.parametrize("body", [b"", b"\0", bytes(17), b"\xff" * 84])
def test_damaged_apple_chunks_say_nothing(tmp_path: Path, body: bytes) -> None:
    meta = read(tmp_path / "a.aif", aiff((b"basc", body), (b"cate", body)))
    assert meta.beats in (None, 0xFFFF_FFFF)
    assert meta.scale == ""


def test_a_file_of_nothing_but_empty_chunks_is_given_up(tmp_path: Path) -> None:
    start = time.monotonic()
    assert read(tmp_path / "a.wav", riff(b"xxxx\0\0\0\0" * 500_000)) == WavMeta()
    assert read(tmp_path / "b.wav", riff(bytes(1 << 22))) == WavMeta()
    assert time.monotonic() - start < 5
