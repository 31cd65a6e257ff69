"""The prepared format, read: shards of log-mel and audio, one manifest line a bar, statistics.

    PREPARED/
      manifest.jsonl        one JSON object a row, in row order: file, bar, bpm, split, source, licence, style, ...
      stats.json            format, mel settings, bars per row, row count, rows per shard, statistics of the training rows
      shards/mel-00000.npy    float16 (rows, M, T)   log10 mel
      shards/audio-00000.npy  int16   (rows, N)      the bar itself at mel.rate_hz

Shards are memory-mapped: a data set of any size costs what is read. Nothing here is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from loopwright.arrays import Float32, Int64
from loopwright.config import MelConfig, Representation, parse_representation
from loopwright.data.statistics import MelStats
from loopwright.errors import InputError

FORMAT = 1
Record = dict[str, Any]


class PreparedData:
    """A prepared folder, opened for reading."""

    def __init__(
        self, path: Path, representation: Representation, bars: int, stats: MelStats, records: list[Record], rows_per_shard: int
    ) -> None:
        self.path = path
        self.representation = representation
        self.bars = bars
        self.stats = stats
        self.records = records
        self._rows_per_shard = rows_per_shard
        self._maps: dict[str, npt.NDArray[Any]] = {}

    @classmethod
    def open(cls, path: Path) -> PreparedData:
        """Open a folder written by `PreparedWriter`. Raises InputError saying what is wrong with it."""
        path = Path(path)
        try:
            stats = json.loads((path / "stats.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise InputError(
                f"{path} is not a prepared folder (no stats.json). If it holds loops: loopwright prepare {path} "
                f"-o prepared/{path.resolve().name}"
            ) from error
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {path / 'stats.json'} ({error}). Prepare the folder again.") from error
        if stats.get("format") != FORMAT:
            raise InputError(f"{path} has format {stats.get('format')}, this version reads {FORMAT}. Prepare the folder again.")
        try:
            representation = parse_representation(stats["mel"])
            with (path / "manifest.jsonl").open(encoding="utf-8", newline="\n") as lines:
                records = [json.loads(line) for line in lines]
            data = cls(
                path, representation, stats["bars"], MelStats.from_json(stats["statistics"]), records, stats["rows_per_shard"]
            )
        except (KeyError, OSError, ValueError, ValidationError) as error:
            raise InputError(f"{path} is damaged ({error}). Prepare the folder again.") from error
        if len(records) != stats["rows"]:
            raise InputError(
                f"{path}: the manifest has {len(records)} rows, stats.json says {stats['rows']}. Prepare the folder again."
            )
        return data

    def __len__(self) -> int:
        return len(self.records)

    @property
    def mel(self) -> MelConfig:
        """The representation, for what takes log-mels alone. Raises InputError if the data is of another kind."""
        if not isinstance(self.representation, MelConfig):
            raise InputError(
                f"{self.path} is prepared as {self.representation.name}, and this takes log-mels. "
                "Prepare the loops again with --repr loop48, into another folder."
            )
        return self.representation

    @property
    def frames(self) -> int:
        """Frames of each row."""
        return self.bars * self.representation.bar_frames

    def indices(self, split: str | None = None, **where: object) -> Int64:
        """Rows of a split whose fields equal those given; None: of all but "locked", which is used where it is named."""
        if split is not None:
            where["split"] = split
        rows = [
            i
            for i, record in enumerate(self.records)
            if all(record.get(k) == v for k, v in where.items()) and (split == "locked" or record.get("split") != "locked")
        ]
        return np.asarray(rows, dtype=np.int64)

    def column(self, name: str, indices: Sequence[int] | Int64 | None = None) -> list[Any]:
        """One manifest field of the rows given (all if None)."""
        rows = range(len(self)) if indices is None else indices
        return [self.records[int(i)].get(name) for i in rows]

    def log_mel(self, indices: Sequence[int] | Int64) -> Float32:
        """Pictures of rows, log10 magnitudes in the data's representation: float32 (n, M, T)."""
        return self._gather("mel", indices, lambda part: part.astype(np.float32))

    def audio(self, indices: Sequence[int] | Int64) -> Float32:
        """Waveforms of rows: float32 (n, N) in [-1, 1]. Raises InputError if prepared without audio."""
        if not (self.path / "shards" / "audio-00000.npy").exists():
            raise InputError(f"{self.path} was prepared without audio. Prepare it again without --no-audio.")
        return self._gather("audio", indices, lambda part: part.astype(np.float32) / 32768.0)

    def _shard(self, kind: str, number: int) -> npt.NDArray[Any]:
        name = f"{kind}-{number:05d}.npy"
        if name not in self._maps:
            try:
                self._maps[name] = np.load(self.path / "shards" / name, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError) as error:
                raise InputError(
                    f"shard {name} of {self.path} is missing or damaged ({error}). Prepare the folder again."
                ) from error
        return self._maps[name]

    def _gather(self, kind: str, indices: Sequence[int] | Int64, convert: Callable[[npt.NDArray[Any]], Float32]) -> Float32:
        rows = np.asarray(indices, dtype=np.int64)
        shards = rows // self._rows_per_shard
        out: Float32 | None = None
        for number in np.unique(shards):
            at = np.flatnonzero(shards == number)
            part = convert(self._shard(kind, int(number))[rows[at] - number * self._rows_per_shard])
            if out is None:
                out = np.empty((len(rows), *part.shape[1:]), dtype=np.float32)
            out[at] = part
        if out is None:
            raise InputError(f"no rows asked of {self.path}: is the split empty?")
        return out
