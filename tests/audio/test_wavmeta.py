"""Loop metadata: libsndfile reads what we write, and what we parse was written by hand from the specification."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.audio.io import write_wav
from loopwright.audio.wavmeta import exact_bpm, loop_chunks, loop_length, read_chunks
from loopwright.errors import InputError

SFC_GET_LOOP_INFO = 0x10E0
SFC_GET_INSTRUMENT = 0x10D0


def write(path: Path, *, n: int = 44_100, rate_hz: int = 44_100, bpm: float = 120.0, beats: int = 2, **more: Any) -> Path:
    info = more.pop("info", {"seed": 7, "title": "Kick"})
    samples = 0.1 * np.sin(np.arange(n) / 10)
    write_wav(path, samples, rate_hz, chunks=loop_chunks(n, rate_hz, bpm, beats, info, **more), subtype="PCM_24")
    return path


def libsndfile_loop(path: Path) -> dict[str, float]:
    """SF_LOOP_INFO: what libsndfile makes of `acid`. short num, short den, int mode, int beats, float bpm, int root, int[6]."""
    ffi, lib = soundfile._ffi, soundfile._snd
    with soundfile.SoundFile(path) as handle:
        buffer = ffi.new("char[44]")
        assert lib.sf_command(handle._file, SFC_GET_LOOP_INFO, buffer, 44) == 1
        num, den, _mode, beats, bpm, root = struct.unpack_from("=hhiifi", bytes(ffi.buffer(buffer)))
    return {"num": num, "den": den, "beats": beats, "bpm": bpm, "root": root}


def libsndfile_smpl(path: Path) -> tuple[int, list[tuple[int, int, int]]]:
    """SF_INSTRUMENT: base note and loops (start, end, count) from `smpl`."""
    ffi, lib = soundfile._ffi, soundfile._snd
    size = 4 + 8 + 4 + 16 * 16
    with soundfile.SoundFile(path) as handle:
        buffer = ffi.new(f"char[{size}]")
        assert lib.sf_command(handle._file, SFC_GET_INSTRUMENT, buffer, size) == 1
        raw = bytes(ffi.buffer(buffer))
    base = struct.unpack_from("=b", raw, 4)[0]
    count = struct.unpack_from("=i", raw, 12)[0]
    loops = [struct.unpack_from("=iIII", raw, 16 + 16 * i)[1:] for i in range(count)]
    return base, loops


def test_libsndfile_reads_our_tempo_beats_meter_and_root(tmp_path: Path) -> None:
    n = loop_length(93.0, 8, 44_100)
    path = write(tmp_path / "a.wav", n=n, bpm=93.0, beats=8, beats_per_bar=4, root_note=57)
    loop = libsndfile_loop(path)
    assert (loop["num"], loop["den"], loop["beats"], loop["root"]) == (4, 4, 8, 57)
    assert loop["bpm"] == pytest.approx(60 * 44_100 * 8 / n, rel=1e-6)
    assert loop["bpm"] != 93.0  # the exact tempo of the rounded length, not the wish


def test_libsndfile_reads_our_loop_points(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", root_note=64)
    base, loops = libsndfile_smpl(path)
    assert base == 64
    start, end, _count = loops[0]
    assert len(loops) == 1
    assert start == 0
    assert end in (44_099, 44_100)  # libsndfile reports the last sample or one past it, by version
    raw = path.read_bytes()
    assert struct.unpack_from("<II", raw, raw.index(b"smpl") + 8 + 36 + 8) == (0, 44_099)  # the file itself: inclusive


def test_libsndfile_reads_our_text(tmp_path: Path) -> None:
    info = {"title": "Nächte", "artist": "loopwright", "licence": "CC0-1.0", "software": "loopwright 0.1", "seed": 3}
    with soundfile.SoundFile(write(tmp_path / "a.wav", info=info)) as handle:
        assert handle.title == "Nächte"
        assert handle.artist == "loopwright"
        assert handle.copyright == "CC0-1.0"
        assert '"seed": 3' in handle.comment
        assert handle.comment.isascii()


def test_samples_are_untouched_and_the_riff_size_is_the_file_size(tmp_path: Path) -> None:
    path = write(tmp_path / "odd.wav", n=44_101 + 2, bpm=exact_bpm(44_103, 2, 44_100))  # 24-bit mono: an odd data chunk
    data, _ = soundfile.read(path)
    assert len(data) == 44_103
    raw = path.read_bytes()
    assert struct.unpack_from("<I", raw, 4)[0] == len(raw) - 8


def test_round_trip(tmp_path: Path) -> None:
    meta = read_chunks(write(tmp_path / "a.wav", info={"seed": 7, "note": "日本"}, beats_per_bar=3, bpm=120.0))
    assert (meta.beats, meta.beats_per_bar, meta.one_shot, meta.root_note) == (2, 3, False, None)
    assert meta.bpm == pytest.approx(120.0)
    assert meta.loops == ((0, 44_099),)
    assert (meta.rate_hz, meta.n_samples) == (44_100, 44_100)
    assert meta.comment == {"seed": 7, "note": "日本"}


def test_a_foreign_file_written_by_hand_from_the_specification(tmp_path: Path) -> None:
    """8-bit mono, chunks before the data, an odd INFO string, an unknown chunk, a one-shot flag."""

    def c(name: bytes, body: bytes) -> bytes:
        return name + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)

    fmt = struct.pack("<HHIIHH", 1, 1, 22_050, 22_050, 1, 8)
    acid = bytes.fromhex("03000000 3c00 0080 00000000 10000000 0400 0400 0000b442")  # one-shot + root 60, 16 beats, 90.0
    info = b"INFO" + c(b"INAM", b"odd\0x"[:4]) + c(b"ICMT", b"not json\0")
    body = b"WAVE" + c(b"junk", b"abc") + c(b"fmt ", fmt) + c(b"acid", acid) + c(b"LIST", info) + c(b"data", b"\x80" * 99)
    path = tmp_path / "f.wav"
    path.write_bytes(b"RIFF" + len(body).to_bytes(4, "little") + body)
    meta = read_chunks(path)
    assert meta.one_shot
    assert meta.root_note == 60
    assert (meta.bpm, meta.beats, meta.beats_per_bar) == (90.0, 16, 4)
    assert meta.info == {"INAM": "odd", "ICMT": "not json"}
    assert meta.comment == {}
    assert meta.n_samples == 99


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 400), flips=st.lists(st.tuples(st.integers(0, 399), st.integers(0, 255)), max_size=8))
def test_damage_never_raises(tmp_path_factory: pytest.TempPathFactory, cut: int, flips: list[tuple[int, int]]) -> None:
    folder = tmp_path_factory.mktemp("damage")
    path = write(folder / "a.wav", n=30, bpm=exact_bpm(30, 1, 44_100), beats=1)
    raw = bytearray(path.read_bytes())
    for at, value in flips:
        raw[min(at, len(raw) - 1)] = value
    path.write_bytes(bytes(raw[: len(raw) - min(cut, len(raw))]))
    read_chunks(path)


def test_a_length_that_is_not_the_tempo_is_refused() -> None:
    with pytest.raises(InputError, match=r"are not 4 beats at 120.0 BPM \(that would be 88200\)"):
        loop_chunks(90_000, 44_100, 120.0, 4, {})


@pytest.mark.parametrize("bpm", [60.0, 93.0, 120.0, 174.5])
def test_length_and_tempo_invert_each_other(bpm: float) -> None:
    n = loop_length(bpm, 16, 48_000)
    assert abs(exact_bpm(n, 16, 48_000) - bpm) < bpm * 0.5 / n + 1e-9
