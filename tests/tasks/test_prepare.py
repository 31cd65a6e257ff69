"""Preparing folders: the good, the broken, the interrupted."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from sounds import drum_loop

from loopwright.audio.io import write_wav
from loopwright.audio.seam import click_ratio
from loopwright.audio.wavmeta import exact_bpm, loop_chunks
from loopwright.config import LOOP16, PAPER16
from loopwright.data.facts import Facts
from loopwright.data.prepared import PreparedData
from loopwright.data.process import Outcome
from loopwright.data.report import read_report
from loopwright.data.scan import FoundFile
from loopwright.data.settings import PrepareSettings
from loopwright.data.workers import outcomes
from loopwright.errors import BusyError, InputError
from loopwright.tasks.prepare import dry_run, prepare

SETTINGS = PrepareSettings(mel=LOOP16)
RATE = 22_050


def write(path: Path, x: np.ndarray, rate_hz: int = RATE, **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, x, rate_hz, **more)
    return path


def reasons(out: Path) -> dict[str, str]:
    return {line["file"]: line["reason"] for line in read_report(out)}


def test_a_messy_folder(tmp_path: Path) -> None:
    """All kinds of bad input, beside good loops in many formats: each file is kept, or says why not."""
    top, rng = tmp_path / "my loops é", np.random.default_rng(1)
    good = drum_loop(100, 2, RATE, seed=1)
    write(top / "Kit_100_Amin.wav", good)
    write(top / "sub/Kit_100_Amin.wav", drum_loop(100, 2, RATE, seed=2, step=1))  # the same name in another folder
    write(top / "日本 bpm 140.flac", drum_loop(140, 4, RATE, seed=3, step=1))
    write(top / "b 126bpm.ogg", drum_loop(126, 2, RATE, seed=4, step=1))
    eight = np.zeros((len(good), 8), dtype=np.float32)
    eight[:, 3] = drum_loop(100, 2, RATE, seed=5, step=4)
    write(top / "eight channels 100bpm.wav", eight)
    write(top / "fast rate 120bpm.wav", drum_loop(120, 1, 192_000, seed=6, step=4), 192_000)
    write(top / "copy of Kit 100bpm.wav", np.roll(0.3 * good, 1000))
    write(top / "bad/silence 120bpm.wav", np.zeros(2 * RATE))
    write(top / "bad/one sample.wav", np.ones(1))
    write(top / "bad/nan 120bpm.wav", np.full(2 * RATE, np.nan, dtype=np.float32), subtype="FLOAT")
    (top / "bad/text.wav").write_text("not audio")
    (top / "bad/empty.wav").write_bytes(b"")
    whole = write(top / "bad/cut.flac", good).read_bytes()
    (top / "bad/cut.flac").write_bytes(whole[: len(whole) // 2])
    write(top / "bad/noise.wav", 0.1 * rng.standard_normal(7 * RATE))
    hit = np.zeros(RATE)
    hit[:4000] = np.exp(-np.arange(4000) / 500) * np.sin(np.arange(4000) * 0.05)
    write(top / "One Shots/kick.wav", hit)
    write(top / "hit.wav", hit)
    write(top / "bad/snail 120bpm.wav", drum_loop(120, 1, RATE)[: RATE // 8])

    report = prepare(top, tmp_path / "out", SETTINGS, workers=1)

    said = reasons(tmp_path / "out")
    kept = {name for name, reason in said.items() if not reason}
    assert kept == {
        "Kit_100_Amin.wav", "sub/Kit_100_Amin.wav", "日本 bpm 140.flac", "b 126bpm.ogg", "eight channels 100bpm.wav",
        "fast rate 120bpm.wav",
    }  # fmt: skip
    for name, words in {
        "copy of Kit 100bpm.wav": "same as earlier",
        "bad/silence 120bpm.wav": "silent",
        "bad/one sample.wav": "too short",
        "bad/nan 120bpm.wav": "NaN or infinite",
        "bad/text.wav": "cannot read bad/text.wav",
        "bad/empty.wav": "cannot read bad/empty.wav",
        "bad/cut.flac": "",
        "bad/noise.wav": "tempo not sure",
        "One Shots/kick.wav": "one-shot",
        "hit.wav": "one-shot",
        "bad/snail 120bpm.wav": "too short",
    }.items():
        assert said[name], name
        assert words in said[name]
    assert report.files == len(said) == 17
    (copy,) = [line for line in read_report(tmp_path / "out") if line["file"].startswith("copy")]
    assert {twin["file"] for twin in copy["duplicates"]} == {"Kit_100_Amin.wav"}
    data = PreparedData.open(tmp_path / "out")
    assert len(data) == report.rows
    assert set(data.column("file")) == kept
    by_file = dict(zip(data.column("file"), data.records, strict=True))
    assert by_file["Kit_100_Amin.wav"]["key"] == "A minor"
    assert by_file["日本 bpm 140.flac"]["bpm"] == pytest.approx(140, rel=1e-3)
    audio = data.audio(range(len(data)))
    assert all(click_ratio(bar) < 0.4 for bar in audio)
    assert np.all(np.abs(audio).max(axis=1) > 0.05)
    assert np.isfinite(data.log_mel(range(len(data)))).all()


def test_bars_of_a_loop_at_its_own_tempo_land_on_the_grid(tmp_path: Path) -> None:
    """Kick on 1 and 3, snare on 2 and 4 of a loop at 93 BPM: in the prepared bar they are at 0, 0.5, 1 and 1.5 s."""
    write(tmp_path / "in/groove_93bpm.wav", drum_loop(93, 4, 44_100, step=4), 44_100)
    prepare(tmp_path / "in", tmp_path / "out", SETTINGS.model_copy(update={"duplicate": 1.0}), workers=1)
    data = PreparedData.open(tmp_path / "out")
    assert len(data) == 4
    for bar in data.audio(range(4)):
        power = np.convolve(np.abs(bar), np.ones(64), "same")
        for beat in range(4):
            around = (beat * 8000 + np.arange(-800, 3000)) % 32_000
            attack = np.flatnonzero(power[around] > 0.3 * power[around].max())[0] - 800
            assert -80 < attack < 80  # 5 ms


@pytest.mark.parametrize(("bars", "rows"), [(1, 4), (2, 2), (4, 1)])
def test_rows_of_more_bars_are_longer_circles(tmp_path: Path, bars: int, rows: int) -> None:
    write(tmp_path / "in/a_125bpm.wav", drum_loop(125, 4, RATE, step=1))
    settings = PrepareSettings(mel=LOOP16, bars=bars, duplicate=1.0)  # type: ignore[arg-type]
    prepare(tmp_path / "in", tmp_path / "out", settings, workers=1)
    data = PreparedData.open(tmp_path / "out")
    assert data.log_mel(range(len(data))).shape == (rows, 64, 256 * bars)
    assert data.audio([0]).shape == (1, 32_000 * bars)


def test_the_published_analysis(tmp_path: Path) -> None:
    write(tmp_path / "in/a_120bpm.wav", 0.2 * drum_loop(120, 1, 16_000), 16_000)
    prepare(tmp_path / "in", tmp_path / "out", PrepareSettings(mel=PAPER16), workers=1)
    data = PreparedData.open(tmp_path / "out")
    assert data.log_mel([0]).shape == (1, 64, 200)
    assert np.abs(data.audio([0])).max() == pytest.approx(1.0, abs=1e-4)


def test_tables_json_tags_and_acid_speak(tmp_path: Path) -> None:
    top = tmp_path / "in"
    x = drum_loop(110, 2, RATE, step=1)
    write(top / "t.wav", x)
    (top / "list.csv").write_text("Filename,Tempo,License,Author,Genre\nt.wav,110,CC BY 4.0,Ann,funk\n", encoding="utf-8")
    write(top / "j.wav", drum_loop(95, 2, RATE, seed=2, step=1))
    (top / "j.json").write_text('{"bpm": 95, "key": "Am", "pack": "P"}', encoding="utf-8")
    y = drum_loop(87, 2, RATE, seed=3, step=4)  # 174 without a word
    write_wav(top / "a.wav", y, RATE, chunks=loop_chunks(len(y), RATE, exact_bpm(len(y), 8, RATE), 8, {}))
    prepare(top, tmp_path / "out", SETTINGS, workers=1)
    data = PreparedData.open(tmp_path / "out")
    rows = {record["file"]: record for record in data.records}
    assert (rows["t.wav"]["licence"], rows["t.wav"]["attribution"], rows["t.wav"]["style"]) == ("CC-BY-4.0", "Ann", "funk")
    assert (rows["j.wav"]["source"], round(rows["j.wav"]["bpm"])) == ("P", 95)
    assert round(rows["a.wav"]["bpm"]) == 87
    prepare(top, tmp_path / "free", SETTINGS.model_copy(update={"licences": ("cc-by",)}), workers=1)
    assert set(PreparedData.open(tmp_path / "free").column("file")) == {"t.wav"}
    assert reasons(tmp_path / "free")["j.wav"] == "has no stated licence"


def test_a_wrong_tempo_in_a_name_is_reported_and_can_be_overruled(tmp_path: Path) -> None:
    write(tmp_path / "in/groove_97bpm.wav", drum_loop(126, 4, RATE, step=1))
    (line,) = dry_run(tmp_path / "in", SETTINGS, workers=1)
    assert line["bpm"] == pytest.approx(126, rel=1e-3)
    assert "the name says 97 BPM, the audio 126.00" in line["notes"]
    (line,) = dry_run(tmp_path / "in", SETTINGS.model_copy(update={"bpm": 63.0}), workers=1)
    assert line["bpm"] == pytest.approx(63, rel=1e-3)


def test_nothing_usable(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="holds no audio files"):
        prepare(tmp_path / "in", tmp_path / "out", SETTINGS)
    (tmp_path / "in/a.wav").write_text("x")
    with pytest.raises(InputError, match=r"nothing usable in .*: 1 files, all rejected. The first: a.wav: cannot read"):
        prepare(tmp_path / "in", tmp_path / "out", SETTINGS)


def loops(top: Path, count: int) -> Path:
    for i in range(count):
        write(top / f"{i:03d}_{90 + 2 * i}bpm.wav", drum_loop(90 + 2 * i, 2, 16_000, seed=i, step=(1, 2, 4)[i % 3]), 16_000)
    return top


def test_finished_work_is_left_alone_and_other_work_is_not_overwritten(tmp_path: Path) -> None:
    top = loops(tmp_path / "in", 3)
    first = prepare(top, tmp_path / "out", SETTINGS, workers=1)
    stamp = (tmp_path / "out/stats.json").stat().st_mtime_ns
    again = prepare(top, tmp_path / "out", SETTINGS, workers=1)
    assert again.up_to_date
    assert again.rows == first.rows
    assert (tmp_path / "out/stats.json").stat().st_mtime_ns == stamp
    with pytest.raises(InputError, match=r"other settings \(settings.bars: 1 -> 2\)\. .* --overwrite"):
        prepare(top, tmp_path / "out", SETTINGS.model_copy(update={"bars": 2}), workers=1)
    report = prepare(top, tmp_path / "out", SETTINGS.model_copy(update={"bars": 2}), workers=1, overwrite=True)
    assert report.rows == len(PreparedData.open(tmp_path / "out")) == 3


def test_the_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    top = loops(tmp_path / "in", 8)
    prepare(top, tmp_path / "one", SETTINGS, workers=1)
    prepare(top, tmp_path / "two", SETTINGS, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def contents(out: Path) -> dict[str, bytes]:
    return {str(f.relative_to(out)): f.read_bytes() for f in sorted(out.rglob("*")) if f.is_file() and f.name != ".lock"}


def test_two_at_once_the_second_is_refused(tmp_path: Path) -> None:
    top = loops(tmp_path / "in", 2)
    code = (
        "import sys, time; from pathlib import Path; from loopwright.files import locked\n"
        f"with locked(Path({str(tmp_path / 'out')!r}), 'preparing into'):\n print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=f"another process \\(number {holder.pid}\\) is preparing into"):
            prepare(top, tmp_path / "out", SETTINGS, workers=1)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert prepare(top, tmp_path / "out", SETTINGS, workers=1).rows  # the lock died with its holder


COMMAND = "import sys; from loopwright.cli import main; main()"


@pytest.mark.slow
def test_killed_at_random_moments_and_continued_gives_the_same_bytes(tmp_path: Path) -> None:
    top = loops(tmp_path / "in", 24)
    prepare(top, tmp_path / "whole", SETTINGS, workers=1)
    out = tmp_path / "out"
    argv = [sys.executable, "-c", COMMAND, "prepare", str(top), "-o", str(out), "--repr", "loop16", "--workers", "1"]
    rng = np.random.default_rng(0)
    killed = 0
    for _ in range(2):
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        journal = out / ".work" / "journal.jsonl"
        before = journal.read_bytes().count(b"\n") if journal.exists() else 0
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:  # until it has done a few more files
            if journal.exists() and journal.read_bytes().count(b"\n") > before + rng.integers(1, 5):
                break
            time.sleep(0.002)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed >= 1
    done = (out / ".work/journal.jsonl").read_bytes().count(b"\n")
    report = prepare(top, out, SETTINGS, workers=1)
    assert report.continued == done > 0
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a limit on file sizes, which Windows has not")
def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    """A limit on file size stands for the full disk: the write fails half-way, with errno set, as ENOSPC would."""
    top = loops(tmp_path / "in", 6)
    prepare(top, tmp_path / "whole", SETTINGS, workers=1)
    out = tmp_path / "out"
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)); " + COMMAND
    argv = [sys.executable, "-c", code, "prepare", str(top), "-o", str(out), "--repr", "loop16", "--workers", "1"]
    failed = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert failed.stderr.strip().splitlines()[-1].startswith(f"Error: cannot write to {out}: File too large.")
    assert "Free some space" in failed.stderr
    assert "Traceback" not in failed.stderr
    prepare(top, out, SETTINGS, workers=1)
    assert contents(out) == contents(tmp_path / "whole")


def work_that_dies(found: FoundFile, facts: Facts, settings: PrepareSettings, dry: bool) -> Outcome:
    if found.name == "3":
        os._exit(1)
    return Outcome(found.name, notes=["done"])


@pytest.mark.slow
def test_a_file_that_kills_its_worker_is_one_rejected_file() -> None:
    jobs = [(FoundFile(Path(str(i)), str(i), 0, 0), Facts()) for i in range(5)]
    got = list(outcomes(jobs, SETTINGS, 2, work=work_that_dies))
    assert [outcome.name for outcome in got] == [str(i) for i in range(5)]
    assert [outcome.name for outcome in got if outcome.reason] == ["3"]
    assert "crashed" in got[3].reason


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    from loopwright.data.process import process_file

    path = write(tmp_path / "a_120bpm.wav", drum_loop(120, 2, RATE))
    state = path.stat()
    found = FoundFile(path, path.name, state.st_size, state.st_mtime_ns - 1)
    assert process_file(found, Facts(), SETTINGS).reason == "changed while it was read"


def test_acid_is_not_believed_against_the_length(tmp_path: Path) -> None:
    """Many programs write 120 BPM and 4 beats into every file."""
    x = drum_loop(140, 4, RATE, step=1)
    path = write(tmp_path / "in/a.wav", x)
    acid = struct.pack("<4sIIHHfIHHf", b"acid", 24, 4, 60, 0x8000, 0.0, 4, 4, 4, 120.0)
    raw = path.read_bytes() + acid
    path.write_bytes(raw[:4] + struct.pack("<I", len(raw) - 8) + raw[8:])
    (line,) = dry_run(tmp_path / "in", SETTINGS, workers=1)
    assert line["bpm"] == pytest.approx(140, rel=1e-3)


def test_the_report_is_json_lines(tmp_path: Path) -> None:
    prepare(loops(tmp_path / "in", 2), tmp_path / "out", SETTINGS, workers=1)
    lines = [json.loads(line) for line in (tmp_path / "out/report.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["file"] for line in lines] == ["000_90bpm.wav", "001_92bpm.wav"]
    assert all(line["evidence"] for line in lines)
