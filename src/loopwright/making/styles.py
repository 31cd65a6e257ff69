"""Styles of a model that was trained without labels: which of its seeds sound like which style.

A classifier of loop styles looks once at the loops of a model's first seeds; the table is kept beside the model file. So
`--style` costs nothing when loops are made, and works in every engine. Why not a conditional model: decision 0078.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from loopwright.errors import ConfigError, InputError
from loopwright.files import write_json

if TYPE_CHECKING:
    from loopwright.making.bank import Bank
    from loopwright.making.model import Model

FEWEST = 8  # seeds that a style needs to be listed


@dataclass(frozen=True)
class StyleTable:
    """Seeds of each style, in ascending order.

    Attributes:
        network: the classifier that looked.
        looked_at: seeds 0 to this, exclusive.
        least: probability of the style that a listed seed has at least.
        seeds: by style.
    """

    network: str
    looked_at: int
    least: float
    seeds: dict[str, tuple[int, ...]]


def table_path(model_path: Path) -> Path:
    """Where a model's table is kept: beside it."""
    return model_path.with_suffix(".styles.json")


def save_table(path: Path, table: StyleTable) -> None:
    """Write a table as JSON."""
    write_json(path, {**table.__dict__, "seeds": {style: list(seeds) for style, seeds in table.seeds.items()}})


def load_table(path: Path) -> StyleTable | None:
    """Read a table; None if there is no such file. Raises InputError if it is damaged."""
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        seeds = {str(style): tuple(int(seed) for seed in some) for style, some in found["seeds"].items()}
        return StyleTable(str(found["network"]), int(found["looked_at"]), float(found["least"]), seeds)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({error}). Make it again: loopwright styles MODEL --save") from error


class Styled:
    """What a `Model` knows of styles by name. `name`, `path` and `styles` as there."""

    name: str
    path: Path
    styles: tuple[str, ...]

    @functools.cached_property
    def style_table(self) -> StyleTable | None:
        """Seeds of each style, of a model that was not trained on styles; None if nobody has looked."""
        return None if self.styles else load_table(table_path(self.path))

    def labels(self, style: str | None, seeds: Sequence[int]) -> list[int] | None:
        """Class numbers for a conditional model: of the style, or of each seed's own. Raises ConfigError for unknown styles."""
        if not self.styles:
            if style is not None:
                self._listed(style)
            return None
        if style is None:
            return [seed % len(self.styles) for seed in seeds]
        if style not in self.styles:
            raise ConfigError(f"model '{self.name}' has no style '{style}'. It has: {', '.join(self.styles)}.")
        return [self.styles.index(style)] * len(seeds)

    def _listed(self, style: str) -> tuple[int, ...]:
        """Seeds of a style in the table. Raises ConfigError for a model without one, and for unknown styles."""
        if self.style_table is None:
            raise ConfigError(
                f"model '{self.name}' knows no styles. Leave --style out, or let a classifier find them: "
                f"loopwright styles {self.name} --save"
            )
        if style not in self.style_table.seeds:
            known = ", ".join(self.style_table.seeds) or "none"
            raise ConfigError(f"model '{self.name}' has no style '{style}'. It has: {known}.")
        return self.style_table.seeds[style]

    def seeds_of_style(self, style: str | None, numbers: Sequence[int]) -> list[int]:
        """The seeds behind numbers of a style: its first loop is 0, its second 1, and so on.

        For a model trained on styles, and without a style, they are the numbers themselves. Raises ConfigError for an
        unknown style, InputError for a number above what the table lists.
        """
        if style is None or self.styles:
            return list(numbers)
        listed = self._listed(style)
        if numbers and max(numbers) >= len(listed):
            raise InputError(f"style '{style}' of model '{self.name}' has loops 0 to {len(listed) - 1}, got {max(numbers)}.")
        return [listed[number] for number in numbers]


def find_styles(model: Model, network: str, *, looked_at: int = 2000, least: float = 0.5) -> StyleTable:
    """Look at the loops of seeds 0 to `looked_at` with a classifier, through the bridge. Deterministic.

    A model with a bank of clips needs no classifier: a seed has the style of the clip that it plays.

    Raises ConfigError for a network that does not tell styles apart, or a model that was trained on styles.
    """
    if model.styles:
        raise ConfigError(f"model '{model.name}' was trained on styles: {', '.join(model.styles)}. It needs no table.")
    if model.bank is not None and any(clip.style for clip in model.bank.clips):
        return styles_of_bank(model.bank, looked_at=looked_at)
    import torch

    from loopwright.features import build_embedder

    judge = build_embedder(network, model.mel)
    names = judge.features.network.classes
    odds = []
    for first in range(0, looked_at, 25):
        seeds = list(range(first, min(looked_at, first + 25)))
        found = judge.probabilities(torch.from_numpy(model.log_mel(model.styles_of(seeds), seeds)))
        if found is None:
            raise ConfigError(f"{network} does not tell styles apart. Use scnn_loop, scnn_loop_synth or your own classifier.")
        odds.append(found)
    probabilities = torch.cat(odds).numpy()
    best = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1) >= least
    listed = {name: tuple(np.flatnonzero(sure & (best == k)).tolist()) for k, name in enumerate(names)}
    return StyleTable(network, looked_at, least, {name: seeds for name, seeds in listed.items() if len(seeds) >= FEWEST})


def styles_of_bank(bank: Bank, *, looked_at: int = 2000) -> StyleTable:
    """The seeds of each style of a bank's clips."""
    listed: dict[str, list[int]] = {}
    for seed in range(looked_at):
        listed.setdefault(bank.draw(seed).style, []).append(seed)
    seeds = {style: tuple(some) for style, some in sorted(listed.items()) if style and len(some) >= FEWEST}
    return StyleTable("bank", looked_at, 1.0, seeds)
