"""One side of an evaluation: a folder of audio, prepared data, a pack, or a trained model, as a list of loops.

Whatever it is, it gives waveforms at any rate, with the number of bars, and a name and a source for each loop.
Shapes: N samples of one turn.
"""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from loopwright.arrays import Float32
from loopwright.audio.io import FORMATS, read_audio
from loopwright.audio.mel import LogMel
from loopwright.audio.resample import resample_circle
from loopwright.audio.wavmeta import read_chunks
from loopwright.config import BAR_SECONDS, GRID_BPM
from loopwright.data.facts import CORPUS_TABLE, Facts
from loopwright.data.prepared import PreparedData
from loopwright.data.scan import Passed, find_audio
from loopwright.data.tables import Table, read_table
from loopwright.errors import ConfigError, InputError
from loopwright.files import atomic_path, sha256_of
from loopwright.making.bundled import bundled_models
from loopwright.making.find import find_model
from loopwright.making.torch_model import TorchModel
from loopwright.measuring.results import SideFacts
from loopwright.metrics.loops import wrap_jump
from loopwright.training.recipe import parse_recipe
from loopwright.vocoder.base import Vocoder
from loopwright.vocoder.check import HIGHEST_LOG_MEL

MAX_SECONDS = 60.0
_KNOWN = ("source", "split", "kit")  # fields of a manifest, in the order of `Entry`
_BLOCK = 16  # loops a model makes at once


@dataclass(frozen=True)
class Entry:
    """What is known of one loop, "" where nothing is. `source` is the unit that must not be on both sides of a split."""

    name: str
    bars: int
    source: str = ""
    split: str = ""
    kit: str = ""

    @property
    def unit(self) -> str:
        """What is drawn as a whole: the source, or the loop itself."""
        return self.source or self.name


@dataclass(frozen=True)
class Reading:
    """One loop read: samples (N,) as they are, their rate, and the bars in them."""

    samples: Float32
    rate_hz: int
    bars: int

    def at(self, rate_hz: int) -> Float32:
        """The samples at another rate. Loops claim to be circles, so the change of rate wraps too: a seam that is there stays,
        none is added at the edges.
        """
        return resample_circle(self.samples, max(1, round(len(self.samples) * rate_hz / self.rate_hz)))

    @property
    def wrap(self) -> float:
        """Rank of the step across the seam, at the loop's own rate: see `metrics.loops.wrap_jump`."""
        return float(wrap_jump(self.samples[None])[0])


class Side(ABC):
    """A list of loops that can be read one by one."""

    kind: str
    label: str
    entries: list[Entry]

    @abstractmethod
    def read(self, index: int) -> Reading:
        """Loop `index`. Raises InputError if it cannot be read."""

    def describe(self) -> SideFacts:
        """For the result: kind, label and what identifies the side."""
        return SideFacts(kind=self.kind, label=self.label, loops=len(self.entries))

    def __len__(self) -> int:
        return len(self.entries)


def guess_bars(seconds: float) -> int:
    """Bars of a loop of unknown tempo: a power of two that puts the tempo between 70 and 180 BPM, nearest to 120."""
    choices = (1, 2, 4, 8, 16, 32)
    return min(choices, key=lambda bars: abs(math.log2(seconds / (BAR_SECONDS * bars))))


class FolderSide(Side):
    """Audio files, also of a pack. Bars and tempo from loops.csv, or the files' own chunks, or guessed from the length."""

    kind = "folder"

    def __init__(self, path: Path) -> None:
        self.label = path.name or str(path)
        self.notes = []
        table, passed = Table(), Passed()
        try:
            if (path / CORPUS_TABLE).is_file():
                table = read_table(path / CORPUS_TABLE)
        except InputError as error:  # a table tells more; the loops are there without it
            self.notes.append(str(error))
        found = list(find_audio(path, passed))
        self.notes += passed.lines()
        if not found:
            others = " ".join(f"{line}." for line in passed.lines())
            raise InputError(f"{path} holds no audio files. {others or f'Give a folder of loops ({FORMATS}).'}")
        if (path / "manifest.json").is_file():
            self.kind = "pack"
        self.paths = [f.path for f in found]
        self.facts = [table.get(f.name) or Facts() for f in found]
        self.entries = [
            Entry(f.name, int(facts.bars or 0), facts.source, facts.split, facts.kit)
            for f, facts in zip(found, self.facts, strict=True)
        ]

    def read(self, index: int) -> Reading:
        path, facts = self.paths[index], self.facts[index]
        audio = read_audio(path, max_seconds=MAX_SECONDS)
        mono = np.asarray(audio.samples.mean(axis=1), dtype=np.float32)
        bars = facts.bars or self._chunk_bars(path, audio.length_s)
        if not bars and facts.bpm:
            bars = audio.length_s * facts.bpm / (60 * 4)
        whole = round(bars) if bars and abs(bars - round(bars)) < 0.02 and round(bars) else guess_bars(audio.length_s)
        return Reading(mono, audio.rate_hz, whole)

    @staticmethod
    def _chunk_bars(path: Path, length_s: float) -> float | None:
        chunks = read_chunks(path)
        if chunks.beats:
            return chunks.beats / 4
        if chunks.bpm:
            return length_s * chunks.bpm / (60 * 4)
        return None


class PreparedSide(Side):
    """Rows of prepared data, of one split or all."""

    kind = "prepared"

    def __init__(self, path: Path) -> None:
        self.data = PreparedData.open(path)
        self.label = path.name or str(path)
        self.entries = [
            Entry(f"{r.get('file', '')}#{r.get('bar', 0)}", self.data.bars, *(str(r.get(k) or "") for k in _KNOWN))
            for r in self.data.records
        ]

    def read(self, index: int) -> Reading:
        return Reading(self.data.audio([index])[0], self.data.mel.rate_hz, self.data.bars)


class ModelSide(Side):
    """Loops from a trained generator through a vocoder, at 120 BPM, as they come: no level is changed."""

    kind = "model"

    def __init__(self, path: Path, *, count: int, seed: int, vocoder: str, truncation: float, keep: Path | None) -> None:
        self.path = find_model(str(path))
        self.model = TorchModel.load(str(path), vocoder=None if vocoder == "auto" else vocoder)
        self.mel, self.vocoder = self.model.mel, self.model.vocoder
        if not self.mel.circular:
            raise InputError(f"{path} speaks '{self.mel.name}', which no circular vocoder takes. Render it to a folder first.")
        self.seed, self.truncation = seed, truncation
        run = run_of(self.path)
        self.label = run.name if run else self.model.name
        self.entries = [Entry(f"{self.label}-{seed + i}", self.model.bars) for i in range(count)]
        self.checksum = sha256_of(self.path)
        self._keep = keep
        self._block: tuple[int, Float32] | None = None

    def describe(self) -> SideFacts:
        return SideFacts(
            kind=self.kind,
            label=self.label,
            loops=len(self.entries),
            checksum=self.checksum,
            vocoder=self.model.vocoder_name,
            seed=self.seed,
            truncation=self.truncation,
            training=self.model.header.get("training", {}),
            taught_by=self.taught_by(),
        )

    def taught_by(self) -> tuple[str, ...]:
        """The networks that taught it, as its recipe names them."""
        recipe = self.model.header.get("recipe", {})
        return networks_of(recipe) if isinstance(recipe, dict) else ()

    def training_data(self) -> Path | None:
        """The prepared folder its run was trained on, if the run folder says so and it is still there."""
        run = run_of(self.path)
        if run is None:
            return None
        try:
            values = json.loads((run / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        data = values.get("data")
        path = Path(data) if isinstance(data, str) else None
        return path if path is not None and (path / "stats.json").is_file() else None

    def read(self, index: int) -> Reading:
        number = index // _BLOCK
        if self._block is None or self._block[0] != number:
            self._block = (number, self._make(number * _BLOCK, min(len(self), (number + 1) * _BLOCK)))
        return Reading(self._block[1][index - number * _BLOCK], self.mel.rate_hz, self.model.bars)

    def _make(self, start: int, stop: int) -> Float32:
        """Waveforms start..stop at the model's rate; kept on disk while an evaluation runs, so that it can be resumed."""
        text = f"{self.checksum} {self.model.vocoder_name} {self.seed} {self.truncation} {start} {stop}"
        return _kept(self._keep, text, lambda: np.concatenate([self._render(self.seed + i) for i in range(start, stop)]))

    def _render(self, seed: int) -> Float32:
        """One loop (1, N). Alone: the size of a batch changes last digits, and Griffin-Lim makes another loop of them."""
        with torch.no_grad():
            styles = self.model.styles_of([seed], truncation=self.truncation)
            if self.vocoder is None or self.model.speaker.plays:
                return self.model.unlevelled(styles, [seed], bpm=GRID_BPM, rate_hz=self.mel.rate_hz)
            # A bad model is to be measured, not refused: what no vocoder takes is cut off.
            log_mel = torch.from_numpy(self.model.log_mel(styles, [seed])).clamp(max=HIGHEST_LOG_MEL)
            return np.asarray(self.vocoder(log_mel.to(self.model.device)).cpu().numpy(), dtype=np.float32)


def _kept(folder: Path | None, key: str, make: Callable[[], Float32]) -> Float32:
    """What `make` gives, from a file in `folder` where an interrupted evaluation has left it."""
    if folder is None:
        return make()
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npy"
    if path.is_file():
        try:
            return np.asarray(np.load(path, allow_pickle=False), dtype=np.float32)
        except (OSError, ValueError):
            path.unlink(missing_ok=True)
    audio = make()
    with atomic_path(path) as temporary, temporary.open("wb") as out:
        np.save(out, audio, allow_pickle=False)
    return audio


class VocodedSide(Side):
    """Some loops of another side, analysed and put through a vocoder: what the vocoder alone costs."""

    kind = "vocoded"

    def __init__(self, side: Side, rows: Sequence[int], vocoder: Vocoder, *, keep: Path | None = None) -> None:
        self.side, self.rows, self.vocoder = side, list(rows), vocoder
        self.label = f"{side.label} through {vocoder.name}"
        self.entries = [side.entries[i] for i in self.rows]
        self._log_mel = LogMel(vocoder.mel)
        self._keep = keep

    def read(self, index: int) -> Reading:
        mel = self.vocoder.mel
        reading = self.side.read(self.rows[index])
        samples = reading.at(mel.rate_hz)
        # A vocoder takes whole bars of frames: a loop of another tempo is brought to the grid as a circle, there and back.
        grid = resample_circle(samples, reading.bars * mel.bar_samples)

        def vocode() -> Float32:
            with torch.no_grad():
                return np.asarray(self.vocoder(self._log_mel(torch.from_numpy(grid)[None]))[0].cpu().numpy(), dtype=np.float32)

        content = hashlib.sha256(np.ascontiguousarray(grid).tobytes()).hexdigest()
        audio = _kept(self._keep, f"{self.vocoder.name} {mel.name} {content}", vocode)
        return Reading(resample_circle(audio, len(samples)), mel.rate_hz, reading.bars)


def open_side(
    path: Path, *, count: int | None, seed: int, vocoder: str = "auto", truncation: float = 1.0, keep: Path | None = None
) -> Side:
    """What lies at `path`: prepared data, a run folder, model file or bundled model's name, a pack, or a folder of audio.

    Args:
        path: where.
        count: loops a model makes; the other kinds have what they have. None: 1000.
        seed: of a model's loops.
        vocoder: of a model: a name or file, or "auto" (the bundled one, else Griffin-Lim).
        truncation: of a model.
        keep: folder for audio a model has made, so that an interrupted evaluation goes on from there.

    Raises InputError if it is none of these.
    """
    path = Path(path)
    if path.is_file() or is_run(path) or (str(path) in bundled_models() and not path.exists()):
        return ModelSide(
            path, count=1000 if count is None else count, seed=seed, vocoder=vocoder, truncation=truncation, keep=keep
        )
    if not path.is_dir():
        raise InputError(f"no folder or model at {path}. Give a folder of loops, prepared data, a pack, or a run.")
    if (path / "stats.json").is_file():
        return PreparedSide(path)
    return FolderSide(path)


def is_run(path: Path) -> bool:
    """Whether this is the folder of a training run."""
    return (path / "config.json").is_file() and (path / "checkpoints").is_dir()


def networks_of(recipe: Mapping[str, Any]) -> tuple[str, ...]:
    """The networks that teach in a recipe as JSON; () if it does not say."""
    try:
        return parse_recipe(dict(recipe), "of a model").discriminator.network_names
    except ConfigError:  # written by another version: what it says of networks is as good
        return tuple(recipe.get("discriminator", {}).get("networks", ()))


def run_of(model: Path) -> Path | None:
    """The run folder a model file belongs to, if any."""
    parent = model.resolve().parent.parent
    return parent if is_run(parent) else None
