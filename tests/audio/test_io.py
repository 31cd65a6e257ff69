from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.audio.io import read_audio, write_wav
from loopwright.audio.level import from_db, peak, rms, to_db
from loopwright.audio.resample import around, resample, resample_circle
from loopwright.errors import InputError


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".ogg", ".mp3"])
def test_every_format_comes_back(tmp_path: Path, suffix: str) -> None:
    t = np.arange(44100) / 44100
    tone = (0.5 * np.sin(2 * np.pi * 441 * t)).astype(np.float32)
    path = tmp_path / f"Größe und Klang{suffix}"
    soundfile.write(path, np.stack([tone, tone], axis=1), 44100)
    audio = read_audio(path)
    assert audio.rate_hz == 44100
    assert audio.samples.shape[1] == 2
    assert audio.length_s == pytest.approx(1.0, abs=0.06)
    spectrum = np.abs(np.fft.rfft(audio.samples[:44100, 0] * np.hanning(len(audio.samples[:44100]))))
    assert np.argmax(spectrum) == pytest.approx(441, abs=2)
    assert rms(audio.samples[2000:40000, 0]) == pytest.approx(0.5 / 2**0.5, rel=0.02)


def test_eight_channels_and_192_khz(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((1920, 8)), 192000)
    audio = read_audio(tmp_path / "a.wav")
    assert audio.samples.shape == (1920, 8)
    assert audio.rate_hz == 192000


def test_bad_files_are_one_line_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        read_audio(tmp_path / "absent.wav")
    (tmp_path / "text.wav").write_text("this is not audio")
    with pytest.raises(InputError, match=r"cannot read .*text.wav as audio"):
        read_audio(tmp_path / "text.wav")
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan]), 8000, subtype="FLOAT")
    with pytest.raises(InputError, match="NaN or infinite"):
        read_audio(tmp_path / "nan.wav")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 8000)
    with pytest.raises(InputError, match="no samples"):
        read_audio(tmp_path / "empty.wav")
    soundfile.write(tmp_path / "long.wav", np.zeros(8000 * 3), 8000)
    with pytest.raises(InputError, match="3 s long, the limit is 2 s"):
        read_audio(tmp_path / "long.wav", max_seconds=2)


def test_truncated_flac_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 50000), 44100)
    path.write_bytes(path.read_bytes()[:40000])
    with pytest.raises(InputError, match=r"cut\.flac"):
        read_audio(path)


@pytest.mark.parametrize("suffix", [".wav", ".aiff"])
def test_half_a_file_without_compression_is_an_error(suffix: str, tmp_path: Path) -> None:
    """libsndfile reads such a file as if it were as long as what is left of it."""
    path = tmp_path / f"half{suffix}"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 50000), 44100)
    path.write_bytes(path.read_bytes()[:50000])
    with pytest.raises(InputError, match=r"half\.\w+ is cut short: \d+ of 100\d\d\d bytes"):
        read_audio(path)


def test_a_length_that_a_pipe_could_not_know_is_none(tmp_path: Path) -> None:
    path = tmp_path / "piped.wav"
    soundfile.write(path, np.full(5000, 0.5), 44100)
    data = bytearray(path.read_bytes())
    at = data.find(b"data") + 4
    data[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert len(read_audio(path).samples) == 5000


def test_write_is_whole_or_absent(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="NaN"):
        write_wav(tmp_path / "x.wav", np.array([np.nan]), 44100)
    assert list(tmp_path.iterdir()) == []
    write_wav(tmp_path / "new" / "x.wav", np.array([0.0, 0.5, -0.5]), 44100)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["x.wav"]
    np.testing.assert_allclose(soundfile.read(tmp_path / "new" / "x.wav")[0], [0, 0.5, -0.5], atol=2e-7)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills up while libsndfile writes: an error of ours, and no file."""

    def no_space(*args: object, **kwargs: object) -> None:
        Path(str(args[0])).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(soundfile, "write", no_space)
    with pytest.raises(InputError, match="No space left on device"):
        write_wav(tmp_path / "x.wav", np.zeros(10), 44100)
    assert list(tmp_path.iterdir()) == []


def test_chunks_are_found_by_a_riff_walk(tmp_path: Path) -> None:
    write_wav(tmp_path / "x.wav", np.zeros(3), 8000, subtype="PCM_U8", chunks=b"test\x04\0\0\0abcd")
    data = (tmp_path / "x.wav").read_bytes()
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    at, seen = 12, {}
    while at < len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        seen[data[at : at + 4]] = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    assert seen[b"test"] == b"abcd"
    assert len(soundfile.read(tmp_path / "x.wav")[0]) == 3


@settings(max_examples=30, deadline=None)
@given(n=st.integers(20, 300), m=st.integers(20, 300), k=st.integers(0, 8))
def test_resampling_a_circle_keeps_a_periodic_tone_exact(n: int, m: int, k: int) -> None:
    tone = np.cos(2 * np.pi * k * np.arange(n) / n + 0.3).astype(np.float32)
    want = np.cos(2 * np.pi * k * np.arange(m) / m + 0.3)
    np.testing.assert_allclose(resample_circle(tone, m), want, atol=1e-5)


def test_resampling_there_and_back_and_rates() -> None:
    x = np.random.default_rng(0).standard_normal(2000).astype(np.float32)
    np.testing.assert_allclose(resample_circle(resample_circle(x, 3001), 2000), x, atol=1e-4)
    assert resample(x, 44100, 44100) is x
    assert len(resample(np.zeros((44100, 2), np.float32), 44100, 16000)) == 16000


@pytest.mark.parametrize(("start", "stop"), [(0, 7), (-3, 9), (2, 5), (-15, 30), (7, 9), (-40, -30), (3, 3)])
def test_a_loop_goes_round_for_ever(start: int, stop: int) -> None:
    turn = np.arange(14, dtype=np.float32).reshape(2, 7)
    assert np.array_equal(around(turn, start, stop), np.take(turn, np.arange(start, stop), axis=1, mode="wrap"))


def test_levels() -> None:
    assert to_db(0.5) == pytest.approx(-6.0206, abs=1e-3)
    assert to_db(0.0) == -120.0
    assert from_db(-20) == pytest.approx(0.1)
    assert peak([-0.7, 0.2]) == 0.7
    assert rms([1.0, -1.0]) == 1.0
    assert rms([]) == 0.0
