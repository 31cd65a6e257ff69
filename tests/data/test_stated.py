"""What is stated is obeyed to the sample: loops of known tempo and length, hidden in longer and shorter files."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sounds import drum_loop

from loopwright.config import REPRESENTATIONS
from loopwright.data.clues import Clue, clues_from_name
from loopwright.data.prepared import PreparedData
from loopwright.data.rhythm import Tempogram, onset_envelope
from loopwright.data.settings import PrepareSettings
from loopwright.data.stated import Span, cut_to
from loopwright.data.tempo import Reading, read_tempo
from loopwright.tasks.loopify import loopify
from loopwright.tasks.prepare import dry_run, prepare

RATE = 22_050
SETTINGS = PrepareSettings(mel=REPRESENTATIONS["loop16"])


def padded(x: np.ndarray, head: int, tail: int) -> np.ndarray:
    return np.concatenate([np.zeros(head), x, np.zeros(tail)]).astype(np.float32)


def acid(bpm: float, beats: int) -> Clue:
    return Clue("acid", 10.0, bpm=bpm, beats=beats, half=0.5 if bpm == round(bpm) else 0.0, firm=True)


def read(x: np.ndarray, *clues: Clue) -> Reading:
    reading = read_tempo(len(x) / RATE, Tempogram.of(onset_envelope(x, RATE)), clues, span=Span.of(x, RATE))
    assert reading is not None
    return reading


@pytest.mark.parametrize(("bpm", "bars"), [(120.0, 2), (97.5, 4), (171.0, 4), (134.0, 8)])
@pytest.mark.parametrize(("head", "tail"), [(0, 700), (553, 0), (553, 450), (1128, 0), (0, 2205), (553, RATE), (80, 90)])
@pytest.mark.parametrize("clues", ["name", "acid"])
def test_silence_round_a_stated_loop_is_cut_and_the_tempo_kept(bpm: float, bars: int, head: int, tail: int, clues: str) -> None:
    x = drum_loop(bpm, bars, RATE, step=1)
    said = clues_from_name(f"beat {bpm:g}bpm.wav") if clues == "name" else [acid(bpm, 4 * bars)]
    reading = read(padded(x, head, tail), *said)
    assert reading.bpm == pytest.approx(60 * RATE * 4 * bars / len(x), rel=1e-6)
    assert (reading.beats, reading.whole) == (4 * bars, True)
    loop = cut_to(padded(x, head, tail), reading.start, reading.length)
    assert len(loop) == len(x)
    assert abs(reading.start - head) <= 0.002 * RATE
    assert any(f"{clues} says {bpm:g} BPM" in text for text in reading.evidence)


def test_a_rest_at_the_start_of_the_music_is_kept() -> None:
    """The first hit is on the third eighth: silence before it is music, the 25 ms before that are not."""
    x = np.roll(drum_loop(120.0, 2, RATE), 0)
    x[: round(0.5 * RATE)] = 0
    assert read(padded(x, 0, 2000), acid(120.0, 8)).start == 0
    assert abs(read(padded(x, 551, 600), acid(120.0, 8)).start - 551) < 0.002 * RATE


def test_sound_at_both_ends_is_said_and_the_tempo_obeyed() -> None:
    noise = 0.3 * np.random.default_rng(0).standard_normal(round(4.04 * RATE)).astype(np.float32)
    for clue in (
        acid(120.0, 8),
        Clue("name", 7.0, bpm=120.0, half=0.5, explicit=True),
        Clue("user", 50.0, bpm=120.0, firm=True),
    ):
        reading = read(noise, clue)
        assert (reading.start, reading.length) == (0, 4 * RATE)
        assert "40 ms longer than 8 beats at 120 BPM, and sound reaches both ends" in reading.warnings[0]


@pytest.mark.parametrize("over", [0.011, 0.0119, 0.0121, 0.0124, 0.05, 0.9])
def test_tempo_and_bars_of_a_table_are_obeyed_however_long_the_file_sounds(tmp_path: Path, over: float) -> None:
    noise = 0.3 * np.random.default_rng(0).standard_normal(round((1 + over) * 4 * RATE)).astype(np.float32)
    write(tmp_path / "in/a.wav", noise)
    (tmp_path / "in/loops.csv").write_text("file,bpm,bars\na.wav,120,2\n")
    (line,) = dry_run(tmp_path / "in", SETTINGS, workers=1)
    assert (line["bpm"], line["beats"], line["rows"]) == (pytest.approx(120, rel=1e-6), 8, 2)
    assert any("sound reaches both ends" in note for note in line["notes"])
    (tmp_path / "in/loops.csv").write_text("file,bpm\na.wav,120\n")
    (line,) = dry_run(tmp_path / "in", SETTINGS, workers=1)
    assert line["bpm"] == pytest.approx(120, rel=1e-4)


def test_a_rounded_tempo_of_a_loop_that_sounds_to_its_end_is_the_lengths() -> None:
    """93bpm is what people write for 92.7, and nothing is silent: the loop is all of the file."""
    x = drum_loop(92.7, 4, RATE, step=1) + 0.05 * np.random.default_rng(0).standard_normal(round(960 * RATE / 92.7))
    reading = read(x.astype(np.float32), *clues_from_name("break 93bpm.wav"))
    assert reading.bpm == pytest.approx(92.7, rel=1e-4)
    assert not reading.length
    assert "name says 93 BPM" in reading.evidence


def test_silence_that_was_trimmed_is_put_back() -> None:
    x = drum_loop(120.0, 2, RATE, step=4)
    short = x[: len(x) - 500]
    reading = read(short, acid(120.0, 8))
    assert (reading.bpm, reading.start, reading.length) == (pytest.approx(120.0), 0, len(x))
    loop = cut_to(short, 0, len(x))
    assert np.array_equal(loop[: len(short)], short)
    assert not loop[len(short) :].any()


def test_an_acid_chunk_that_the_file_does_not_hold_is_little_believed() -> None:
    x = drum_loop(140.0, 4, RATE, step=1)
    assert read(x, acid(120.0, 4)).bpm == pytest.approx(140.0, rel=1e-3)


def test_a_turned_octave_is_noted() -> None:
    x = drum_loop(150.0, 4, RATE, step=1)
    reading = read(x, Clue("name", 7.0, bpm=150.0, half=0.5), Clue("tag", 5.0, bpm=75.0, half=0.5))
    assert reading.bpm == pytest.approx(150, rel=1e-4)
    assert "the tag says 75 BPM, read as 150.00: an octave turned" in reading.warnings


def write(path: Path, x: np.ndarray, chunks: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, x, RATE, subtype="PCM_16")
    data = path.read_bytes() + chunks
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    return path


@pytest.mark.parametrize("way", ["--bpm", "table", "bars", "json", "name over acid", "bars beside a name"])
def test_what_the_user_says_is_obeyed_in_a_padded_file(tmp_path: Path, way: str) -> None:
    x = drum_loop(120.0, 2, RATE, step=1)
    name = "l 120bpm.wav" if "name" in way else "l 97bpm.wav"
    chunk = struct.pack("<4sIIHHfIHHf", b"acid", 24, 4, 60, 0x8000, 0.0, 4, 4, 4, 120.0)
    write(tmp_path / "in" / name, padded(x, 553, 450), chunk)
    settings = SETTINGS
    if way == "--bpm":
        settings = SETTINGS.model_copy(update={"bpm": 120.0})
    elif way == "table":
        (tmp_path / "in/loops.csv").write_text("file,bpm\nl 97bpm.wav,120\n")
    elif way == "bars":
        (tmp_path / "in/loops.csv").write_text("file,bpm,bars\nl 97bpm.wav,120,2\n")
    elif way == "bars beside a name":
        (tmp_path / "in/loops.csv").write_text("file,bars\nl 120bpm.wav,2\n")
    elif way == "json":
        (tmp_path / "in/l 97bpm.json").write_text('{"bpm": 120, "bars": 2}')
    (line,) = dry_run(tmp_path / "in", settings, workers=1)
    assert (line["bpm"], line["beats"], line["rows"], line["reason"]) == (pytest.approx(120, rel=1e-5), 8, 2, "")
    assert not any("late" in note for note in line["notes"])


def test_loopify_with_a_stated_tempo(tmp_path: Path) -> None:
    x = drum_loop(120.0, 2, RATE, step=1)
    source = write(tmp_path / "take.wav", padded(x, 553, 450))
    result = loopify(source, tmp_path / "o.wav", source_bpm=120, bpm=120, bars=2)
    assert result.n_samples == len(x)
    y = soundfile.read(tmp_path / "o.wav")[0]
    lag = np.argmax(np.fft.irfft(np.fft.rfft(y) * np.conj(np.fft.rfft(x))))
    assert min(lag, len(x) - lag) <= 0.002 * RATE
    assert np.max(np.abs(np.roll(y, -lag) - x)) < 2e-3


def test_six_beats_are_a_waltz_and_said_so(tmp_path: Path) -> None:
    write(tmp_path / "in/w 120bpm.wav", drum_loop(120.0, 2, RATE, beats_per_bar=3, step=1))
    (line,) = dry_run(tmp_path / "in", SETTINGS, workers=1)
    assert line["reason"] == "6 beats are no whole bars of 4: a waltz? try --beats-per-bar 3"
    (line,) = dry_run(tmp_path / "in", SETTINGS.model_copy(update={"beats_per_bar": 3}), workers=1)
    assert (line["reason"], line["rows"], line["beats"]) == ("", 2, 6)


@pytest.mark.parametrize("head", [0, 553])
@pytest.mark.parametrize("tail", [0, 450])
def test_events_of_a_stated_loop_stay_where_they_sound(tmp_path: Path, head: int, tail: int) -> None:
    """The first hit is 40 ms late: where tempo and bars are stated that is music, and nothing is rolled."""
    x = np.zeros(4 * RATE, dtype=np.float32)
    starts = (0.02, 0.5, 1.0, 1.25)  # bars
    for start in starts:
        at = round(start * 2 * RATE)
        x[at : at + 2000] += np.exp(-np.arange(2000) / 300) * np.sin(np.arange(2000) * 0.3)
    write(tmp_path / "in/a.wav", padded(x, head, tail))
    (tmp_path / "in/loops.csv").write_text("file,bpm,bars\na.wav,120,2\n")
    events = [["kick", start, 1.0] for start in starts]
    lines = [json.dumps({"file": "a.wav", "events": events}), '{"file": "b", "events": [["kick", 1' + "0" * 400 + ", 1]]}", "["]
    (tmp_path / "in/events.jsonl").write_text("\n".join(lines))
    prepare(tmp_path / "in", tmp_path / "out", SETTINGS, workers=1)
    data = PreparedData.open(tmp_path / "out")
    if head or tail:  # silence was cut, at the front first: where the bar began is not known
        assert not any("events" in record for record in data.records)
        return
    for row, record in enumerate(data.records):
        audio = data.audio([row])[0]
        for _, start, _ in record["events"]:
            window = np.abs(np.roll(audio, 200 - round(start * len(audio)))[:1200])
            assert window.max() > 0.5 * np.abs(audio).max()
            assert window[:120].max() < 0.2 * window.max()
