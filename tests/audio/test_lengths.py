"""Lengths are counted: each file is written by libsndfile with a known number of samples, then its header is spoilt."""

from __future__ import annotations

import io
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from loopwright.audio.frames import mp3_frame, walk_mp3
from loopwright.audio.io import read_audio
from loopwright.errors import InputError

RATE = 44_100
N = 50_000


def sound(n: int = N) -> np.ndarray:
    """A sweep that swells: frames of a VBR file are of very different sizes."""
    t = np.arange(n) / RATE
    noise = np.random.default_rng(0).standard_normal(n)
    swell = np.linspace(0, 1, n) ** 4
    return np.asarray(0.4 * np.sin(2 * np.pi * 300 * t) * (1 - swell) + 0.2 * swell * noise)


def encoded(kind: str, subtype: str | None = None, rate: int = RATE, **more: object) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, sound(), rate, format=kind, subtype=subtype, **more)
    return buffer.getvalue()


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x7FFF_FFFF, 0xFFFF_FFF0])
@pytest.mark.parametrize("riff", [0, 0xFFFF_FFFF])
def test_a_wav_that_was_never_finished(tmp_path: Path, size: int, riff: int) -> None:
    data = encoded("WAV", "PCM_16")
    data = patched(data, 4, struct.pack("<I", riff))
    audio = read_audio(put(tmp_path / "a.wav", patched(data, data.index(b"data") + 4, struct.pack("<I", size))))
    np.testing.assert_allclose(audio.samples[:, 0], sound(), atol=1e-4)


def test_an_empty_wav_with_text_behind_it_stays_empty(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(0), RATE, format="WAV")
    with pytest.raises(InputError, match="no samples"):
        read_audio(put(tmp_path / "a.wav", buffer.getvalue() + b"LIST\x04\0\0\0INFO"))


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF_FFFF_FFFF, N * 2])
@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
def test_rf64_and_its_other_name(tmp_path: Path, name: bytes, size: int) -> None:
    data = patched(encoded("RF64", "PCM_16"), 0, name)
    data = patched(data, data.index(b"ds64") + 16, struct.pack("<Q", size))
    assert len(read_audio(put(tmp_path / "a.wav", data)).samples) == N


def test_a_caf_that_was_streamed(tmp_path: Path) -> None:
    data = encoded("CAF", "PCM_16")
    at = data.index(b"data") + 4
    assert len(read_audio(put(tmp_path / "a.caf", patched(data, at, b"\xff" * 8))).samples) == N


def test_flac_of_unknown_length(tmp_path: Path) -> None:
    data = bytearray(encoded("FLAC", "PCM_16"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    np.testing.assert_allclose(read_audio(put(tmp_path / "a.flac", bytes(data))).samples[:, 0], sound(), atol=1e-4)
    with pytest.raises(InputError, match="cut short: its last frame is not whole"):
        read_audio(put(tmp_path / "b.flac", bytes(data[: len(data) // 2])))


@pytest.mark.parametrize("subtype", ["GSM610", "G721_32", "NMS_ADPCM_32"])
def test_codecs_that_only_go_forwards(tmp_path: Path, subtype: str) -> None:
    audio = read_audio(put(tmp_path / "a.wav", encoded("WAV", subtype, 8000)))
    assert len(audio.samples) == N
    assert np.corrcoef(audio.samples[:20_000, 0], sound()[:20_000])[0, 1] > 0.9


@pytest.mark.parametrize("kept", [N, N - 700])
def test_fact_says_where_adpcm_ends_in_its_last_block(tmp_path: Path, kept: int) -> None:
    data = encoded("WAV", "MS_ADPCM")
    at = data.index(b"fact") + 8
    assert struct.unpack_from("<I", data, at) == (N,)
    assert len(read_audio(put(tmp_path / "a.wav", patched(data, at, struct.pack("<I", kept)))).samples) == kept


@pytest.mark.parametrize("n", [999, 1000])
def test_the_byte_that_fills_up_an_odd_aiff_is_no_sample(tmp_path: Path, n: int) -> None:
    """It is zero, which is the loudest sample of mu-law; 255 is its silence."""
    comm = struct.pack(">hIh", 1, n, 8) + bytes.fromhex("400eac44000000000000") + b"ulaw\0\0"
    body = b"AIFC" + b"COMM" + struct.pack(">I", len(comm)) + comm
    body += b"SSND" + struct.pack(">III", n + 8, 0, 0) + b"\xff" * n + b"\0" * (n % 2)
    samples = read_audio(put(tmp_path / "a.aifc", b"FORM" + struct.pack(">I", len(body)) + body)).samples
    assert len(samples) == n
    assert np.abs(samples).max() < 0.01


@pytest.mark.parametrize("form", ["WAV", "AIFF"])
def test_chunks_behind_sound_of_unknown_size_are_no_sound(tmp_path: Path, form: str) -> None:
    data = encoded(form, "PCM_16")
    name, order = (b"data", "<") if form == "WAV" else (b"SSND", ">")
    tail = b"LIST" + struct.pack(order + "I", 4) + b"INFO" + b"JUNK" + struct.pack(order + "I", 300) + bytes(300)
    path = put(tmp_path / f"a.{form}", patched(data, data.index(name) + 4, bytes(4)) + tail)
    np.testing.assert_allclose(read_audio(path).samples[:, 0], sound(), atol=1e-4)


@pytest.mark.parametrize("said", [0, 100, 10**9])
def test_a_fact_that_cannot_be_is_not_believed(tmp_path: Path, said: int) -> None:
    for subtype in ("MS_ADPCM", "ULAW"):
        data = encoded("WAV", subtype)
        path = put(tmp_path / "a.wav", patched(data, data.index(b"fact") + 8, struct.pack("<I", said)))
        assert N <= len(read_audio(path).samples) < N + 4096


def headless(data: bytes) -> bytes:
    """An MP3 without its first frame, which says how long it is."""
    first = mp3_frame(data, 0)
    assert first is not None
    return data[first.size :]


@pytest.mark.parametrize("said", [0, 1, 20, 10_000])
def test_an_mp3_whose_header_lies_is_read_whole(tmp_path: Path, said: int) -> None:
    data = encoded("MP3")
    at = max(data.find(b"Xing"), data.find(b"Info"))
    audio = read_audio(put(tmp_path / "a.mp3", patched(data, at + 8, struct.pack(">I", said))))
    whole = read_audio(put(tmp_path / "b.mp3", data))
    assert len(whole.samples) == N
    assert np.array_equal(audio.samples, whole.samples)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("front", [b"", b"ID3\x04\0\0\0\0\x02\x00" + bytes(256)])
def test_an_mp3_without_a_header_is_read_whole(tmp_path: Path, mode: str, front: bytes) -> None:
    data = headless(encoded("MP3", bitrate_mode=mode))
    audio = read_audio(put(tmp_path / "a.mp3", front + data + b"TAG" + bytes(125)))
    assert N <= len(audio.samples) <= N + 2304
    late = int(np.argmax(np.correlate(audio.samples[:30_000, 0], sound()[:8000], mode="valid")))
    assert np.corrcoef(audio.samples[late : late + 40_000, 0], sound()[:40_000])[0, 1] > 0.98


def test_frames_are_counted_as_they_stand() -> None:
    """155 frames of 417 or 418 bytes: 128 kbit/s at 44.1 kHz."""
    frame = b"\xff\xfb\x90\xc4" + bytes(413)
    found = walk_mp3(frame * 155)
    assert found is not None
    assert (found.frames, found.cut, found.stated) == (155, False, -1)
    found = walk_mp3(frame * 3 + b"junk" + frame * 2 + frame[:99])
    assert found is not None
    assert (found.frames, found.cut) == (5, True)


def cuts() -> list[tuple[str, Callable[[], bytes]]]:
    return [
        ("a.wav", lambda: encoded("WAV", "PCM_16")),
        ("b.aiff", lambda: encoded("AIFF", "PCM_16")),
        ("c.flac", lambda: encoded("FLAC", "PCM_16")),
        ("d.ogg", lambda: encoded("OGG", "VORBIS")),
        ("e.opus", lambda: encoded("OGG", "OPUS", 48_000)),
        ("f.mp3", lambda: encoded("MP3")),
        ("g.mp3", lambda: headless(encoded("MP3", bitrate_mode="CONSTANT"))),
        ("h.caf", lambda: encoded("CAF", "PCM_16")),
        ("i.w64", lambda: encoded("W64", "PCM_16")),
        ("j.rf64", lambda: encoded("RF64", "PCM_16")),
        ("k.au", lambda: encoded("AU", "PCM_16")),
    ]


@pytest.mark.parametrize(("name", "make"), cuts(), ids=[name for name, _ in cuts()])
def test_half_a_file_is_refused(tmp_path: Path, name: str, make: Callable[[], bytes]) -> None:
    data = make()
    assert len(read_audio(put(tmp_path / name, data)).samples) >= N
    with pytest.raises(InputError, match=r"cut short|lost sync"):
        read_audio(put(tmp_path / name, data[: len(data) // 2 - 33]))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux allows any bytes in names")
def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    assert len(read_audio(put(path, encoded("WAV"))).samples) == N


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    (tmp_path / "b.wav").symlink_to("/dev/zero")
    for path in (tmp_path / "a.wav", tmp_path / "b.wav", tmp_path):
        with pytest.raises(InputError, match=r"no regular file|Is a directory"):
            read_audio(path)


@pytest.mark.parametrize("error", [ValueError("odd"), MemoryError(), AssertionError(), TypeError("x"), RecursionError()])
def test_whatever_the_decoder_raises_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    path = put(tmp_path / "a.wav", encoded("WAV"))
    monkeypatch.setattr(soundfile.SoundFile, "read", fails)
    with pytest.raises(InputError, match=r"cannot read .*a\.wav as audio \(\w+\)"):
        read_audio(path)


@pytest.mark.parametrize("seed", range(4))
def test_damage_anywhere_is_a_reason_or_audio(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, make in cuts():
        data = bytearray(make())
        for _ in range(3):
            spoilt = bytearray(data)
            for at in rng.integers(0, min(len(data), 400), 6):
                spoilt[at] = rng.integers(256)
            try:
                audio = read_audio(put(tmp_path / name, bytes(spoilt)), max_seconds=60)
            except InputError:
                continue
            assert np.isfinite(audio.samples).all()
