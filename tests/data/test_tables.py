"""Tables and sidecars as people and their programs write them: used, or said not to be, and never the end of a run."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from pathlib import Path

import pytest

from loopwright.data.facts import facts_of_row, positive_number
from loopwright.data.scan import find_audio
from loopwright.data.sidecars import FactFinder
from loopwright.data.tables import read_table
from loopwright.errors import InputError

COMMA = "file,bpm,bars\ntake.wav,92.5,3\n"


def found(top: Path) -> tuple[object, list[str]]:
    """Tempo and bars of the only file, and what was said."""
    finder = FactFinder(top)
    (file,) = find_audio(top)
    facts = finder.of(file)
    return (facts.bpm, facts.bars), finder.notes()


def put(top: Path, table: bytes, name: str = "loops.csv", file: str = "take.wav") -> Path:
    top.mkdir(exist_ok=True)
    (top / file).write_bytes(b"x")
    (top / name).write_bytes(table)
    return top


@pytest.mark.parametrize(
    ("table", "name"),
    [
        (COMMA.encode(), "loops.csv"),
        (COMMA.replace("\n", "\r\n").encode(), "LOOPS.CSV"),
        (COMMA.replace("\n", "\r").encode(), "mac.csv"),
        ("\ufefffile;bpm;bars\r\ntake.wav;92,5;3\r\n".encode(), "excel.csv"),
        (b"sep=;\nfile;bpm;bars\ntake.wav;92.5;3\n", "sep.csv"),
        (b'"sep=|"\nfile|bpm|bars\ntake.wav|92.5|3\n', "sep.csv"),
        (COMMA.replace(",", "\t").encode(), "tab.csv"),
        (COMMA.replace(",", "\t").encode(), "tab.tsv"),
        (COMMA.encode("utf-16"), "utf16.csv"),
        (COMMA.encode("utf-16-le"), "no-mark.csv"),
        (COMMA.encode("utf-16-be"), "no-mark.csv"),
        (b"file,bpm,bars\nTAKE.WAV,92.5,3\n", "case.csv"),
        (b"BPM ; Bars;File Name\n92,5 BPM;3;take.wav\n", "order.csv"),
        (b"Tempo (BPM),Length in bars,Filename\n92.5,3,take.wav\n", "words.csv"),
        (b"file,bpm,bars\ntake.wav,92,5,3\n", "decimal-comma.csv"),
        (b'"file","bpm","bars"\n"take.wav","92,5","3"\n', "quoted.csv"),
        (b"\n\n;;;\nfile;bpm;bars\ntake;92.5;3\n", "no-suffix.csv"),
        (b"file,bpm,bars\n.\\take.wav,92.5,3\n", "windows.csv"),
        ("file,comment,bpm,bars\ntake.wav,gr\xfc\xdfe,92.5,3\n".encode("cp1252"), "latin.csv"),
        (b"file,bpm,bars\nother.wav,,\n\0take.wav,92.5,3\n", "zeros.csv"),
    ],
)
def test_tables_that_are_used(tmp_path: Path, table: bytes, name: str) -> None:
    assert found(put(tmp_path / "in", table, name)) == ((92.5, 3.0), [])


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (b"", "it is empty"),
        (b"title,tempo\nx,93\n", "no column 'file'"),
        (bytes(range(129, 200)), "no column"),
        (b"file,bpm\n", "it has no rows"),
        (b"file,bpm\nother.wav,93\n", "it names none of the files"),
        (b"file,bpm\n" + b'"' + b"x" * 200_000, "field larger than field limit"),
    ],
)
def test_tables_that_are_not_used_are_said(tmp_path: Path, table: bytes, why: str) -> None:
    facts, (line,) = found(put(tmp_path / "in", table))
    assert facts == (None, None)
    assert "loops.csv was not used: " + why in line


@pytest.mark.parametrize(("disk", "table"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_composed_and_decomposed_names_are_one(tmp_path: Path, disk: str, table: str) -> None:
    name = "Größe Café.wav"
    text = f"file,bpm\n{unicodedata.normalize(table, name)},93\n"  # type: ignore[arg-type]
    top = put(tmp_path / "in", text.encode(), file=unicodedata.normalize(disk, name))  # type: ignore[arg-type]
    assert found(top) == ((93.0, None), [])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux allows any bytes in names")
def test_a_latin_pack_with_its_latin_table(tmp_path: Path) -> None:
    top = put(tmp_path / "in", "file,bpm\nCafé.wav,93\n".encode("cp1252"))
    (top / "take.wav").unlink()
    Path(os.fsdecode(os.fsencode(top) + b"/Caf\xe9.wav")).write_bytes(b"x")
    assert found(top) == ((93.0, None), [])


def test_an_exact_name_counts_before_one_of_other_case(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("file,bpm\nTAKE.wav,90\ntake.wav,93\n")
    table = read_table(tmp_path / "t.csv")
    assert [facts.bpm for name in ("take.wav", "TAKE.wav", "Take.wav") if (facts := table.get(name))] == [93.0, 90.0, 90.0]


@pytest.mark.parametrize("suffix", [".json", ".wav.json"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_beside_the_file(tmp_path: Path, suffix: str, encoding: str) -> None:
    (tmp_path / "take.wav").write_bytes(b"x")
    (tmp_path / f"take{suffix}").write_text('{"BPM": "92,5", "bars": 3}', encoding=encoding)
    assert found(tmp_path) == ((92.5, 3.0), [])


@pytest.mark.parametrize(
    "text",
    [
        "[" * 90_000,
        "{",
        "[1]",
        '"text"',
        '{"bpm": ' + "9" * 5000 + "}",
        "\0\0\0",
    ],
)
def test_json_that_cannot_be_used_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "take.wav").write_bytes(b"x")
    (tmp_path / "take.json").write_text(text)
    facts, (line,) = found(tmp_path)
    assert facts == (None, None)
    assert line.startswith("beside take.wav: ")
    assert str(tmp_path) not in line


ODD: list[object] = [4, 4.5, True, False, None, [], {}, [1, "x"], {"a": 1}, "\ud800", "x" * 5000, -1, 1e400, "\n", "nan"]


@pytest.mark.parametrize(
    "field", ["license", "discard", "bpm", "bars", "beats_per_bar", "split", "key", "kind", "source", "style"]
)
@pytest.mark.parametrize("value", ODD, ids=[repr(value)[:12] for value in ODD])
def test_values_of_any_type(field: str, value: object) -> None:
    facts = facts_of_row({field: value}, "x.json")
    for name in ("licence", "discard", "split", "key", "kind", "source", "style"):
        text = getattr(facts, name)
        assert isinstance(text, str)
        text.encode("utf-8")
    assert facts.bpm is None or 0 < facts.bpm < 1e6


@pytest.mark.parametrize(
    ("value", "discarded"), [(True, True), ("yes", True), (1, True), (False, False), ("no", False), ("", False)]
)
def test_discard(value: object, discarded: bool) -> None:
    assert bool(facts_of_row({"discard": value}, "x").discard) is discarded
    assert facts_of_row({"discard": "two bars late"}, "x").discard == "discarded: two bars late"


@pytest.mark.parametrize(("text", "number"), [("92,5", 92.5), (" 120 BPM ", 120), ("4 bars", 4), ("1,000", 1.0), ("9e9", None)])
def test_numbers(text: str, number: float | None) -> None:
    assert positive_number(text) == number


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
@pytest.mark.parametrize("name", ["loops.csv", "take.json", "metadata.json", "events.jsonl"])
@pytest.mark.parametrize("what", ["pipe", "zero", "folder", "nothing", "itself"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / "take.wav").write_bytes(b"x")
    if what == "pipe":
        os.mkfifo(tmp_path / name)
    elif what == "folder":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).symlink_to({"zero": "/dev/zero", "nothing": "gone", "itself": name}[what])
    facts, said = found(tmp_path)
    assert facts == (None, None)
    assert len(said) <= 1
    if name not in ("metadata.json", "events.jsonl"):
        assert len(said) == 1


def test_a_file_too_large_to_be_a_table(tmp_path: Path) -> None:
    with (tmp_path / "t.csv").open("wb") as handle:
        handle.truncate(1 << 30)  # no byte of it is on the disk
    with pytest.raises(InputError, match="too large"):
        read_table(tmp_path / "t.csv")


def test_annotations_of_wrong_types_cost_nothing(tmp_path: Path) -> None:
    (tmp_path / "7_1.wav").write_bytes(b"x")
    (tmp_path / "audio").mkdir()
    odd = {"genres": 4, "instrumentation": [1], "bpm": {"x": 1}, "key": ["A"], "mode": 3, "signature": 4.5, "discard": "no"}
    (tmp_path / "annotations/a").mkdir(parents=True)
    (tmp_path / "annotations/a/sound-7.json").write_text(json.dumps(odd))
    (tmp_path / "annotations/a/sound-8.json").write_text("[" * 90_000)
    sound = {"username": 4, "name": ["x"], "license": {"y": 1}, "pack_name": 7, "annotations": [120], "tags": None}
    (tmp_path / "metadata.json").write_text(json.dumps({"7": sound, "9": [], "10": None}))
    (facts, said) = found(tmp_path)
    assert facts == (None, None)
    assert said == ["1 annotations cannot be read, e.g. a/sound-8.json", "metadata.json: 2 entries are no sounds, e.g. 9"]


@pytest.mark.parametrize("text", ["{torn", "[]", "[" * 90_000])
def test_metadata_that_cannot_be_read_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "7_1.wav").write_bytes(b"x")
    (tmp_path / "audio").mkdir()
    (tmp_path / "metadata.json").write_text(text)
    _, (line,) = found(tmp_path)
    assert "metadata.json" in line
