"""Run folders: `runs/00003-drums-house/` with config, metrics, samples and checkpoints."""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from loopwright.errors import InputError
from loopwright.files import write_json, write_text
from loopwright.settings_diff import refuse_other_settings
from loopwright.training.recipe import Recipe, parse_recipe


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run."""

    path: Path

    @property
    def config(self) -> Path:
        """The whole recipe and the data it saw."""
        return self.path / "config.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a tick."""
        return self.path / "metrics.jsonl"

    @property
    def samples(self) -> Path:
        """WAV and PNG of fixed seeds, one set a measurement."""
        return self.path / "samples"

    def checkpoint(self, which: str) -> Path:
        """`last` (everything, to continue) or `best` (the average alone, a model file)."""
        return self.path / "checkpoints" / f"{which}.safetensors"

    def read_config(self) -> tuple[Recipe, dict[str, Any]]:
        """The recipe, and what was written beside it (data folder, mel name). Raises InputError if this is no run."""
        try:
            values = json.loads(self.config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path} is not a run folder ({error}).") from error
        return parse_recipe(values.pop("recipe"), str(self.config)), values

    def read_metrics(self) -> list[dict[str, Any]]:
        """All whole lines of metrics.jsonl; a line cut by a kill is left out."""
        if not self.metrics.exists():
            return []
        rows = []
        for line in self.metrics.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
        return rows

    def truncate_metrics(self, step: int) -> None:
        """Drop lines after `step`: they were logged after the checkpoint that training continues from."""
        if not self.metrics.exists():
            return
        rows = [row for row in self.read_metrics() if row["step"] <= step]
        write_text(self.metrics, "".join(json.dumps(row) + "\n" for row in rows))

    def describe(self, values: Mapping[str, Any]) -> None:
        """Write the run's settings, and what its results depend on besides."""
        write_json(self.config, values)
        write_json(self.path / "env.json", environment())

    def log(self, row: Mapping[str, Any]) -> None:
        """Append one tick."""
        with self.metrics.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")


def environment() -> dict[str, Any]:
    """What a result depends on besides the recipe: versions and machine."""
    from importlib.metadata import version

    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "loopwright": version("loopwright"),
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "gpu": cuda,
    }


# What may change when a run is continued: how long, how it ends, how often to look, and the average, which nothing learns from.
MAY_CHANGE = {f"recipe.train.{key}" for key in ("kimg", "anneal_kimg", "eval_kimg", "tick_kimg", "ema_kimg", "ema_rampup")}


def open_run(root: Path, recipe: Recipe, facts: dict[str, Any], *, new: bool = False) -> tuple[RunFolder, bool]:
    """Find the run to continue, or make a new numbered one.

    `root` is a folder of runs, or a run folder itself. In a folder of runs the newest run of this recipe name and data is
    continued, unless `new`. Returns the folder and whether it existed.

    Raises ConfigError, showing the difference, if the run was begun with another recipe or other data.
    """
    values = {"recipe": recipe.model_dump(mode="json"), **facts}
    if (root / "config.json").exists():
        found: Path | None = root
    elif new:
        found = None
    else:
        pattern = re.compile(rf"\d{{5}}-{re.escape(slug(recipe.name))}")
        runs = sorted(p.parent for p in root.glob("*/config.json") if pattern.fullmatch(p.parent.name))
        found = runs[-1] if runs else None
    if found is not None:
        folder = RunFolder(found)
        before = json.loads(folder.config.read_text(encoding="utf-8"))
        instead = "Pass --new to begin another run, or put them back."
        refuse_other_settings(found, before, values, instead=instead, may_change=MAY_CHANGE)
        write_json(folder.config, values)
        return folder, True
    numbers = [int(p.name[:5]) for p in root.glob("[0-9][0-9][0-9][0-9][0-9]-*")]
    folder = RunFolder(root / f"{max(numbers, default=-1) + 1:05d}-{slug(recipe.name)}")
    folder.describe(values)
    return folder, False


def slug(name: str) -> str:
    """A name fit for a folder."""
    return re.sub(r"[^A-Za-z0-9+._-]+", "-", name).strip("-") or "run"
