"""The prepared format, written: row by row, to be killed at any moment and continued."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from loopwright.arrays import Bool, Float16, Float32
from loopwright.config import Representation
from loopwright.data.prepared import FORMAT, PreparedData, Record
from loopwright.data.statistics import measure_stats
from loopwright.errors import InputError
from loopwright.files import atomic_path, write_json

ROWS_PER_SHARD = 512
WORK_FOLDER = ".work"  # of an unfinished preparation: the journal and the rows not yet in a shard


class PreparedWriter:
    """Write a prepared folder row by row, so that it can be killed at any moment and continued.

    Rows are appended to raw part files and, at each `commit`, told to a journal; full parts become shards. The journal alone
    says what is done: rows that it does not know are cut off when a writer continues. The order of `add` alone decides the
    bytes of shards and manifest, so a continued run equals an unbroken one. `finish` writes the manifest and stats.json,
    which makes the folder whole. Memory does not grow with the rows.

    Args:
        path: folder to write.
        mel: settings of the log-mels.
        bars: bars per row.
        audio: keep the waveforms too.
        resume: continue from the journal found in the folder; otherwise start over and remove what is there.
    """

    def __init__(self, path: Path, mel: Representation, bars: int, *, audio: bool = True, resume: bool = False) -> None:
        self.path = Path(path)
        self.mel = mel
        self.bars = bars
        self.keep_audio = audio
        self._work = self.path / WORK_FOLDER
        self._shapes: dict[str, tuple[tuple[int, ...], npt.DTypeLike]] = {
            "mel": ((mel.bands, bars * mel.bar_frames), np.dtype("<f2"))
        }
        if audio:
            self._shapes["audio"] = ((bars * mel.bar_samples,), np.dtype("<i2"))
        self._row_bytes = {k: int(np.prod(shape)) * np.dtype(kind).itemsize for k, (shape, kind) in self._shapes.items()}
        self._pending: list[Record] = []
        self.rows = 0  # rows added, committed or not
        self.entries = 0  # commits in the journal
        with _writing(self.path):
            if not resume:
                self._clear()
            self._work.mkdir(parents=True, exist_ok=True)
            (self.path / "shards").mkdir(exist_ok=True)
            self._take_up()
            self._parts = {kind: self._part(kind, self._shard).open("ab") for kind in self._shapes}
            self._journal = (self._work / "journal.jsonl").open("ab")

    def _part(self, kind: str, number: int) -> Path:
        return self._work / f"{kind}-{number:05d}.part"

    def _clear(self) -> None:
        (self.path / "stats.json").unlink(missing_ok=True)  # first: without it the folder is not whole
        (self.path / "manifest.jsonl").unlink(missing_ok=True)
        for old in (self.path / "shards").glob("*-?????.npy"):
            old.unlink()
        if self._work.is_dir():
            for old in self._work.glob("*.part"):
                old.unlink()
            (self._work / "journal.jsonl").unlink(missing_ok=True)

    def _take_up(self) -> None:
        """Find how many rows are safely on disk, and cut journal and parts to that."""
        journal = self._work / "journal.jsonl"
        shards = 0
        while all((self.path / "shards" / f"{kind}-{shards:05d}.npy").exists() for kind in self._shapes):
            shards += 1
        in_part = {k: self._size(self._part(k, shards)) // n for k, n in self._row_bytes.items()}
        if not any(in_part.values()) and shards and all(self._part(k, shards - 1).exists() for k in self._shapes):
            # killed between writing a shard and carrying over what follows it: do that again
            shards -= 1
            in_part = {k: self._size(self._part(k, shards)) // n for k, n in self._row_bytes.items()}
        available = shards * ROWS_PER_SHARD + min(in_part.values())
        good = 0  # bytes of the journal to keep
        if journal.exists():
            with journal.open("rb") as lines:
                for line in lines:
                    try:
                        added = len(json.loads(line)["records"]) if line.endswith(b"\n") else -1
                    except (ValueError, KeyError, TypeError):
                        added = -1
                    if added < 0 or self.rows + added > available:
                        break
                    self.rows += added
                    self.entries += 1
                    good += len(line)
            with journal.open("r+b") as handle:
                handle.truncate(good)
        self._shard = min(shards, self.rows // ROWS_PER_SHARD)
        if self._shard < shards:  # shards that the journal does not know: their rows are made again
            lost = self.rows - self._shard * ROWS_PER_SHARD
            for kind in self._shapes:
                whole = np.load(self.path / "shards" / f"{kind}-{self._shard:05d}.npy", mmap_mode="r", allow_pickle=False)
                with atomic_path(self._part(kind, self._shard)) as temporary:
                    temporary.write_bytes(np.ascontiguousarray(whole[:lost]).tobytes())
                del whole
                for number in range(self._shard, shards):
                    (self.path / "shards" / f"{kind}-{number:05d}.npy").unlink()
        for kind, row_bytes in self._row_bytes.items():
            part = self._part(kind, self._shard)
            if part.exists():
                with part.open("r+b") as handle:
                    handle.truncate((self.rows - self._shard * ROWS_PER_SHARD) * row_bytes)
            for old in self._work.glob(f"{kind}-*.part"):
                if old != part:
                    old.unlink()
        self._seal()

    @staticmethod
    def _size(path: Path) -> int:
        return path.stat().st_size if path.exists() else 0

    def _seal(self) -> None:
        """Turn full parts into shards."""
        while self.rows - self._shard * ROWS_PER_SHARD >= ROWS_PER_SHARD:
            for kind, row_bytes in self._row_bytes.items():
                part = self._part(kind, self._shard)
                if not part.exists():
                    continue
                self._write_shard(kind, part, self._shard, ROWS_PER_SHARD)
                with atomic_path(self._part(kind, self._shard + 1)) as temporary, part.open("rb") as source:
                    source.seek(ROWS_PER_SHARD * row_bytes)
                    with temporary.open("wb") as rest:
                        shutil.copyfileobj(source, rest)
            for kind in self._row_bytes:
                self._part(kind, self._shard).unlink(missing_ok=True)
            self._shard += 1

    def _write_shard(self, kind: str, part: Path, number: int, rows: int) -> None:
        shape, dtype = self._shapes[kind]
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": (rows, *shape)}
        with atomic_path(self.path / "shards" / f"{kind}-{number:05d}.npy") as temporary, temporary.open("wb") as out:
            np.lib.format.write_array_header_1_0(out, header)
            left = rows * self._row_bytes[kind]
            with part.open("rb") as source:
                while left:
                    block = source.read(min(left, 1 << 22))
                    assert block, "a part is as long as its rows"
                    out.write(block)
                    left -= len(block)

    def add(self, log_mel: npt.NDArray[Any], audio: Float32 | None, record: Record) -> None:
        """Append one row: log-mel (M, T), waveform (N,), manifest fields. It counts once `commit` has told the journal."""
        shape, dtype = self._shapes["mel"]
        if log_mel.shape != shape:
            raise InputError(
                f"{record.get('file')}: log-mel of shape {log_mel.shape} does not fit {self.mel.name} x {self.bars} bars."
            )
        with _writing(self.path):
            self._parts["mel"].write(np.ascontiguousarray(log_mel, dtype=dtype).tobytes())
            if self.keep_audio:
                assert audio is not None
                assert audio.shape == self._shapes["audio"][0]
                self._parts["audio"].write(np.clip(np.round(audio * 32768.0), -32768, 32767).astype("<i2").tobytes())
        self._pending.append(record)
        self.rows += 1

    def commit(self, **entry: object) -> None:
        """Tell the journal of the rows added since the last commit, and of anything else that JSON can hold."""
        line = json.dumps({**entry, "records": self._pending}, ensure_ascii=False) + "\n"
        with _writing(self.path):
            for handle in self._parts.values():
                handle.flush()
            self._journal.write(line.encode("utf-8"))
            self._journal.flush()
            self._pending = []
            self.entries += 1
            if self.rows - self._shard * ROWS_PER_SHARD >= ROWS_PER_SHARD:
                self._close()
                self._seal()
                self._parts = {kind: self._part(kind, self._shard).open("ab") for kind in self._shapes}

    def _close(self) -> None:
        for handle in self._parts.values():
            handle.close()

    def journal(self) -> Iterator[dict[str, Any]]:
        """Everything committed, in order: the entries of `commit`, each with its `records`."""
        self._journal.flush()
        with (self._work / "journal.jsonl").open("rb") as lines:
            for line in lines:
                yield json.loads(line)

    def log_mels(self, first: int = 0) -> Iterator[Float16]:
        """Committed log-mels (M, T) from row `first` on, one after the other."""
        shape, dtype = self._shapes["mel"]
        self._parts["mel"].flush()
        for number in range(first // ROWS_PER_SHARD, self._shard + 1):
            skip = max(0, first - number * ROWS_PER_SHARD)
            if number < self._shard:
                name = self.path / "shards" / f"mel-{number:05d}.npy"
                yield from np.load(name, mmap_mode="r", allow_pickle=False)[skip:]
            else:
                with self._part("mel", number).open("rb") as part:
                    part.seek(skip * self._row_bytes["mel"])
                    while len(raw := part.read(self._row_bytes["mel"])) == self._row_bytes["mel"]:
                        yield np.frombuffer(raw, dtype=dtype).reshape(shape)

    def close(self) -> None:
        """Let go of the files; what is committed can be continued."""
        self._close()
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def finish(self, extra: dict[str, Any] | None = None, *, split_of: Callable[[Record], str] | None = None) -> PreparedData:
        """Write the last shard, the manifest, and last stats.json, which makes the folder whole.

        Args:
            extra: more fields of stats.json.
            split_of: gives the split of a record whose own is empty.

        Raises InputError if there are no rows or the disk is full.
        """
        try:
            return self._finish(extra, split_of)
        finally:
            self.close()

    def _finish(self, extra: dict[str, Any] | None, split_of: Callable[[Record], str] | None) -> PreparedData:
        if self._pending:
            self.commit()
        if self.rows == 0:
            raise InputError(f"nothing usable to write to {self.path}.")
        train = np.zeros(self.rows, dtype=bool)
        with _writing(self.path):
            self._close()
            left = self.rows - self._shard * ROWS_PER_SHARD
            if left:
                for kind in self._shapes:
                    self._write_shard(kind, self._part(kind, self._shard), self._shard, left)
            with (
                atomic_path(self.path / "manifest.jsonl") as temporary,
                temporary.open("w", encoding="utf-8", newline="\n") as out,
            ):
                row = 0
                for entry in self.journal():
                    for record in entry["records"]:
                        split = record.get("split") or (split_of(record) if split_of else "train")
                        out.write(json.dumps({"id": row, **record, "split": split}, ensure_ascii=False) + "\n")
                        train[row] = split == "train"
                        row += 1
        if not train.any():
            train[:] = True
        statistics = measure_stats(self._batches(train), self.mel.bands)
        stats = {
            "format": FORMAT,
            "mel": self.mel.model_dump(),
            "bars": self.bars,
            "rows": self.rows,
            "rows_per_shard": ROWS_PER_SHARD,
            "audio": self.keep_audio,
            "statistics": statistics.to_json(),
            **(extra or {}),
        }
        write_json(self.path / "stats.json", stats)
        self._journal.close()
        for old in self._work.iterdir():
            old.unlink()
        self._work.rmdir()
        return PreparedData.open(self.path)

    def _batches(self, chosen: Bool) -> Iterator[Float32]:
        for number in range(-(-self.rows // ROWS_PER_SHARD)):
            shard = np.load(self.path / "shards" / f"mel-{number:05d}.npy", mmap_mode="r", allow_pickle=False)
            rows = np.flatnonzero(chosen[number * ROWS_PER_SHARD : (number + 1) * ROWS_PER_SHARD])
            for first in range(0, len(rows), 64):  # in float64, with squares and cells, a row takes 20 times its size
                yield shard[rows[first : first + 64]].astype(np.float32)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """A full disk or a folder that cannot be written is the user's to mend, and loses nothing."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot write to {path}: {error.strerror or error}. Free some space, then run the same command to continue."
        ) from error
