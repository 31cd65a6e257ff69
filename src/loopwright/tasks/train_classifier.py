"""Train a loop-style classifier: prepared data in, a network file with its accuracy and a confusion matrix out."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from loopwright.arrays import Bool, Int64
from loopwright.config import LOOP16, MelConfig
from loopwright.data import PreparedData
from loopwright.errors import ConfigError, InputError
from loopwright.features.scnn_loop import style_bridge
from loopwright.files import atomic_path, locked, save_tensors, write_json
from loopwright.training.classifier_loop import ClassifierConfig, LoopClassifier, accuracy, build, predict, resume, train
from loopwright.training.pace import Tick as Tick  # given on: the command line shows it
from loopwright.training.runs import RunFolder

KNOWN_KITS_SHARE = 0.08  # of the training sources, kept out to be asked about with kits that were heard
MAX_HELD_OUT = 1_500  # rows of each held-out set that are asked about
Report = Callable[[Tick, float], None]  # and the accuracy on the first held-out set


def make_config(values: Mapping[str, Any]) -> ClassifierConfig:
    """Settings from changed values. Raises ConfigError naming what is wrong."""
    try:
        return ClassifierConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"classifier setting '{'.'.join(str(p) for p in first['loc'])}': {first['msg']}.") from error


def held_out_sources(sources: list[Any], share: float = KNOWN_KITS_SHARE) -> Bool:
    """Which rows belong to the sources kept out: decided by a hash of the source's name, so never by chance or order."""
    digests = [hashlib.sha256(str(source).encode()).digest() for source in sources]
    return np.asarray([int.from_bytes(digest[:4], "big") / 2**32 < share for digest in digests])


def gatherer(prepared: PreparedData) -> Callable[[Int64], Tensor]:
    """Rows to the log10 mels that `features.scnn_loop` sees, (B, 64, 128 a bar), through its bridge."""
    if not prepared.mel.circular:
        raise ConfigError(f"the classifier hears circles, '{prepared.mel.name}' is none. Prepare with --repr loop16.")
    bridge = style_bridge(prepared.mel)
    return lambda rows: bridge(torch.from_numpy(prepared.log_mel(rows))).clamp_min(LOOP16.log_floor).log10()


def train_classifier(
    data: Path,
    run: Path,
    config: ClassifierConfig,
    *,
    label: str = "style",
    every: int = 100,
    minutes: float | None = None,
    threads: int | None = None,
    report: Report | None = None,
) -> Path:
    """Train or continue the run folder `run`; returns the network file, `run/classifier.safetensors`.

    Trained on split `train`, less the sources of `held_out_sources`. Reported on two held-out sets: those sources (new
    performances, kits that were heard) and splits `validation` and `test` (new performances; new kits where the corpus
    holds kits out). The file is read by `features.scnn_loop`. `label` is the manifest column to predict.

    Raises InputError, ConfigError, BusyError, TrainingDivergedError.
    """
    prepared = PreparedData.open(data)
    folder = RunFolder(Path(run))
    if threads is not None:
        torch.set_num_threads(threads)
    labels = [str(value) if value not in (None, "") else "" for value in prepared.column(label)]
    rows = np.asarray([row for row in prepared.indices("train") if labels[row]], dtype=np.int64)
    if len(rows) == 0:
        columns = ", ".join(prepared.records[0]) if prepared.records else "none"
        raise InputError(f"{data} has no training rows with a '{label}'. Columns of its manifest: {columns}.")
    kept = held_out_sources(prepared.column("source", rows))
    train_rows, known = rows[~kept], rows[kept]
    classes = sorted({labels[row] for row in train_rows})
    index = {name: number for number, name in enumerate(classes)}
    target = np.asarray([index.get(name, -1) for name in labels], dtype=np.int64)
    new = np.concatenate([prepared.indices("validation"), prepared.indices("test")])
    held_out = {"known_kits": known, "validation_test": new}
    held_out = {name: _some(part[target[part] >= 0]) for name, part in held_out.items()}
    held_out = {name: part for name, part in held_out.items() if len(part)}
    if not held_out:
        raise InputError(f"{data} has no held-out rows with a known '{label}'. Prepare it again with a split.")
    gather = gatherer(prepared)
    with locked(folder.path, "training"):
        trainee = build(config, len(classes))
        checkpoint = folder.checkpoint("last")
        if checkpoint.exists():
            resume(trainee, checkpoint)
            folder.truncate_metrics(trainee.step)
        facts = {"data": str(Path(data).resolve()), "label": label, "classes": classes, "mel": prepared.mel.model_dump()}
        folder.describe({"config": config.model_dump(), **facts})
        rows_of_class = [train_rows[target[train_rows] == number] for number in range(len(classes))]
        first = next(iter(held_out.values()))
        quick = first[np.linspace(0, len(first) - 1, min(256, len(first))).astype(int)]
        for tick in train(trainee, gather, rows_of_class, checkpoint, every=every, minutes=minutes):
            right = float((predict(trainee.model, gather, quick).argmax(axis=1) == target[quick]).mean())
            folder.log({"step": tick.step, "seconds": round(tick.seconds, 1), **tick.losses, "held_out": right})
            if report is not None:
                report(tick, right)
        scores: dict[str, dict[str, Any]] = {}
        for name, part in held_out.items():
            predicted = predict(trainee.model, gather, part).argmax(axis=1).astype(np.int64)
            scores[name] = dataclasses.asdict(accuracy(target[part], predicted, prepared.column("source", part)))
            _confusion(folder.path / f"confusion-{name}.png", target[part], predicted, classes, scores[name])
        write_json(folder.path / "accuracy.json", scores)
        header = {
            "format": "loopwright-classifier",
            "classes": classes,
            "label": label,
            "mel": LOOP16.model_dump(),
            "trained_on": _facts(prepared, train_rows, prepared.mel),
            "steps": trainee.step,
            "seconds": round(trainee.seconds),
            "config": config.model_dump(),
            "accuracy": scores,
        }
        path = folder.path / "classifier.safetensors"
        write_network(path, trainee.model, header)
    return path


def write_network(path: Path, model: LoopClassifier, header: Mapping[str, Any]) -> None:
    """Write the file that `features.scnn_loop` reads."""
    save_tensors(path, model.tensors(), header)


def _some(rows: Int64) -> Int64:
    """At most MAX_HELD_OUT of the rows, evenly spread."""
    return rows[np.linspace(0, len(rows) - 1, min(MAX_HELD_OUT, len(rows))).astype(int)] if len(rows) else rows


def _facts(prepared: PreparedData, rows: Int64, mel: MelConfig) -> dict[str, Any]:
    """What the classifier learned from, for its card."""
    licences = sorted({str(value or "unknown") for value in prepared.column("licence", rows)})
    return {"rows": len(rows), "mel": mel.name, "licences": licences, "data": prepared.path.name}


def _confusion(path: Path, right: Int64, predicted: Int64, classes: list[str], score: Mapping[str, Any]) -> None:
    """Confusion matrix as a picture: rows are the truth, shares of each row."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    counts = np.zeros((len(classes), len(classes)))
    np.add.at(counts, (right, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 2.5 + 0.36 * len(classes)
    figure, axes = plt.subplots(figsize=(size, size), layout="constrained")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes, rotation=90)
    axes.set_yticks(range(len(classes)), classes)
    for i, row in enumerate(shares):
        for j, share in enumerate(row):
            if share >= 0.05:
                axes.text(j, i, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color="w" if share > 0.5 else "k")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    interval = f"{100 * score['low']:.1f}-{100 * score['high']:.1f}"
    axes.set_title(f"{100 * score['share']:.1f} % right ({interval}), n = {score['n']}", fontsize=10)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
    plt.close(figure)
