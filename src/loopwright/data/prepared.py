"""The prepared format: shards of log-mel and audio, one manifest line a bar, statistics.

    PREPARED/
      manifest.jsonl        one JSON object a row, in row order: file, bar, bpm, split, source, licence, style, ...
      stats.json            format, mel settings, bars per row, row count, rows per shard, statistics of the training rows
      shards/mel-00000.npy    float16 (rows, M, T)   log10 mel
      shards/audio-00000.npy  int16   (rows, N)      the bar itself at mel.rate_hz

Shards are memory-mapped: a data set of any size costs what is read. Nothing here is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from loopwright.config import MelConfig
from loopwright.errors import InputError
from loopwright.files import atomic_path, write_json, write_text

FORMAT = 1
ROWS_PER_SHARD = 512
Float32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Record = dict[str, Any]


@dataclass(frozen=True)
class MelStats:
    """Per-band statistics of the training rows' log-mels, each (M,) float32.

    `low` and `high` are the 0.1 and 99.9 percentiles: the range a generator is bounded to.
    """

    mean: Float32
    std: Float32
    low: Float32
    high: Float32

    def to_json(self) -> dict[str, list[float]]:
        """Plain lists, for headers and stats.json."""
        return {k: [round(float(v), 6) for v in getattr(self, k)] for k in ("mean", "std", "low", "high")}

    @classmethod
    def from_json(cls, value: dict[str, list[float]]) -> MelStats:
        """Inverse of `to_json`."""
        return cls(**{k: np.asarray(value[k], dtype=np.float32) for k in ("mean", "std", "low", "high")})


def measure_stats(batches: Iterable[Float32], mel: MelConfig) -> MelStats:
    """Statistics of log-mels given in batches (n, M, T), in one pass and bounded memory.

    Percentiles come from a histogram of 0.01 decades. A band that never sounds gets std 1.
    """
    edges = np.arange(-6.0, 4.0, 0.01)
    count = 0
    total = np.zeros(mel.n_mels)
    squares = np.zeros(mel.n_mels)
    histogram = np.zeros((mel.n_mels, len(edges) + 1))
    for batch in batches:
        x = batch.astype(np.float64).transpose(1, 0, 2).reshape(mel.n_mels, -1)
        count += x.shape[1]
        total += x.sum(axis=1)
        squares += (x**2).sum(axis=1)
        cells = np.clip(((x + 6.0) / 0.01).astype(np.int64) + 1, 0, len(edges))
        for band in range(mel.n_mels):
            histogram[band] += np.bincount(cells[band], minlength=len(edges) + 1)
    mean = total / max(count, 1)
    std = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0))
    shares = np.cumsum(histogram, axis=1) / max(count, 1)

    def quantile(q: float) -> Float32:
        index = np.minimum((shares < q).sum(axis=1), len(edges) - 1)
        return edges[index].astype(np.float32)

    std[std < 1e-3] = 1.0
    return MelStats(mean.astype(np.float32), std.astype(np.float32), quantile(0.001), quantile(0.999))


class PreparedData:
    """A prepared folder, opened for reading."""

    def __init__(
        self, path: Path, mel: MelConfig, bars: int, stats: MelStats, records: list[Record], rows_per_shard: int
    ) -> None:
        self.path = path
        self.mel = mel
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
                f"{path} is not a prepared folder (no stats.json). Make one: loopwright prepare FOLDER -o {path}"
            ) from error
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {path / 'stats.json'} ({error}). Prepare the folder again.") from error
        if stats.get("format") != FORMAT:
            raise InputError(f"{path} has format {stats.get('format')}, this version reads {FORMAT}. Prepare the folder again.")
        try:
            mel = MelConfig(**stats["mel"])
            lines = (path / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
            records = [json.loads(line) for line in lines]
            data = cls(path, mel, stats["bars"], MelStats.from_json(stats["statistics"]), records, stats["rows_per_shard"])
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
    def frames(self) -> int:
        """Frames of each row."""
        return self.bars * self.mel.bar_frames

    def indices(self, split: str | None = None, **where: object) -> Ints:
        """Rows of a split ("train", "validation", "test"; None: all) whose fields equal those given."""
        if split is not None:
            where["split"] = split
        rows = [i for i, record in enumerate(self.records) if all(record.get(k) == v for k, v in where.items())]
        return np.asarray(rows, dtype=np.int64)

    def column(self, name: str, indices: Sequence[int] | Ints | None = None) -> list[Any]:
        """One manifest field of the rows given (all if None)."""
        rows = range(len(self)) if indices is None else indices
        return [self.records[int(i)].get(name) for i in rows]

    def log_mel(self, indices: Sequence[int] | Ints) -> Float32:
        """Log-mels of rows: float32 (n, M, T)."""
        return self._gather("mel", indices, lambda part: part.astype(np.float32))

    def audio(self, indices: Sequence[int] | Ints) -> Float32:
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

    def _gather(self, kind: str, indices: Sequence[int] | Ints, convert: Callable[[npt.NDArray[Any]], Float32]) -> Float32:
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


class PreparedWriter:
    """Write a prepared folder row by row. Shards are renamed into place when full, the manifest and stats at `finish`.

    The order of `add` alone decides the bytes written, so a repeated run gives identical files. `skip_rows` rows
    (whole shards) are taken to be on disk already, from a run that was interrupted.
    """

    def __init__(self, path: Path, mel: MelConfig, bars: int, *, audio: bool = True, skip_rows: int = 0) -> None:
        assert skip_rows % ROWS_PER_SHARD == 0, "only whole shards can be kept"
        self.path = Path(path)
        self.mel = mel
        self.bars = bars
        self.keep_audio = audio
        self._skip = skip_rows
        self._rows = 0
        self._mels: list[npt.NDArray[np.float16]] = []
        self._audio: list[npt.NDArray[np.int16]] = []
        self._records: list[Record] = []

    def add(self, log_mel: Float32 | None, audio: Float32 | None, record: Record) -> None:
        """Append one row: log-mel (M, T), waveform (N,), manifest fields. Arrays may be None for rows already on disk."""
        self._records.append({"id": self._rows, **record})
        self._rows += 1
        if self._rows <= self._skip:
            return
        assert log_mel is not None
        if log_mel.shape != (self.mel.n_mels, self.bars * self.mel.bar_frames):
            raise InputError(
                f"{record.get('file')}: log-mel of shape {log_mel.shape} does not fit {self.mel.name} x {self.bars} bars."
            )
        self._mels.append(log_mel.astype(np.float16))
        if self.keep_audio:
            assert audio is not None
            self._audio.append(np.clip(np.round(audio * 32768.0), -32768, 32767).astype(np.int16))
        if len(self._mels) == ROWS_PER_SHARD:
            self._flush()

    def _flush(self) -> None:
        number = (self._rows - 1) // ROWS_PER_SHARD
        for kind, rows in (("mel", self._mels), ("audio", self._audio)):
            if rows:
                with (
                    atomic_path(self.path / "shards" / f"{kind}-{number:05d}.npy") as temporary,
                    temporary.open("wb") as out,
                ):
                    np.save(out, np.stack(rows), allow_pickle=False)
                rows.clear()

    def finish(self, extra: dict[str, Any] | None = None) -> PreparedData:
        """Write what is left, the manifest, and last stats.json, which makes the folder whole."""
        if not self._records:
            raise InputError(f"nothing usable to write to {self.path}.")
        if self._mels:
            self._flush()
        write_text(self.path / "manifest.jsonl", "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in self._records))
        empty = np.zeros(self.mel.n_mels, dtype=np.float32)
        draft = PreparedData(
            self.path, self.mel, self.bars, MelStats(empty, empty, empty, empty), self._records, ROWS_PER_SHARD
        )
        rows = draft.indices("train")
        if len(rows) == 0:
            rows = draft.indices()
        batches = (draft.log_mel(rows[i : i + ROWS_PER_SHARD]) for i in range(0, len(rows), ROWS_PER_SHARD))
        statistics = measure_stats(batches, self.mel)
        stats = {
            "format": FORMAT,
            "mel": self.mel.model_dump(),
            "bars": self.bars,
            "rows": len(self._records),
            "rows_per_shard": ROWS_PER_SHARD,
            "audio": self.keep_audio,
            "statistics": statistics.to_json(),
            **(extra or {}),
        }
        write_json(self.path / "stats.json", stats)
        return PreparedData.open(self.path)
