"""Real loops end to end: a faithful miniature of the released archives, 60 loops with all oddities, to prepared data."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from sounds import drum_loop

from loopwright.cli import cli
from loopwright.data.prepared import PreparedData
from loopwright.data.scan import find_audio
from loopwright.errors import InputError
from loopwright.tasks.freesound import unpack_freesound

RATE = 16_000
CC0 = "http://creativecommons.org/publicdomain/zero/1.0/"
BY3 = "http://creativecommons.org/licenses/by/3.0/"
BY4 = "https://creativecommons.org/licenses/by/4.0/"
NC = "http://creativecommons.org/licenses/by-nc/3.0/"
SAMPLING = "http://creativecommons.org/licenses/sampling+/1.0/"
LICENCES = (CC0, BY3, NC, CC0, BY4, SAMPLING)


def wav(i: int) -> bytes:
    out = io.BytesIO()
    x = drum_loop(90 + i, 1, RATE, seed=i, step=(1, 2)[i % 2])
    soundfile.write(out, x, RATE, format="WAV", subtype="PCM_16")
    return out.getvalue()


def annotated(i: int, **more: Any) -> dict[str, Any]:
    drums = i % 3 > 0
    return {
        "instrumentation": {"percussion": drums, "bass": not drums, "chords": False, "melody": False, "fx": 0, "vocal": False},
        "bpm": str(90 + i), "defined_tempo": True, "signature": "4/4", "key": "none" if drums else "A", "mode": "none",
        "well_cut": True, "discard": False, "save_for_later": False, "genres": ["Hip Hop"], "comments": "", "username": "ann",
        **more,
    }  # fmt: skip


@pytest.fixture
def archives(tmp_path: Path) -> tuple[Path, Path]:
    """FSL10K.zip and annotations.zip: 60 sounds of 25 people, low and high ids, and what is odd in the real ones."""
    metadata: dict[str, Any] = {}
    sounds: dict[str, bytes] = {}
    notes: dict[str, Any] = {}
    for i in range(60):
        ident = str((7, 43, 120)[i] if i < 3 else 1000 + 7919 * i)
        metadata[ident] = {
            "id": int(ident), "name": f"loop {i} ünï/code {90 + i}bpm.wav", "username": f"user{i % 25}",
            "license": LICENCES[i % 6], "tags": ["loop"], "pack_name": None if i % 2 else f"pack {i // 10}",
            "description": "…", "annotations": {"bpm": 90 + i, "key": "None"} if i % 4 else {},
            "type": "wav", "num_downloads": 3, "image": "x", "pack": None,
        }  # fmt: skip
        sounds[f"FSL10K/audio/wav/{ident}_{5000 + i % 25}.wav.wav"] = wav(i)
        if i % 5 != 4:  # not all are annotated
            notes[f"annotations/{(i % 3) + 1}/sound-{ident}.json"] = annotated(i)
    ids = list(metadata)
    notes[f"annotations/9/sound-{ids[0]}.json"] = annotated(0, bpm="45", defined_tempo=False)
    notes[f"annotations/9/sound-{ids[1]}.json"] = annotated(1, save_for_later=True, discard=True)
    notes[f"annotations/1/sound-{ids[3]}.json"] = annotated(3, discard=True)
    notes[f"annotations/1/sound-{ids[6]}.json"] = annotated(6, genres=7, bpm={"x": 1}, instrumentation="drums")
    notes[f"annotations/1/sound-{ids[9]}.json"] = "torn"
    metadata[ids[12]]["username"] = 4
    metadata[ids[18]] |= {"license": None}
    metadata["77777"] = dict(metadata[ids[3]], name="has no sound", license=CC0)
    metadata["88888"] = []
    sounds["FSL10K/audio/wav/99999_1.wav.wav"] = wav(61)  # in no metadata
    sounds[f"FSL10K/audio/wav/{ids[24]}_5000.wav.wav"] = b"RIFF damaged"
    sounds[f"FSL10K/audio/original/{ids[0]}_5000.wav"] = wav(0)
    sounds["FSL10K/ac_analysis/7_analysis.json"] = b"{}"
    sounds["__MACOSX/FSL10K/audio/wav/._7_5000.wav.wav"] = b"x"
    with zipfile.ZipFile(tmp_path / "FSL10K.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("FSL10K/", b"")
        for name, data in sounds.items():
            archive.writestr(name, data)
        archive.writestr("FSL10K/metadata.json", json.dumps(metadata))
    with zipfile.ZipFile(tmp_path / "annotations.zip", "w") as archive:
        for name, value in notes.items():
            archive.writestr(name, "{torn" if value == "torn" else json.dumps(value))
    return tmp_path / "FSL10K.zip", tmp_path / "annotations.zip"


def test_from_the_archives_to_prepared_data(archives: tuple[Path, Path], tmp_path: Path) -> None:
    out, prepared = tmp_path / "corpus", tmp_path / "prepared"
    argv = ["corpus", "freesound", *map(str, archives), "-o", str(out), "--licence", "cc0,cc-by"]
    result = CliRunner().invoke(cli, [*argv, "--prepared", str(prepared), "--repr", "loop16", "--workers", "1"])
    assert result.exit_code == 0, result.output
    with (out / "loops.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    # 40 of 60 are CC0 or BY; of these one is discarded, one has lost its licence
    assert len(rows) == 38
    assert {row["licence"] for row in rows} == {"CC0-1.0", "CC-BY-3.0", "CC-BY-4.0"}
    assert [found.name for found in find_audio(out)] == sorted(row["file"] for row in rows)
    first = next(row for row in rows if row["file"].startswith("wav/fs0000007 "))
    assert (first["bpm"], first["kind"], first["key"], first["source"]) == ("90.0", "tonal", "A", "user:user0")
    assert first["attribution"] == "loop 0 ünï/code 90bpm.wav by user0 (freesound.org)"
    credits_text = (out / "CREDITS.md").read_text(encoding="utf-8")
    assert credits_text.count("https://freesound.org/s/") == 38
    assert "loop 1 ünï/code 91bpm.wav: CC-BY-3.0, https://freesound.org/s/43/" in credits_text
    for reason in ("10 not taken: licence CC-BY-NC-3.0", "its annotators discarded it", "1 not taken: has no stated licence"):
        assert reason in result.output
    assert "its sound is not in the archive" in result.output
    assert "not named in metadata.json" in result.output
    data = PreparedData.open(prepared)
    tempi = {record["file"]: record["bpm"] for record in data.records}
    for row in rows:
        if row["bpm"] and row["file"] in tempi:
            assert tempi[row["file"]] == pytest.approx(float(row["bpm"]), rel=2e-4)
    assert len(tempi) >= 35  # all but the damaged one and near-duplicates
    assert all(record["licence"] and record["attribution"] for record in data.records if record["source"].startswith("user:"))
    sources = {split: set(data.column("source", data.indices(split))) for split in ("train", "test")}
    assert not sources["train"] & sources["test"]


def test_it_continues_and_takes_unpacked_folders(archives: tuple[Path, Path], tmp_path: Path) -> None:
    first = unpack_freesound(archives, tmp_path / "out", licences=("cc0",))
    assert first.made == first.files == 18
    (tmp_path / "out/wav").joinpath(sorted(f.name for f in (tmp_path / "out/wav").iterdir())[0]).write_bytes(b"half")
    again = unpack_freesound(archives, tmp_path / "out", licences=("cc0",))
    assert (again.files, again.made) == (18, 1)
    for archive in archives:
        zipfile.ZipFile(archive).extractall(tmp_path / "unpacked")
    folder = unpack_freesound([tmp_path / "unpacked"], tmp_path / "out2", licences=("cc0",))
    assert (folder.files, folder.licences) == (18, first.licences)
    for name in ("loops.csv", "CREDITS.md"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "out2" / name).read_bytes()


def test_without_annotations_it_says_what_is_missing(archives: tuple[Path, Path], tmp_path: Path) -> None:
    result = unpack_freesound(archives[:1], tmp_path / "out", licences=(), limit=5)
    assert result.files == 5
    assert any("give annotations.zip too" in line for line in result.said)


def test_damaged_archives_are_one_line(archives: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "half.zip").write_bytes(archives[0].read_bytes()[:5000])
    with pytest.raises(InputError, match=r"half\.zip is no whole ZIP archive"):
        unpack_freesound([tmp_path / "half.zip"], tmp_path / "out", licences=())
    with pytest.raises(InputError, match=r"no metadata\.json"):
        unpack_freesound(archives[1:], tmp_path / "out", licences=())
    with pytest.raises(InputError, match=r"no sound of .* can be used"):
        unpack_freesound(archives, tmp_path / "out", licences=("unlicense",))


def test_a_damaged_member_is_one_sound(archives: tuple[Path, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(archives[0]) as archive:
        info = next(info for info in archive.infolist() if info.filename.startswith("FSL10K/audio/wav/7_"))
    data = bytearray(archives[0].read_bytes())
    at = info.header_offset + 200
    data[at : at + 40] = bytes(np.frombuffer(bytes(data[at : at + 40]), np.uint8) ^ 0x55)
    archives[0].write_bytes(data)
    result = unpack_freesound(archives, tmp_path / "out", licences=("cc0",))
    assert result.files == 17
    assert "7_5000" in result.said[-1]


def test_names_in_an_archive_lead_nowhere_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("metadata.json", json.dumps({"7": {"name": "../../../x\n/etc", "username": "u", "license": CC0}}))
        archive.writestr("../../7_1.wav", wav(0))
    unpack_freesound([tmp_path / "evil.zip"], tmp_path / "deep/er/out", licences=("cc0",))
    files = list(tmp_path.rglob("*.wav"))
    assert [path.parent for path in files] == [tmp_path / "deep/er/out/wav"]
