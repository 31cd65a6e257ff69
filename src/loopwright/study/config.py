"""A study's settings: which rows, which recipes, under which budget. Read from TOML and checked before anything is trained."""

from __future__ import annotations

import importlib.resources
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, NonNegativeInt, PositiveFloat, ValidationError

from loopwright.errors import ConfigError
from loopwright.training.recipe import load_recipe, merge
from loopwright.training.runs import slug


class RowConfig(BaseModel, frozen=True, extra="forbid"):
    """One row of the table."""

    label: str
    recipe: str
    title: str = ""
    set: dict[str, Any] = {}  # changes to its recipe, nested like it
    against: str = ""  # label of the row that differs from this one in what is asked
    until_kimg: PositiveFloat | None = None  # end early, as if killed there: nothing else in the run knows

    @property
    def name(self) -> str:
        """What the row is called for people."""
        return self.title or self.recipe


class StudyConfig(BaseModel, frozen=True, extra="forbid"):
    """What to compare, and under which budget."""

    name: str
    kimg: PositiveFloat  # thousand images a run
    minutes: PositiveFloat | None = None  # training minutes a run, if those end first
    seeds: tuple[NonNegativeInt, ...] = (0, 1)
    baseline: str = ""  # label of the row that speed-ups are against
    judge: str = "musicnn"  # network whose KAD speed-ups are read off
    final: NonNegativeInt = 0  # loops a side of the final evaluation through audio, with intervals; 0: none
    set: dict[str, Any] = {}  # changes to every recipe
    row: tuple[RowConfig, ...] = Field(min_length=1)


def study_names() -> list[str]:
    """Studies that come with the package."""
    return sorted(path.stem for path in _package_studies().glob("*.toml"))


def _package_studies() -> Path:
    return Path(str(importlib.resources.files("loopwright") / "studies"))


def load_study(name: str, changes: Mapping[str, Any] | None = None) -> StudyConfig:
    """Read a study by name or path and apply changes to its settings.

    Raises ConfigError for a study or recipe that is not there, unknown keys, labels used twice, or a baseline that is no row.
    """
    path = Path(name) if name.endswith(".toml") else _package_studies() / f"{name}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"no study '{name}'. There are: {', '.join(study_names())}; or give a path to a .toml.") from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read study {path}: {error}.") from error
    try:
        study = StudyConfig(**({"name": path.stem} | values | dict(changes or {})))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"study {path}: {problems}. See docs/study.md for the keys.") from error
    labels = [row.label for row in study.row]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ConfigError(f"study {path}: label '{twice[0]}' is used twice.")
    folders = [folder_name(row, 0) for row in study.row]
    if len(set(folders)) < len(folders):
        raise ConfigError(f"study {path}: two labels give the same folder name. Labels: {', '.join(labels)}.")
    for what, label in (("baseline", study.baseline), *((f"row {row.label}: against", row.against) for row in study.row)):
        if label and label not in labels:
            raise ConfigError(f"study {path}: {what} '{label}' is no row. Rows: {', '.join(labels)}.")
    for row in study.row:
        load_recipe(row.recipe, settings_of(study, row, 0))
    return study


def only_rows(study: StudyConfig, labels: Sequence[str]) -> set[str]:
    """The labels, checked. Raises ConfigError for one that is no row."""
    known = [row.label for row in study.row]
    wrong = [label for label in labels if label not in known]
    if wrong:
        raise ConfigError(f"study {study.name} has no row '{wrong[0]}'. Rows: {', '.join(known)}.")
    return set(labels)


def settings_of(study: StudyConfig, row: RowConfig, seed: int) -> dict[str, Any]:
    """Changes to the recipe of a row: the study's, then the row's, then budget and seed."""
    return merge(merge(dict(study.set), dict(row.set)), {"train": {"kimg": study.kimg, "seed": seed}})


def folder_name(row: RowConfig, seed: int) -> str:
    """Of one row and seed, fit for a file system."""
    return f"{slug(re.sub(r'[*]', 'p', row.label))}-seed{seed}"
