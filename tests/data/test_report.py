"""What a folder's owner is told: kinds, tuning, waltzes, what was passed over, and the one thing most worth doing."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sounds import drum_loop

from loopwright.config import REPRESENTATIONS
from loopwright.data.hints import findings, most_worth
from loopwright.data.kinds import kind_from_name
from loopwright.data.prepared import PreparedData
from loopwright.data.report import PrepareReport
from loopwright.data.scan import Passed, find_audio
from loopwright.data.settings import PrepareSettings
from loopwright.errors import InputError
from loopwright.metrics.pitch import tuning
from loopwright.tasks.prepare import dry_run, prepare

RATE = 22_050
SETTINGS = PrepareSettings(mel=REPRESENTATIONS["loop16"])


def write(path: Path, x: np.ndarray, rate_hz: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, x, rate_hz)
    return path


def chords(cents: float, rate_hz: int = RATE) -> np.ndarray:
    """Two bars at 120 of a minor chord's arpeggio, so many cents off."""
    t = np.arange(rate_hz // 2) / rate_hz
    out = []
    for note in (57, 60, 64, 69, 57, 60, 64, 72):
        f = 440 * 2 ** ((note - 69 + cents / 100) / 12)
        out.append(np.exp(-t * 3) * sum(np.sin(2 * np.pi * h * f * t) / h for h in (1, 2, 3)))
    return 0.2 * np.concatenate(out)


def look(top: Path, settings: PrepareSettings = SETTINGS) -> tuple[PrepareReport, list[dict[str, object]]]:
    report = PrepareReport()
    return report, list(dry_run(top, settings, workers=1, report=report))


@pytest.mark.parametrize("cents", [-37.0, 22.0])
@pytest.mark.parametrize("bpm", [120, 97])
def test_tuning_is_measured_removed_and_kept_in_the_manifest(tmp_path: Path, cents: float, bpm: int) -> None:
    x = chords(cents)
    rate = round(RATE * bpm / 120)  # the same samples as a loop of another tempo: the pitch goes with it
    off = cents + 1200 * np.log2(bpm / 120)
    off -= 100 * round(off / 100)
    write(tmp_path / f"in/arp {bpm}bpm.wav", x, rate)
    prepare(tmp_path / "in", tmp_path / "out", SETTINGS, workers=1)
    data = PreparedData.open(tmp_path / "out")
    record = data.records[0]
    assert record["tuning_cents"] == pytest.approx(off, abs=3)
    assert record["tuned_cents"] == -record["tuning_cents"]
    assert abs(float(tuning(data.audio([0]), data.mel.rate_hz).offset[0])) < 4
    prepare(tmp_path / "in", tmp_path / "as-is", SETTINGS.model_copy(update={"tune": False}), workers=1)
    left = PreparedData.open(tmp_path / "as-is")
    assert "tuned_cents" not in left.records[0]
    assert float(tuning(left.audio([0]), left.mel.rate_hz).offset[0]) == pytest.approx(off, abs=4)


def test_what_is_in_tune_and_drums_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "a 120bpm.wav", chords(2.0))
    write(tmp_path / "b 120bpm.wav", drum_loop(120, 2, RATE, step=1))
    prepare(tmp_path, tmp_path.parent / "out-tuned", SETTINGS, workers=1)
    prepare(tmp_path, tmp_path.parent / "out-plain", SETTINGS.model_copy(update={"tune": False}), workers=1)
    tuned, plain = (PreparedData.open(tmp_path.parent / f"out-{name}") for name in ("tuned", "plain"))
    assert np.array_equal(tuned.audio([0, 2]), plain.audio([0, 2]))


def test_key_kind_and_confidence_are_in_the_manifest(tmp_path: Path) -> None:
    write(tmp_path / "in/a 120bpm Cmaj.wav", chords(0))
    write(tmp_path / "in/b 120bpm.wav", drum_loop(120, 2, RATE, step=1, seed=3))
    prepare(tmp_path / "in", tmp_path / "out", SETTINGS, workers=1)
    tonal, drums = (PreparedData.open(tmp_path / "out").records[i] for i in (0, -1))
    assert (tonal["kind"], tonal["key"], tonal["key_heard"]) == ("tonal", "C major", "A minor")
    assert 0 < tonal["key_confidence"] < 1
    assert (drums["kind"], drums["key"]) == ("drums", "")
    stats = json.loads((tmp_path / "out/stats.json").read_text(encoding="utf-8"))
    assert stats["kinds"] == {"tonal": 1, "drums": 1}
    report, _ = look(tmp_path / "in")
    assert any("house-drums" in line and "house-tonal" in line for line in findings(report))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Drums/Loop 1.wav", "drums"),
        ("Pack/Bass_120_Am.wav", "tonal"),
        ("drum and bass full mix.wav", ""),
        ("Drum Loops/synth.wav", "tonal"),
        ("FX/riser.wav", "other"),
        ("loop_120.wav", ""),
    ],
)
def test_kinds_by_name(name: str, kind: str) -> None:
    assert kind_from_name(name) == kind


def test_nothing_is_passed_over_in_silence(tmp_path: Path) -> None:
    for name in ("a.m4a", "b.M4A", "c.rx2", "sub/d.mid", "e.zip", "notes.txt", "cover.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(100))
    (tmp_path / "gone.wav").symlink_to("nothing")
    write(tmp_path / "g 120bpm.wav", drum_loop(120, 1, RATE, step=1))
    passed = Passed()
    assert [found.name for found in find_audio(tmp_path, passed)] == ["g 120bpm.wav"]
    assert passed.lines() == [
        "2 files of other formats passed over: .m4a (convert to WAV or FLAC, e.g. with ffmpeg)",
        "1 file of other formats passed over: .rx2 (export the loops as WAV from a program that reads them)",
        "1 file of other formats passed over: .mid (they hold notes, not sound: render them to WAV)",
        "1 file of other formats passed over: .zip (unpack it)",
        "1 entry with audio names passed over: no files",
    ]
    report, _ = look(tmp_path)
    assert report.said == passed.lines()
    assert most_worth(report).startswith("2 files of other formats")
    report = prepare(tmp_path, tmp_path.parent / "passed-out", SETTINGS, workers=1)
    again = prepare(tmp_path, tmp_path.parent / "passed-out", SETTINGS, workers=1)
    assert again.up_to_date
    assert again.said == report.said == passed.lines()


def test_a_folder_of_other_formats_only(tmp_path: Path) -> None:
    (tmp_path / "a.rx2").write_bytes(bytes(100))
    with pytest.raises(InputError, match=r"holds no audio files .* 1 file of other formats passed over: \.rx2 \(export"):
        look(tmp_path)


@pytest.mark.parametrize("form", ["WAV", "AIFF", "FLAC", "CAF"])
def test_files_of_old_macs_have_no_suffix(tmp_path: Path, form: str) -> None:
    soundfile.write(tmp_path / "Loop 120bpm", drum_loop(120, 1, RATE, step=1), RATE, format=form)
    (tmp_path / "README").write_text("x" * 100)
    _, (line,) = look(tmp_path)
    assert (line["file"], line["reason"]) == ("Loop 120bpm", "")


@pytest.mark.parametrize(
    ("form", "subtype", "suffix"),
    [
        ("AIFF", "PCM_16", "aifc"),
        ("OGG", "OPUS", "opus"),
        ("OGG", "VORBIS", "oga"),
        ("CAF", "PCM_16", "caf"),
        ("W64", None, "w64"),
    ],
)
def test_formats_that_are_read(tmp_path: Path, form: str, subtype: str | None, suffix: str) -> None:
    soundfile.write(tmp_path / f"a 120bpm.{suffix}", drum_loop(120, 2, 24_000, step=1), 24_000, format=form, subtype=subtype)
    _, (line,) = look(tmp_path)
    assert (line["reason"], line["rows"]) == ("", 2)


def test_waltzes_are_named_in_the_summary(tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / f"w{i} 120bpm.wav", drum_loop(120, 2, RATE, beats_per_bar=3, step=1, seed=i))
    report, _ = look(tmp_path)
    assert any("3 files of 3 or 6 beats: waltzes? try --beats-per-bar 3" in line for line in findings(report))
    assert most_worth(report) == "prepare 3 files of 3 or 6 beats with --beats-per-bar 3"
    report, _ = look(tmp_path, SETTINGS.model_copy(update={"beats_per_bar": 3}))
    assert report.kept == 3
    assert not most_worth(report, 3)


@pytest.mark.parametrize("out", ["in", "in/out", "in/sub/out", "link", "in/../in/out"])
def test_the_output_may_not_be_the_input_or_lie_in_it(tmp_path: Path, out: str) -> None:
    write(tmp_path / "in/a 120bpm.wav", drum_loop(120, 1, RATE, step=1))
    (tmp_path / "link").symlink_to(tmp_path / "in")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"the folder of loops: the next run would take it for loops. Choose") as error:
        prepare(tmp_path / "in", tmp_path / out, SETTINGS, workers=1)
    assert sorted(tmp_path.rglob("*")) == before
    told = str(error.value).rpartition("-o ")[2].rstrip(".")
    assert prepare(tmp_path / "in", Path(told), SETTINGS, workers=1).rows == 1


def test_no_message_suggests_to_prepare_a_folder_into_itself(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a prepared folder") as error:
        PreparedData.open(tmp_path)
    folder, out = str(error.value).partition("loopwright prepare ")[2].split(" -o ")
    assert Path(folder).resolve() not in (Path(out).resolve(), *Path(out).resolve().parents)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux allows any bytes in names")
def test_names_of_any_bytes_go_through(tmp_path: Path) -> None:
    write(tmp_path / "in/x.wav", drum_loop(120, 1, RATE, step=1))
    (tmp_path / "in/x.wav").rename(os.fsdecode(os.fsencode(tmp_path) + b"/in/\xe9t\xe9 120bpm.wav"))
    write(tmp_path / "in/bad.wav", np.zeros(10))
    report = prepare(tmp_path / "in", tmp_path / "out", SETTINGS, workers=1)
    assert report.kept == 1
    assert PreparedData.open(tmp_path / "out").records[0]["file"] == "\\xe9t\\xe9 120bpm.wav"


def test_a_fault_that_nobody_thought_of_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import loopwright.data.process as process

    write(tmp_path / "a 120bpm.wav", drum_loop(120, 1, RATE, step=1))
    write(tmp_path / "b 120bpm.wav", drum_loop(120, 1, RATE, step=1))
    read = process.read_tags

    def torn(path: Path) -> object:
        if path.name.startswith("a"):
            raise KeyError("\udce9")
        return read(path)

    monkeypatch.setattr(process, "read_tags", torn)
    report, lines = look(tmp_path)
    assert [bool(line["reason"]) for line in lines] == [True, False]
    assert "cannot be used (KeyError" in str(lines[0]["reason"])
    assert report.reasons == {"cannot be read as audio": 1}
