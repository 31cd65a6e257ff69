"""A transcriber from a prepared folder: killed runs go on, what is written is read, mistakes are told."""

from __future__ import annotations

import json
from pathlib import Path

import note_bars
import numpy as np
import pytest
import torch

from loopwright.data import PreparedData
from loopwright.errors import ConfigError, InputError
from loopwright.features.notes_loop import note_targets
from loopwright.features.registry import read_transcriber
from loopwright.features.weights import read_weights
from loopwright.tasks.train_transcriber import (
    FRAMES_TRIED,
    choose_thresholds,
    make_config,
    note_counts,
    rows_with_notes,
    scores_by_style,
    train_transcriber,
)
from loopwright.training.transcriber_loop import TranscriberConfig, known_notes

SMALL = TranscriberConfig(contour=2, notes=4, onsets=4, steps=4, batch=2, heard_frames=32)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return note_bars.write_notes(tmp_path_factory.mktemp("notes") / "prepared").path


def test_a_killed_run_continues_as_if_it_had_not_been(prepared: Path, tmp_path: Path) -> None:
    whole = train_transcriber(prepared, tmp_path / "whole", SMALL, every=2)

    class Killed(Exception):  # noqa: N818
        pass

    def kill(*_: object) -> None:
        raise Killed

    with pytest.raises(Killed):
        train_transcriber(prepared, tmp_path / "broken", SMALL, every=2, report=kill)
    assert not (tmp_path / "broken" / "notes_loop.safetensors").exists()
    continued = train_transcriber(prepared, tmp_path / "broken", SMALL, every=2)
    first, second = (read_transcriber("notes_loop", path) for path in (whole, continued))
    for (name, a), (_, b) in zip(first.named_parameters(), second.named_parameters(), strict=True):
        assert torch.equal(a, b), name
    assert first.rows == 320
    scores = json.loads((tmp_path / "whole" / "f1.json").read_text())
    assert set(scores["test"]) == {"all", "arp", "bass"}
    assert (scores["test"]["all"]["bars"], scores["test"]["all"]["played"]) == (16, 64)
    longer = SMALL.model_copy(update={"steps": 5})
    assert read_weights(train_transcriber(prepared, tmp_path / "broken", longer, every=5))[1]["steps"] == 5
    with pytest.raises(ConfigError, match=r"begun with other settings \(lr: 0.006 -> 0.002\)"):
        train_transcriber(prepared, tmp_path / "broken", SMALL.model_copy(update={"lr": 0.002}))


def test_what_is_heard_right_is_scored_right(prepared: Path) -> None:
    """Posteriors drawn from the truth, one note in four silenced, one bar's notes raised by a semitone."""
    data = PreparedData.open(prepared)
    rows = rows_with_notes(data, "test")
    drawn = [note_targets(known_notes(events), 128, 2.0) for events in data.column("events", rows)]
    notes, onsets = (np.stack(x) for x in zip(*drawn, strict=True))
    onsets *= np.tile([0.5, 1.0, 0.5], 43)[1:129]  # peaks
    silent = np.arange(128) >= 90  # the last of the four beats
    heard = np.where(silent, 0, 0.55 * notes), np.where(silent, 0, onsets)
    heard[0][0], heard[1][0] = np.roll(heard[0][0], 1, axis=0), np.roll(heard[1][0], 1, axis=0)
    counts = note_counts(data, rows, heard, onset=0.6, frame=0.3)
    assert counts[1:].tolist() == [[3, 4, 3]] * 15
    assert counts[0].tolist() == [0, 4, 3]
    scores = scores_by_style(data, rows, counts)
    assert scores["all"]["precision"][0] == pytest.approx(15 / 16, abs=1e-4)
    assert scores["bass"]["recall"][0] == pytest.approx(0.75)
    assert scores["arp"]["f1"][0] == pytest.approx(2 * 21 / (32 + 24), abs=1e-4)
    assert scores["all"]["f1"][1] < scores["all"]["f1"][0] < scores["all"]["f1"][2]
    assert choose_thresholds(data, rows, heard)["frame"] in [x for x in FRAMES_TRIED if x < 0.55]


def test_mistakes_are_told(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"prepared as loop16.*--repr tone48"):
        train_transcriber(note_bars.write_notes(tmp_path / "mel", tone=False).path, tmp_path / "r", SMALL)
    with pytest.raises(InputError, match=r"too few bars whose notes are known \(train 0, validation 0, test 0"):
        train_transcriber(note_bars.write_notes(tmp_path / "unknown", known=False).path, tmp_path / "r", SMALL)
    with pytest.raises(ConfigError, match="transcriber setting 'steps'"):
        make_config({"steps": 0})
