"""What the leading process does when training looks up: measure the average, write it down, keep the best, save."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from loopwright.data import PreparedData
from loopwright.files import save_tensors, write_json
from loopwright.models.modelfile import make_header
from loopwright.training import detect
from loopwright.training.checkpoint import Trainee, save_checkpoint
from loopwright.training.gan_step import Gan, spread
from loopwright.training.given import Given
from loopwright.training.heard import BARS, hear
from loopwright.training.recipe import Recipe
from loopwright.training.runs import RunFolder
from loopwright.training.samples import generate_batch, to_log_mels, write_samples
from loopwright.training.tick import TickJudge

Report = Callable[[Mapping[str, Any]], None]


class Watch:
    """Looks after one run.

    Args:
        folder, recipe, data: of the run.
        gan, trainee: what trains, and the same as a checkpoint knows it.
        total: steps of the whole run.
        styles: class names of a conditional run, () otherwise.
        classes: (n,) class of each training bar of a conditional run.
        given: what a generator is given, if it is.
        report: called with each row of the log.

    `best` is the lowest KAD so far by the last judge, infinite before there is one.
    """

    def __init__(
        self,
        folder: RunFolder,
        recipe: Recipe,
        data: PreparedData,
        gan: Gan,
        trainee: Trainee,
        *,
        total: int,
        styles: tuple[str, ...] = (),
        classes: np.ndarray | None = None,
        given: Given | None = None,
        report: Report | None = None,
    ) -> None:
        train = recipe.train
        self.folder, self.recipe, self.data, self.gan, self.trainee = folder, recipe, data, gan, trainee
        self.total, self.styles, self.classes, self.given, self.report = total, styles, classes, given, report
        self.best = float("inf")
        self.judge = TickJudge.of(data, train.judges, n=train.eval_n, seed=train.seed, device=gan.mean.device)
        self.board = _tensorboard(folder.path / "tb")

    @property
    def kimg(self) -> float:
        """Thousand real images shown so far."""
        return self.trainee.step * self.recipe.train.batch / 1000

    def write_baseline(self) -> None:
        """What training bars score against held-out ones, which a model that copies would; or that nothing is measured."""
        judge = self.judge
        told: dict[str, Any] = {"n": 0, "reference": "none"}
        if judge is not None:
            rows = np.random.default_rng(self.recipe.train.seed).permutation(self.data.indices("train"))[:BARS]
            music = hear(self.data.log_mel(np.sort(rows)), self.data.representation, bars=self.data.bars)
            music = {f"training-{key}": value for key, value in music.items()}
            told = {"n": judge.n, "reference": "validation", **judge.baseline, **music}
        write_json(self.folder.path / "baseline.json", told)

    def measure(self) -> dict[str, float]:
        """Scores of the average. Its samples are written; where it is the best so far, it is kept as a model file."""
        train, mean, std = self.recipe.train, self.gan.mean.cpu(), self.gan.std.cpu()
        labels: torch.Tensor | None = None
        if self.classes is not None:  # styles as often as in training
            labels = torch.from_numpy(np.random.default_rng(train.seed).choice(self.classes, train.eval_n))
        average = self.gan.average.module
        given = None if self.given is None else self.given(train.eval_n, step=0, purpose=1)
        fakes = generate_batch(average, train.eval_n, seed=train.seed, labels=labels, given=given)
        fakes = to_log_mels(fakes, mean, std, self.data.representation)
        scores = self.judge.measure(fakes) if self.judge is not None else {}
        scores |= hear(fakes.numpy(), self.data.representation, bars=self.data.bars)
        scores["pairwise"] = float(spread(fakes[:50]))
        write_samples(self.folder.samples, f"{self.kimg:07.1f}", fakes[:16], self.data)
        chosen = scores.get(f"kad/{train.judges[-1]}")
        if chosen is None or chosen < self.best:  # unmeasured, the latest is the best there is
            self.best = self.best if chosen is None else chosen
            header = self._header({**self._progress(), **scores})
            save_tensors(self.folder.checkpoint("best"), average.state_dict(), header)
        return scores

    def log(self, row: dict[str, Any]) -> None:
        """Write a row of metrics.jsonl, with what it tells of the two ways to fail, and the checkpoint that goes with it."""
        if self.trainee.step:
            row |= {"collapse": int(detect.collapse(row)), "dominance": int(detect.dominance(row))}
        self.folder.log(row)
        self.save()
        if self.board is not None:
            for key, value in row.items():
                self.board.add_scalar(key, value, global_step=int(row["kimg"] * 1000))
        if self.report is not None:
            measured = self.judge is not None
            self.report({**row, "measured": measured, "total_kimg": self.total * self.recipe.train.batch / 1000})

    def save(self) -> None:
        """Write all state of the run."""
        summary = {**self._progress(), "best": self.best if math.isfinite(self.best) else None}
        header = {**self._header(summary), "kind": "checkpoint", **summary}
        save_checkpoint(self.folder.checkpoint("last"), self.trainee, header)

    def close(self) -> None:
        """Nothing more will come."""
        if self.board is not None:
            self.board.close()

    def _header(self, training: dict[str, Any]) -> dict[str, Any]:
        recipe, data = self.recipe.model_dump(mode="json"), self.data
        return make_header(recipe, data.representation, data.bars, data.stats.to_json(), training, self.styles)

    def _progress(self) -> dict[str, Any]:
        return {"step": self.trainee.step, "kimg": self.kimg, "seconds": self.trainee.seconds}


def _tensorboard(path: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # the extra `log` is not installed
        return None
    return SummaryWriter(str(path))
