"""Train a transcriber: prepared bars whose notes are known in, a network file with its note F1 on held-out bars out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from loopwright.arrays import Float32, Float64, Int64
from loopwright.config import BAR_SECONDS, ToneConfig
from loopwright.data import PreparedData
from loopwright.errors import ConfigError, InputError
from loopwright.features.notes_loop import FRAME, ONSET, ROWS_HEARD, note_events, note_targets
from loopwright.features.transcriber import PitchNet
from loopwright.files import locked, save_tensors, write_json
from loopwright.metrics import bootstrap, match_notes, note_scores
from loopwright.training.pace import Tick as Tick  # given on: the command line shows it
from loopwright.training.runs import RunFolder
from loopwright.training.transcriber_loop import TranscriberConfig, build, known_notes, posteriors, resume, train

QUICK = 64  # bars asked about at each tick
ONSETS_TRIED = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
FRAMES_TRIED = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
LEAST_ROWS = 16
Report = Callable[[Tick, float], None]  # and the note F1 on some held-out bars
Posteriors = tuple[Float32, Float32]  # notes and onsets, each (n, 88, T)


def make_config(values: Mapping[str, Any]) -> TranscriberConfig:
    """Settings from changed values. Raises ConfigError naming what is wrong."""
    try:
        return TranscriberConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"transcriber setting '{'.'.join(str(p) for p in first['loc'])}': {first['msg']}.") from error


def rows_with_notes(prepared: PreparedData, split: str) -> Int64:
    """Rows of a side whose notes are known."""
    rows = prepared.indices(split)
    known = [bool(events) and all(isinstance(e[0], (int, float)) for e in events) for events in prepared.column("events", rows)]
    return rows[np.asarray(known, dtype=bool)]


def train_transcriber(
    data: Path,
    run: Path,
    config: TranscriberConfig,
    *,
    every: int = 100,
    minutes: float | None = None,
    threads: int | None = None,
    report: Report | None = None,
) -> Path:
    """Train or continue the run folder `run`; returns the network file, `run/notes_loop.safetensors`.

    Trained on split `train`; thresholds are chosen on `validation`; note F1 is measured on `test`, as a whole and by style,
    with intervals from whole sources (`run/f1.json`, and the file's header). The file is read by `features.registry`.

    Raises InputError, ConfigError, BusyError, TrainingDivergedError.
    """
    prepared = open_notes(data)
    sides = {split: rows_with_notes(prepared, split) for split in ("train", "validation", "test")}
    few = [f"{split} {len(rows)}" for split, rows in sides.items() if len(rows) < LEAST_ROWS]
    if few:
        raise InputError(
            f"{data} has too few bars whose notes are known ({', '.join(few)}; {LEAST_ROWS} each are needed). Notes come from "
            "events.jsonl beside the loops: loopwright corpus synth writes it."
        )
    folder = RunFolder(Path(run))
    if threads is not None:
        torch.set_num_threads(threads)
    with locked(folder.path, "training"):
        trainee = build(config)
        checkpoint = folder.checkpoint("last")
        if checkpoint.exists():
            resume(trainee, checkpoint)
            folder.truncate_metrics(trainee.step)
        facts = {"data": str(Path(data).resolve()), "representation": prepared.representation.model_dump()}
        folder.describe({"config": config.model_dump(), **facts})
        quick = _some(sides["validation"])
        for tick in train(trainee, prepared, sides["train"], checkpoint, every=every, minutes=minutes):
            heard = posteriors(trainee.model, prepared, quick, heard_frames=config.heard_frames)
            f1 = note_scores(note_counts(prepared, quick, heard)).f1
            folder.log({"step": tick.step, "seconds": round(tick.seconds, 1), **tick.losses, "f1": f1})
            if report is not None:
                report(tick, f1)
        scores = measure(trainee.model, prepared, sides, heard_frames=config.heard_frames)
        write_json(folder.path / "f1.json", scores)
        licences = sorted({str(value or "unknown") for value in prepared.column("licence", sides["train"])})
        header = {
            "format": "loopwright-transcriber",
            "rows": ROWS_HEARD,
            "heard_frames": config.heard_frames,
            "representation": prepared.representation.model_dump(),
            "trained_on": {"rows": len(sides["train"]), "licences": licences, "data": prepared.path.name},
            "steps": trainee.step,
            "seconds": round(trainee.seconds),
            "config": config.model_dump(),
            "scores": scores,
        }
        path = folder.path / "notes_loop.safetensors"
        write_network(path, trainee.model, header)
    return path


def open_notes(data: Path) -> PreparedData:
    """Prepared data on the rows that transcribers hear. Raises InputError, or ConfigError for another representation."""
    prepared = PreparedData.open(data)
    tone = prepared.representation
    if not isinstance(tone, ToneConfig) or (tone.bands_per_octave, tone.fmin_hz) != (36, 27.5) or tone.bands < ROWS_HEARD:
        raise ConfigError(
            f"a transcriber hears rows of a constant-Q, three a semitone from A0; {data} is prepared as {tone.name}. "
            "Prepare the loops again with --repr tone48, into another folder."
        )
    return prepared


def write_network(path: Path, model: PitchNet, header: Mapping[str, Any]) -> None:
    """Write the file that `features.registry.read_transcriber` reads, in half precision."""
    save_tensors(path, {key: value.detach().half().contiguous() for key, value in model.state_dict().items()}, header)


def note_counts(
    prepared: PreparedData, rows: Int64, heard: Posteriors, *, onset: float = ONSET, frame: float = FRAME
) -> Float64:
    """Notes matched, played and heard, (n, 3), from posteriors of these rows at thresholds."""
    length_s = BAR_SECONDS * prepared.bars
    counts = []
    for events, notes, onsets in zip(prepared.column("events", rows), *heard, strict=True):
        played = known_notes(events)
        found = note_events(notes, onsets, length_s, onset=onset, frame=frame)
        counts.append((match_notes(played, found, length_s=length_s), len(played), len(found)))
    return np.asarray(counts, dtype=np.float64).reshape(-1, 3)


def choose_thresholds(prepared: PreparedData, rows: Int64, heard: Posteriors) -> dict[str, float]:
    """Those best on these rows: for `frame` by F1 of cells, then for `onset` by F1 of notes."""
    length_s, frames = BAR_SECONDS * prepared.bars, heard[0].shape[2]
    held = np.stack(
        [note_targets(known_notes(events), frames, length_s)[0] for events in prepared.column("events", rows)]
    ).astype(bool)

    def cells(frame: float) -> float:
        over = heard[0] > frame
        return 2.0 * float(np.count_nonzero(over & held)) / float(np.count_nonzero(over) + np.count_nonzero(held))

    frame = max(FRAMES_TRIED, key=cells)
    onset = max(ONSETS_TRIED, key=lambda onset: note_scores(note_counts(prepared, rows, heard, onset=onset, frame=frame)).f1)
    return {"onset": onset, "frame": frame}


def measure(model: PitchNet, prepared: PreparedData, sides: Mapping[str, Int64], *, heard_frames: int) -> dict[str, Any]:
    """Thresholds chosen on `validation`, and scores of `test` by style; see `scores_by_style`."""
    validation, test = sides["validation"], sides["test"]
    thresholds = choose_thresholds(prepared, validation, posteriors(model, prepared, validation, heard_frames=heard_frames))
    heard = posteriors(model, prepared, test, heard_frames=heard_frames)
    return {"thresholds": thresholds, "test": scores_by_style(prepared, test, note_counts(prepared, test, heard, **thresholds))}


def scores_by_style(prepared: PreparedData, rows: Int64, counts: Float64) -> dict[str, Any]:
    """Precision, recall and F1 of all notes together, "all" and by style, with 95 % intervals from halves of the sources."""
    styles = np.asarray([str(style or "") for style in prepared.column("style", rows)])
    sources = prepared.column("source", rows)
    wholes = {"all": np.ones(len(rows), dtype=bool)}
    wholes |= {style: styles == style for style in np.unique(styles) if style}
    return {name: _scores(counts[part], [s for s, i in zip(sources, part, strict=True) if i]) for name, part in wholes.items()}


def _some(rows: Int64) -> Int64:
    """At most QUICK of the rows, evenly spread."""
    return rows[np.linspace(0, len(rows) - 1, min(QUICK, len(rows))).astype(int)]


def _scores(counts: Float64, sources: Sequence[object]) -> dict[str, Any]:
    found = bootstrap(lambda part: note_scores(part)._asdict(), counts, groups=[sources], few="nan")
    matched, played, heard = (int(x) for x in counts.sum(axis=0))
    each = {name: [round(x, 4) for x in (i.value, i.low, i.high)] for name, i in found.items()}
    return {**each, "bars": len(counts), "sources": len(set(sources)), "matched": matched, "played": played, "heard": heard}
