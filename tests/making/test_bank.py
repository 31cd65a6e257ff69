"""Clips that a model brings along: drawn by seed, taken from training data with its licences."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from random_model import random_bank, random_model

from loopwright.audio.drum_events import Hit
from loopwright.audio.keys import Key
from loopwright.audio.note_events import Note
from loopwright.config import TONE48
from loopwright.data import PreparedData
from loopwright.data.statistics import MelStats
from loopwright.errors import InputError
from loopwright.files import load_tensors, save_tensors
from loopwright.making.bank import Bank, bank_of
from loopwright.making.clip import Clip, clip_of_rows, key_of
from loopwright.making.export import export_model
from loopwright.models import modelfile
from loopwright.models.config import GeneratorConfig

NOTES = GeneratorConfig(kind="pitch-grid", given=True)
STATS = MelStats(*(np.zeros(320, np.float32) for _ in range(4)))


def prepared(records: list[dict[str, object]]) -> PreparedData:
    return PreparedData(Path("somewhere"), TONE48, 1, STATS, records, 100)


def row(**facts: object) -> dict[str, object]:
    events = [[60, 0.0, 0.25, 0.8, "lead"], [64, 0.5, 0.25, 0.8, "lead"]]
    return {"split": "train", "licence": "CC0-1.0", "key": "Cmaj", "events": events, **facts}


def test_a_bank_holds_free_training_bars_with_known_notes_and_names_whom_to_name() -> None:
    records = [
        row(),
        row(split="validation"),
        row(split="locked"),
        row(licence="CC-BY-NC-4.0"),
        row(licence=""),
        row(events=[]),
        row(events=[["kick", 0.0, 1.0]]),
        row(licence="CC-BY-4.0", attribution="somebody", key=""),
    ]
    bank = Bank.of_data(prepared(records), NOTES)
    assert len(bank.clips) == 2
    assert {clip.key for clip in bank.clips} == {Key(0, minor=False), None}
    assert (bank.licences, bank.attributions) == (("CC-BY-4.0", "CC0-1.0"), ("somebody",))
    assert bank.clips[0].notes[0] == Note(60, 0.0, 0.25, 0.8)
    with pytest.raises(InputError, match="has no training bars whose notes are known and whose licence"):
        Bank.of_data(prepared([row(licence="CC-BY-NC-4.0")]), NOTES)


@pytest.mark.parametrize("kind", ["pitch-grid", "pattern-kit"])
def test_a_bank_comes_back_from_json(kind: str) -> None:
    bank = random_bank(kind)
    again = Bank.from_json(json.loads(json.dumps(bank.to_json())), notes=kind == "pitch-grid", where=Path("x"))
    assert again == bank


def test_seeds_draw_clips_evenly() -> None:
    bank = random_bank("pitch-grid", count=8)
    drawn = [bank.clips.index(bank.draw(seed)) for seed in range(800)]
    counts = np.bincount(drawn, minlength=8)
    assert counts.min() > 65  # 100 expected, standard deviation 9.4
    assert drawn == [bank.clips.index(bank.draw(seed)) for seed in range(800)]


def test_a_run_plays_the_bars_of_its_data_and_an_export_takes_them_along(tmp_path: Path) -> None:
    from loopwright.data.prepared import FORMAT

    file = random_model(tmp_path / "run/checkpoints/best.safetensors", "house-tonal", TONE48, channels=(8, 8, 8, 8, 8))
    tensors, header = load_tensors(file)
    save_tensors(file, tensors, {key: value for key, value in header.items() if key != "bank"})
    assert bank_of(modelfile.read(file)) is None
    with pytest.raises(InputError, match="its training data is not to be found"):
        export_model(str(file), tmp_path / "out.safetensors")
    data = tmp_path / "data"
    data.mkdir()
    facts = {"format": FORMAT, "mel": TONE48.model_dump(), "bars": 1, "rows": 1, "rows_per_shard": 1}
    (data / "stats.json").write_text(json.dumps({**facts, "statistics": STATS.to_json()}))
    (data / "manifest.jsonl").write_text(json.dumps(row()) + "\n")
    (tmp_path / "run/config.json").write_text(json.dumps({"data": str(data)}))
    found = bank_of(modelfile.read(file))
    assert found is not None
    assert [n.note for n in found.clips[0].notes] == [60, 64]
    export_model(str(file), tmp_path / "out.safetensors")
    (data / "stats.json").unlink()
    assert bank_of(modelfile.read(tmp_path / "out.safetensors")) == found


def test_clips_are_repeated_and_cut_and_moved() -> None:
    clip = Clip((Note(60, 0.0, 0.5, 1.0), Note(67, 1.5, 0.5, 1.0)), 2, Key(0, minor=False))
    assert clip.over(4).notes == (*clip.notes, Note(60, 2.0, 0.5, 1.0), Note(67, 3.5, 0.5, 1.0))
    assert clip.over(1).notes == clip.notes[:1]
    assert clip.over(2) is clip
    up = clip.moved(5)
    assert [n.note for n in up.notes] == [65, 72]
    assert up.key == Key(5, minor=False)
    beat = Clip((Hit("kick", 0.0, 1.0),), 1)
    assert beat.moved(5) is beat


def test_the_key_of_a_scale_is_found() -> None:
    for tonic, minor, steps in ((2, False, (0, 2, 4, 5, 7, 9, 11, 12)), (9, True, (0, 2, 3, 5, 7, 8, 10, 12))):
        notes = [Note(48 + tonic + step, i / 8, 0.125 if i else 0.25, 0.8) for i, step in enumerate(steps)]
        found = key_of(notes, 1)
        assert found is not None
        assert found.scale == Key(tonic, minor).scale
    assert key_of([], 1) is None


def test_rows_that_are_no_events_are_refused() -> None:
    with pytest.raises(InputError, match="events are"):
        clip_of_rows([["kick", "soon", 1.0]], 1, notes=False)
    assert clip_of_rows([["theremin", 0.0, 1.0]], 1, notes=False).events == ()  # a role that no kit has
