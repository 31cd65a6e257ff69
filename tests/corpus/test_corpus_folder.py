"""A corpus on disk: whole or continued, the same bytes however it was made."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from loopwright.cli.corpus import corpus
from loopwright.config import SPLITS
from loopwright.corpus.bar import BAR_SAMPLES, CORPUS_RATE_HZ
from loopwright.corpus.demo import STYLES, DemoRenderer, demo_bars, render_demo
from loopwright.corpus.folder import COLUMNS, WAV_BYTES, RenderedLoop, write_corpus
from loopwright.corpus.groove import ROLES
from loopwright.data.facts import facts_of_row
from loopwright.errors import BusyError, InputError
from loopwright.files import locked
from loopwright.tasks.corpus import make_drums


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class Failing(DemoRenderer):
    """Dies at loop 7, as a killed process would."""

    def loop(self, number: int) -> RenderedLoop:
        if number == 7:
            raise KeyboardInterrupt
        return super().loop(number)


def test_the_demo_folder_is_what_its_table_says(tmp_path: Path) -> None:
    out = render_demo(tmp_path / "demo", 20, seed=0)
    with (out / "loops.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert tuple(rows[0]) == COLUMNS
    assert [row["style"] for row in rows] == [STYLES[i % len(STYLES)] for i in range(20)]
    bars, memory = demo_bars(20, seed=0)
    assert bars.shape == (20, BAR_SAMPLES)
    for row, bar, labels in zip(rows, bars, memory, strict=True):
        info = soundfile.info(out / row["file"])
        assert (info.samplerate, info.channels, info.frames, info.subtype) == (CORPUS_RATE_HZ, 1, BAR_SAMPLES, "PCM_16")
        assert (out / row["file"]).stat().st_size == WAV_BYTES
        read, _ = soundfile.read(out / row["file"])
        np.testing.assert_allclose(read, bar, atol=1.51 / 32767)
        assert {k: v for k, v in row.items() if k != "file"} == labels
    lines = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    assert [line["file"] for line in lines] == [row["file"] for row in rows]
    for row, line in zip(rows, lines, strict=True):
        assert line["events"]
        for event in line["events"]:
            start, loud = event[1], event[2 if row["kind"] == "drum" else 3]
            assert 0 <= start < 1
            assert 0 < loud <= 1
            assert event[0] in ROLES if row["kind"] == "drum" else 20 <= event[0] <= 112
    assert np.abs(bars).max() <= 1.0
    assert len({bar.tobytes() for bar in bars}) == 20
    assert {row["kind"] for row in rows} == {"drum", "synth"}


def test_demo_loops_depend_on_seed_and_number_alone() -> None:
    few, _ = demo_bars(3, seed=4)
    more, _ = demo_bars(5, seed=4)
    other, _ = demo_bars(3, seed=5)
    np.testing.assert_array_equal(few, more[:3])
    assert not np.array_equal(few, other)
    rows = [DemoRenderer(200, 0).loop(i).row for i in range(0, 100, 9)]
    assert {row["split"] for row in rows} == {"train", "validation", "test"}


def test_an_interrupted_corpus_is_continued_to_the_same_bytes(tmp_path: Path) -> None:
    settings = {"corpus": "demo", "n": 12, "seed": 1}
    write_corpus(partial(DemoRenderer, 12, 1), 12, tmp_path / "whole", settings)
    broken = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        write_corpus(partial(Failing, 12, 1), 12, broken, settings)
    assert not (broken / "loops.csv").exists()
    done = sorted((broken / "wav").iterdir())
    assert len(done) == 7
    done[0].write_bytes(done[0].read_bytes()[:1000])  # a truncated file is made again
    (broken / "wav" / "x.part").write_bytes(b"half")
    before = {p.name: p.stat().st_mtime_ns for p in done[1:]}
    assert write_corpus(partial(DemoRenderer, 12, 1), 12, broken, settings) == 6
    assert contents(broken) == contents(tmp_path / "whole")
    assert {name: (broken / "wav" / name).stat().st_mtime_ns for name in before} == before  # kept, not rewritten
    assert write_corpus(partial(DemoRenderer, 12, 1), 12, broken, settings) == 0


@pytest.mark.slow
def test_a_process_killed_outright_is_continued_by_the_same_command(tmp_path: Path) -> None:
    render_demo(tmp_path / "whole", 40, seed=2)
    out = tmp_path / "killed"
    code = f"from pathlib import Path; from loopwright.corpus.demo import render_demo; render_demo(Path({str(out)!r}), 40, 2)"
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 240  # importing torch on a busy machine takes a while
    while len(list(out.glob("wav/*.wav"))) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 3 <= len(list(out.glob("wav/*.wav"))) <= 40
    render_demo(out, 40, seed=2)
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.slow
def test_workers_change_nothing(tmp_path: Path) -> None:
    render_demo(tmp_path / "one", 6, seed=0)
    render_demo(tmp_path / "two", 6, seed=0, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_other_settings_or_strange_files_are_refused(tmp_path: Path) -> None:
    render_demo(tmp_path / "a", 2, seed=0)
    with pytest.raises(InputError, match=r"begun with other settings \(n: 2 -> 3\)"):
        render_demo(tmp_path / "a", 3, seed=0)
    (tmp_path / "b" / "wav").mkdir(parents=True)
    (tmp_path / "b" / "wav" / "mine.wav").write_bytes(b"precious")
    with pytest.raises(InputError, match=r"no corpus\.json explains"):
        render_demo(tmp_path / "b", 2, seed=0)
    assert (tmp_path / "b" / "wav" / "mine.wav").read_bytes() == b"precious"
    (tmp_path / "a" / "corpus.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        render_demo(tmp_path / "a", 2, seed=0)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot write"):
        render_demo(tmp_path / "file", 2, seed=0)


def test_two_processes_on_one_folder_are_not_allowed(tmp_path: Path) -> None:
    with locked(tmp_path, "rendering into"), pytest.raises(BusyError, match="another process"):
        render_demo(tmp_path, 2, seed=0)


def test_drums_from_midi_to_wavs_are_the_same_bytes_each_time(mini_groove: Path, mini_oneshots: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert make_drums(mini_groove, mini_oneshots, tmp_path / name, n=25, seed=0) == 25
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    with (tmp_path / "one" / "loops.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["split"] for row in rows} == {"train", "validation", "test", "locked"}
    assert {row["kind"] for row in rows} == {"drum"}
    assert all((row["performer"] != "") == row["source"].startswith("groove/") for row in rows)
    assert all(row["licence"] and row["source"] and row["kit"] for row in rows)


def test_what_reads_tables_knows_every_side_that_is_written() -> None:
    for side in SPLITS:
        assert facts_of_row({"file": "x.wav", "split": side}, "loops.csv").split == side
    assert facts_of_row({"split": "elsewhere"}, "loops.csv").split == ""


@pytest.mark.slow
@pytest.mark.parametrize("n_bars", [2, 4])
def test_longer_loops_are_exactly_that_long_and_their_table_says_so(
    mini_groove: Path, mini_oneshots: Path, tmp_path: Path, n_bars: int
) -> None:
    make_drums(mini_groove, mini_oneshots, tmp_path, n=13, seed=0, bars=n_bars)
    with (tmp_path / "loops.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    latest = 0.0
    for row, line in zip(rows, (tmp_path / "events.jsonl").read_text().splitlines(), strict=True):
        assert row["bars"] == str(n_bars)
        assert soundfile.info(tmp_path / row["file"]).frames == 2 * CORPUS_RATE_HZ * n_bars
        latest = max(latest, *(start for _, start, _ in json.loads(line)["events"]))
    assert n_bars - 0.3 < latest < n_bars
    assert make_drums(mini_groove, mini_oneshots, tmp_path, n=13, seed=0, bars=n_bars) == 0
    with pytest.raises(InputError, match="other settings"):
        make_drums(mini_groove, mini_oneshots, tmp_path, n=13, seed=0)


def test_commands_show_results_on_stdout_and_the_rest_on_stderr(mini_groove: Path, mini_oneshots: Path, tmp_path: Path) -> None:
    out = tmp_path / "Trommeln & Töne"
    args = [
        "drums",
        "--groove",
        str(mini_groove),
        "--oneshots",
        str(mini_oneshots),
        "-o",
        str(out),
        "-n",
        "4",
        "--workers",
        "1",
    ]
    result = CliRunner().invoke(corpus, args, catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout == f"{out / 'loops.csv'}\n"
    assert "4 loops rendered" in result.stderr
    again = CliRunner().invoke(corpus, args, catch_exceptions=False)
    assert "0 loops rendered (4 were there already)" in again.stderr
    demo = CliRunner().invoke(corpus, ["demo", "-o", str(tmp_path / "demo"), "-n", "2"], catch_exceptions=False)
    assert demo.stdout == f"{tmp_path / 'demo' / 'loops.csv'}\n"
    with pytest.raises(InputError, match="no file"):
        CliRunner().invoke(
            corpus, ["drums", "--groove", "nowhere", "--oneshots", "nowhere", "-o", str(out)], catch_exceptions=False
        )
