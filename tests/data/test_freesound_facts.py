"""The Freesound Loop Dataset's layout, on a miniature with the real one's field names, quirks and gaps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loopwright.data.facts import Facts
from loopwright.data.freesound import is_freesound, read_freesound, sound_id
from loopwright.data.scan import find_audio
from loopwright.data.sidecars import FactFinder
from loopwright.errors import InputError


def annotation(**more: Any) -> dict[str, Any]:
    """One annotator's file as released."""
    return {
        "instrumentation": {"percussion": True, "bass": False, "chords": False, "melody": False, "fx": False, "vocal": False},
        "bpm": "120",
        "signature": "4/4",
        "key": "none",
        "mode": "none",
        "well_cut": True,
        "discard": False,
        "genres": ["Bass Music"],
        **more,
    }


@pytest.fixture
def miniature(tmp_path: Path) -> Path:
    top = tmp_path / "FSL10K"
    metadata = {
        "43": {
            "id": 43, "name": "drumloop 01.wav", "username": "anna", "license": "http://creativecommons.org/licenses/by/3.0/",
            "tags": ["loop", "120bpm"], "pack_name": "Drums", "annotations": {"bpm": 60, "key": "None"},
        },
        "1007": {
            "id": 1007, "name": "bassline", "username": "anna", "license": "http://creativecommons.org/publicdomain/zero/1.0/",
            "tags": [], "pack_name": None, "annotations": {"bpm": 140},
        },
        "2": {"id": 2, "name": "x", "username": "bob", "license": "", "tags": [], "annotations": {}},
        "3": "broken",
    }  # fmt: skip
    notes = {
        ("ann1", "43"): annotation(),
        ("ann2", "43"): annotation(bpm="119.5"),
        ("ann3", "43"): annotation(bpm="120"),
        ("ann1", "1007"): annotation(
            bpm=140, key="A", mode="minor", signature="3/4",
            instrumentation={"percussion": False, "bass": True, "melody": False, "chords": False, "fx": False, "vocal": False},
        ),
        ("ann1", "2"): annotation(discard=True),
    }  # fmt: skip
    for (who, ident), value in notes.items():
        path = top / "annotations" / who / f"sound-{ident}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")
    (top / "annotations" / "ann2" / "sound-2.json").write_text("{torn", encoding="utf-8")
    (top / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    (top / "fs_analysis").mkdir()
    wav = top / "audio" / "wav"
    wav.mkdir(parents=True)
    for name in ("43_5.wav.wav", "1007_5.wav.wav", "2_9.wav.wav", "999_1.wav.wav"):
        (wav / name).write_bytes(b"")
    return top


def test_facts(miniature: Path) -> None:
    assert is_freesound(miniature)
    facts = read_freesound(miniature)
    assert facts["43"] == Facts(
        bpm=120.0, beats_per_bar=4, key="", source="user:anna", style="Bass Music", kind="drums", licence="CC-BY-3.0",
        attribution="drumloop 01.wav by anna (freesound.org)", origin="metadata.json",
    )  # fmt: skip
    bass = facts["1007"]
    assert (bass.bpm, bass.beats_per_bar, bass.key, bass.kind, bass.licence) == (140.0, 3, "A minor", "tonal", "CC0-1.0")
    assert facts["2"].discard == "its annotators discarded it"
    assert "3" not in facts


def test_the_finder_connects_files_and_sounds(miniature: Path) -> None:
    finder = FactFinder(miniature)
    by_name = {found.name.rsplit("/", 1)[-1]: finder.of(found) for found in find_audio(miniature)}
    assert by_name["43_5.wav.wav"].bpm == 120.0
    assert by_name["1007_5.wav.wav"].source == by_name["43_5.wav.wav"].source  # one uploader is never on two sides
    assert by_name["999_1.wav.wav"] == Facts()


@pytest.mark.parametrize(
    ("name", "ident"), [("audio/wav/43_5.wav.wav", "43"), ("43.wav", "43"), ("a43.wav", ""), ("4x.wav", "")]
)
def test_sound_ids(name: str, ident: str) -> None:
    assert sound_id(name) == ident


def test_torn_metadata(miniature: Path) -> None:
    (miniature / "metadata.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot read .*metadata\.json"):
        read_freesound(miniature)


def test_no_opinion_yet_and_no_tempo_defined_are_heeded(miniature: Path) -> None:
    base = miniature / "annotations"
    (base / "ann1/sound-43.json").write_text(json.dumps(annotation(bpm="90", defined_tempo=False)))
    (base / "ann2/sound-43.json").write_text(json.dumps(annotation(bpm="90", save_for_later=True, discard=True)))
    facts = read_freesound(miniature)["43"]
    assert (facts.bpm, facts.discard) == (120.0, "")
