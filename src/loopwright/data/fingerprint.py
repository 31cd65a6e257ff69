"""Near-duplicates: the same bar at another level, codec or starting point.

A fingerprint is a coarse log-mel, 48 bands x 64 frames, without its mean. Its similarity to another is the largest
cosine over all rolls. Short keys that no roll changes (from the magnitudes of the Fourier series in time) find the few
worth comparing. They go to an index on disk, so that memory does not grow with the data, and time little faster than it.
"""

from __future__ import annotations

import functools
import sqlite3
from pathlib import Path

import numpy as np
import torch

from loopwright.arrays import Float32

BANDS, FRAMES = 48, 64
_RANGE = 3.0  # decades under the loudest point; what is below is silence
_HARMONICS = 24
# Locality-sensitive hashing (Datar et al. 2004). Re-encoded bars lie 0.02 to 0.2 apart, others 0.4 to 1.2. With these
# numbers 99 % of pairs 0.1 apart share a cell in some table, and about 0.5 % of unrelated ones do.
_PROJECTIONS = 8  # numbers per table
_TABLES = 8
_CELL = 1.0
_MOST_CANDIDATES = 64  # those that share most cells


@functools.lru_cache(maxsize=8)
def _averages(m: int, t: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What makes M mel bands and T frames coarse: (48, M) and (T, 64)."""
    edges = np.round(np.linspace(0, m, BANDS + 1)).astype(int)
    bands = np.add.reduceat(np.eye(m), edges[:-1], axis=0) / np.diff(edges)[:, None]
    # cells overlap by half, so that a roll by part of a cell changes little
    k = np.arange(FRAMES // 2 + 1)
    taper = np.sinc(2 * k / FRAMES) * (k < FRAMES // 2)
    cells = np.fft.irfft(np.fft.rfft(np.eye(t), axis=1)[:, : len(k)] * taper, FRAMES, axis=1) * (FRAMES / t)
    return torch.from_numpy(bands), torch.from_numpy(cells)


def fingerprint(log_mel: Float32) -> Float32:
    """Coarse picture of a log-mel (M, T) with unit length. -> (48, 64) float32; zeros for silence."""
    bands, cells = _averages(*log_mel.shape)
    # torch's products: numpy's would start threads in every worker. In double, so that threads change no bit that is kept
    x = (bands @ torch.from_numpy(np.maximum(log_mel - log_mel.max(), -_RANGE)).double() @ cells).numpy()
    x -= x.mean()
    norm = float(np.sqrt(np.sum(x**2)))
    return (x / norm if norm > 1e-6 else np.zeros_like(x)).astype(np.float32)


def similarity(a: Float32, b: Float32) -> float:
    """Largest cosine of two fingerprints over all rolls of one of them."""
    cross = np.fft.irfft((np.fft.rfft(a, axis=1) * np.fft.rfft(b, axis=1).conj()).sum(axis=0), a.shape[1])
    return float(cross.max())


@functools.lru_cache(maxsize=1)
def _projections() -> tuple[Float32, Float32]:
    rng = np.random.default_rng(20220901)  # part of the format: other numbers would index other cells
    planes = rng.standard_normal((BANDS * (_HARMONICS + 1), _TABLES * _PROJECTIONS)).astype(np.float32)
    return planes, rng.random(_TABLES * _PROJECTIONS).astype(np.float32)


def keys(print_: Float32) -> list[bytes]:
    """One key a table; near-duplicates agree in at least one with high probability."""
    planes, offsets = _projections()
    series = np.abs(np.fft.rfft(print_, axis=1))[:, : _HARMONICS + 1] / np.sqrt(FRAMES / 2)
    cells = np.floor(series.reshape(-1) @ planes / _CELL + offsets).astype(np.int32).reshape(_TABLES, _PROJECTIONS)
    return [bytes([table]) + row.astype(np.int8).tobytes() for table, row in enumerate(cells)]


class DuplicateIndex:
    """Fingerprints of the rows kept so far, in an SQLite file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")  # rebuilt from the shards if it is damaged or behind
        self._db.execute("CREATE TABLE IF NOT EXISTS prints (row INTEGER PRIMARY KEY, print BLOB)")
        self._db.execute("CREATE TABLE IF NOT EXISTS cells (key BLOB, row INTEGER, PRIMARY KEY (key, row)) WITHOUT ROWID")

    def __len__(self) -> int:
        return int(self._db.execute("SELECT COUNT(*) FROM prints").fetchone()[0])

    def find(self, print_: Float32, threshold: float) -> tuple[int, float] | None:
        """The earliest kept row whose similarity reaches `threshold`, and the similarity."""
        if not print_.any():
            return None
        marks = keys(print_)
        query = (
            f"SELECT row FROM cells WHERE key IN ({','.join('?' * len(marks))}) "
            f"GROUP BY row ORDER BY COUNT(*) DESC, row LIMIT {_MOST_CANDIDATES}"
        )
        rows = [int(row) for (row,) in self._db.execute(query, marks)]
        if not rows:
            return None
        blobs = self._db.execute(f"SELECT row, print FROM prints WHERE row IN ({','.join('?' * len(rows))}) ORDER BY row", rows)
        for row, blob in blobs:
            like = similarity(print_, np.frombuffer(blob, dtype=np.float16).reshape(BANDS, FRAMES).astype(np.float32))
            if like >= threshold:
                return int(row), like
        return None

    def add(self, row: int, print_: Float32) -> None:
        """Keep a row's fingerprint."""
        self._db.execute("INSERT OR REPLACE INTO prints VALUES (?, ?)", (row, print_.astype(np.float16).tobytes()))
        self._db.executemany("INSERT OR REPLACE INTO cells VALUES (?, ?)", [(mark, row) for mark in keys(print_)])

    def forget_from(self, row: int) -> None:
        """Drop rows from `row` on: they were never finished."""
        self._db.execute("DELETE FROM prints WHERE row >= ?", (row,))
        self._db.execute("DELETE FROM cells WHERE row >= ?", (row,))

    def commit(self) -> None:
        """Make what was added last."""
        self._db.commit()

    def close(self) -> None:
        """Commit and close."""
        self._db.commit()
        self._db.close()
