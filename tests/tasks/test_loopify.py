"""loopify: whole bars at the tempo asked for, no seam, metadata that is exact."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sounds import drum_loop

from loopwright.audio.seam import click_ratio
from loopwright.audio.wavmeta import read_chunks
from loopwright.errors import InputError
from loopwright.tasks import loopify as task
from loopwright.tasks.loopify import describe, loopify, names_of_loops

RATE = 22_050


def write(path: Path, x: np.ndarray) -> Path:
    soundfile.write(path, x, RATE, subtype="FLOAT")
    return path


def test_a_loop_at_another_tempo_is_exact_to_the_sample(tmp_path: Path) -> None:
    stereo = np.stack([drum_loop(104, 4, RATE, step=1), drum_loop(104, 4, RATE, seed=1, step=1)], axis=1)
    source = write(tmp_path / "take 104bpm.wav", stereo)
    result = loopify(source, tmp_path / "out.wav", bpm=127.3, rate_hz=44_100)
    audio, rate = soundfile.read(tmp_path / "out.wav")
    n = round(60 * 44_100 * 16 / 127.3)
    assert (rate, audio.shape) == (44_100, (n, 2))
    meta = read_chunks(tmp_path / "out.wav")
    assert (meta.beats, meta.loops) == (16, ((0, n - 1),))
    assert meta.bpm == pytest.approx(60 * 44_100 * 16 / n, rel=1e-6)
    assert meta.comment["bars"] == 4
    assert all(click_ratio(audio[:, c].astype(np.float32)) < 0.4 for c in range(2))
    assert result.source_bpm == pytest.approx(104, rel=1e-3)


def test_bars_out_of_a_recording_with_a_lead_in_start_on_a_hit(tmp_path: Path) -> None:
    music = drum_loop(120, 8, RATE, step=2)
    lead = 0.001 * np.random.default_rng(0).standard_normal(round(0.83 * RATE)).astype(np.float32)
    recording = np.concatenate([lead, music, music[: RATE // 2]])
    result = loopify(write(tmp_path / "r.wav", recording), tmp_path / "o.wav", bars=2)
    assert result.bpm == pytest.approx(120, rel=0.005)
    assert result.bars == 2
    beat_s = 60 / 120
    off = (result.start_s - 0.83) / (beat_s / 4)
    assert abs(off - round(off)) * beat_s / 4 < 0.02  # on a sixteenth of the music, not of the file
    assert result.seam < 0.4


def test_what_cannot_be_looped_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is silent"):
        loopify(write(tmp_path / "s.wav", np.zeros(RATE)), tmp_path / "o.wav")
    source = write(tmp_path / "a 120bpm.wav", drum_loop(120, 2, RATE))
    with pytest.raises(InputError, match=r"8 bars at 120\.00 BPM need 16\.00 s"):
        loopify(source, tmp_path / "o.wav", bars=8)
    assert not (tmp_path / "o.wav").exists()


def test_a_stated_start_and_tempo_are_kept(tmp_path: Path) -> None:
    source = write(tmp_path / "a.wav", drum_loop(100, 4, RATE, step=1))
    result = loopify(source, tmp_path / "o.wav", source_bpm=100, start_s=1.2, bars=1)
    assert (result.start_s, result.bars) == (pytest.approx(1.2, abs=1e-4), 1)
    assert result.n_samples == round(60 * RATE * 4 / 100)


def scale(cents: float = 0.0) -> np.ndarray:
    """Two bars at 120 of A minor's scale, its tonic and fifth most."""
    t = np.arange(RATE // 4) / RATE
    fade = np.minimum(1, np.minimum(t, t[::-1]) / 0.01)
    notes = [57, 60, 64, 57, 59, 62, 65, 64, 67, 64, 60, 57, 57, 64, 60, 57]
    hz = [440 * 2 ** ((note - 69 + cents / 100) / 12) for note in notes]
    return np.concatenate([0.2 * fade * sum(np.sin(2 * np.pi * f * h * t) / h for h in (1, 2, 3)) for f in hz])


def test_a_key_that_is_heard_is_in_the_metadata_and_surely_enough_in_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = write(tmp_path / "take 120bpm.wav", scale()), tmp_path / "take 120bpm_loop.wav"
    monkeypatch.setattr(task, "SURE_KEY", 0.99)
    result = task.loopify(source, out, name_key=[])
    comment = read_chunks(result.path).comment
    assert (result.path, comment["key"], comment["key_heard"]) == (out, "", "A minor")
    assert 0.2 < comment["key_confidence"] < 0.99
    monkeypatch.setattr(task, "SURE_KEY", 0.2)
    result = task.loopify(source, out, name_key=["other_Amin_loop.wav"])
    assert (result.path.name, read_chunks(result.path).comment["key"]) == ("take 120bpm_Amin_loop.wav", "A minor")
    assert task.loopify(source, out, name_key=["take 120bpm_Amin_loop.wav"]).path == out
    assert task.loopify(source, out).path == out
    stated = write(tmp_path / "take 120bpm Cmaj.wav", scale())
    result = task.loopify(stated, tmp_path / "take 120bpm Cmaj_loop.wav", name_key=[])
    assert (result.path.name, read_chunks(result.path).comment["key"]) == ("take 120bpm Cmaj_loop.wav", "C major")


def test_a_name_of_any_bytes_is_written_and_described(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux allows any bytes in names")
    plain = write(tmp_path / "x.wav", drum_loop(120, 1, RATE, step=1))
    source = plain.rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9t\xe9 120bpm.wav"))
    result = loopify(source, tmp_path / names_of_loops([source], None)[0])
    assert result.path.is_file()
    assert json.loads(describe(result))["file"].endswith("\\xe9t\\xe9 120bpm_loop.wav")
    describe(result).encode("utf-8")
