"""What every engine shares: which model, which random numbers, which settings are possible, and the finished loop.

`Model` (torch) and `OnnxModel` (onnxruntime) are makers. This module imports neither, so that loops come soon.
"""

from __future__ import annotations

import functools
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwright.audio.loudness import level_to
from loopwright.audio.seam import rest_at_seam
from loopwright.config import GRID_BPM, MelConfig
from loopwright.errors import ConfigError, InputError
from loopwright.making.bundled import BUNDLED, bundled_models
from loopwright.making.loop import Loop
from loopwright.making.styles import StyleTable, load_table, table_path
from loopwright.making.words import word_for
from loopwright.models.modelfile import ModelFile

MAX_SEED = 2**32 - 1
LOW_BPM, HIGH_BPM = 40.0, 240.0
RATES = (16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000)
BAR_VARIATION = 0.35  # how far the style of a second bar walks from the first one's


def find_model(name: str) -> Path:
    """A bundled model's name, a model file or a run folder -> the file. Raises InputError listing what exists."""
    bundled = bundled_models()
    if name in bundled:
        return bundled[name]
    path = Path(name)
    for candidate in (path / "checkpoints" / "best.safetensors", path / "checkpoints" / "last.safetensors"):
        if candidate.is_file():
            return candidate
    if path.is_file():
        return path
    if path.is_dir():
        inside = sorted(path.glob("*/checkpoints/best.safetensors"))
        if inside:  # a folder of runs: its newest
            return inside[-1]
    known = ", ".join(bundled) or "none yet; train one with: loopwright train gan DATA"
    raise InputError(f"no model '{name}'. Bundled models: {known}. A run folder or a .safetensors file will do, too.")


def draw(seed: int, purpose: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Normal numbers that depend on (seed, purpose) alone: numpy's Philox, the same in every engine and on every machine."""
    return _source(seed, purpose).standard_normal(shape, dtype=np.float32)


def white_noise(seed: int, hop: int, frames: int) -> npt.NDArray[np.float32]:
    """What a vocoder makes hiss of, fixed by the seed: (hop, frames), uniform in +-sqrt(3), of unit variance.

    A vocoder's own noise is a hash of the log-mel (`vocoder.noise`): the last digit of one number changes a whole frame of it,
    and those digits differ from engine to engine and with the size of a batch.
    """
    unit = _source(seed, "vocoder").random((frames, hop), dtype=np.float32)
    return np.ascontiguousarray(((unit - np.float32(0.5)) * np.float32(12**0.5)).T)


def _source(seed: int, purpose: str) -> np.random.Generator:
    key = int.from_bytes(hashlib.sha256(f"{seed} {purpose}".encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


class Maker(ABC):
    """A generator with its vocoder, whatever computes them.

    Attributes:
        name: its name or file.
        path: the model file.
        header: everything the model file says of itself.
        mel: representation it speaks.
        bars: bars in one turn of the generator's circle.
        styles: class names of a conditional model, () otherwise.
        sizes: all of the generator but its weights.
    """

    def __init__(self, file: ModelFile, name: str) -> None:
        self.path, self.name, self.header = file.path, name, file.header
        self.mel, self.bars, self.styles, self.sizes = file.mel, file.bars, file.styles, file.sizes

    @property
    @abstractmethod
    def vocoder_name(self) -> str:
        """Name of the vocoder."""

    @abstractmethod
    def make(
        self, seeds: Sequence[int], *, bpm: float, bars: int, truncation: float, style: str | None, rate_hz: int, pack: str
    ) -> list[Loop]:
        """Finished loops of checked seeds and settings, see `stream`."""

    @functools.cached_property
    def style_table(self) -> StyleTable | None:
        """Seeds of each style, of a model that was not trained on styles; None if nobody has looked."""
        return None if self.styles else load_table(table_path(self.path))

    def check_seeds(self, seeds: Iterable[int]) -> list[int]:
        """Seeds as a list; raises InputError for one out of range."""
        out = [int(seed) for seed in seeds]
        bad = [seed for seed in out if not 0 <= seed <= MAX_SEED]
        if bad:
            raise InputError(f"seed {bad[0]} is out of range: seeds go from 0 to {MAX_SEED}.")
        return out

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

    def generate(
        self,
        seeds: Iterable[int] = range(8),
        *,
        bpm: float = GRID_BPM,
        bars: int = 1,
        truncation: float = 1.0,
        style: str | None = None,
        rate_hz: int = 44_100,
        batch: int = 8,
        pack: str = "",
    ) -> list[Loop]:
        """Make one loop a seed. See `stream` for the arguments."""
        return list(
            self.stream(seeds, bpm=bpm, bars=bars, truncation=truncation, style=style, rate_hz=rate_hz, batch=batch, pack=pack)
        )

    def stream(
        self,
        seeds: Iterable[int],
        *,
        bpm: float = GRID_BPM,
        bars: int = 1,
        truncation: float = 1.0,
        style: str | None = None,
        rate_hz: int = 44_100,
        batch: int = 8,
        pack: str = "",
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Iterator[Loop]:
        """Make loops one after another; the first is ready before the rest is begun.

        Args:
            seeds: one loop each; the same seed gives the same loop, whatever else is asked for with it.
            bpm: tempo, 40 to 240. The loop has round(60 * rate * beats / bpm) samples.
            bars: 1, 2 or 4 bars of 4/4.
            truncation: 1 as trained; nearer 0 safer and more alike.
            style: a class of a conditional model, or a style of its table; then seeds count the loops of that style.
            rate_hz: output rate.
            batch: loops at once.
            pack: word in the file names, the model's name if empty.
            cancelled: asked before each batch; true ends the stream.

        Raises InputError or ConfigError for values out of range.
        """
        wanted = self.seeds_of_style(style, self.check_seeds(seeds))
        check_settings(bpm, bars, truncation, rate_hz)
        size = 1  # the first loop comes alone, and soon
        while wanted:
            if cancelled():
                return
            part, wanted, size = wanted[:size], wanted[size:], batch
            yield from self.make(part, bpm=bpm, bars=bars, truncation=truncation, style=style, rate_hz=rate_hz, pack=pack)

    def finish(
        self,
        audio: npt.NDArray[np.float32],
        seed: int,
        *,
        bpm: float,
        beats: int,
        rate_hz: int,
        pack: str = "",
        details: dict[str, Any] | None = None,
        word: str = "",
    ) -> Loop:
        """Level and name of a loop. (N,) -> Loop."""
        kind = self.name if self.name.isalpha() else "loop"  # digits in a name mean the tempo alone
        name = "_".join(["Loopwright", pack or kind.capitalize(), f"{bpm:g}", kind, word or word_for(seed)])
        info = {"model": self.name, **(details if details is not None else {"seed": seed})}
        return Loop(rest_at_seam(level_to(audio, rate_hz), rate_hz), rate_hz, beats, name, info)


def check_settings(bpm: float, bars: int, truncation: float, rate_hz: int) -> None:
    """Raise InputError for a tempo, length, truncation or rate out of range."""
    if not LOW_BPM <= bpm <= HIGH_BPM:
        raise InputError(f"bpm {bpm:g} is out of range: {LOW_BPM:g} to {HIGH_BPM:g}.")
    if bars not in (1, 2, 4):
        raise InputError(f"bars {bars} is not possible: 1, 2 or 4.")
    if not 0 <= truncation <= 1.5:
        raise InputError(f"truncation {truncation:g} is out of range: 0 (all alike) to 1.5 (wild); 1 is as trained.")
    if rate_hz not in RATES:
        raise InputError(f"rate {rate_hz} is not possible: {', '.join(map(str, RATES))}.")


def default_vocoder(mel: MelConfig) -> str:
    """The bundled vocoder for these mel settings, else Griffin-Lim."""
    path = BUNDLED / f"vocoder_{mel.name}.safetensors"
    return str(path) if path.is_file() else "griffinlim"


def shown_name(name: str, path: Path) -> str:
    """What a model is called in files: its bundled name, or its file's."""
    return name if name in bundled_models() else path.stem if path.stem not in ("best", "last") else "loops"
