"""Embeddings that need not be computed twice: one SQLite file, keyed by judge, its checksum, and the audio itself."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import platformdirs

from loopwright.arrays import Float32


def default_path() -> Path:
    """In the user's cache folder."""
    return Path(platformdirs.user_cache_dir("loopwright")) / "embeddings.sqlite"


def content_hash(samples: Float32) -> str:
    """Hash of what a judge hears: the samples, whatever the file was called."""
    return hashlib.blake2b(np.ascontiguousarray(samples, dtype=np.float32).tobytes(), digest_size=20).hexdigest()


class EmbeddingCache:
    """Vectors by (space, key), a space being a judge and its checksum. `path=None` keeps them in memory only.

    A damaged or unwritable file costs time, never the evaluation: it is set aside, or done without.
    """

    def __init__(self, path: Path | None) -> None:
        self.note = ""
        self._db = self._open(path)

    def _open(self, path: Path | None) -> sqlite3.Connection:
        if path is not None:
            for attempt in range(2):
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    return self._prepare(sqlite3.connect(path, timeout=60))
                except sqlite3.DatabaseError:
                    if attempt == 0:
                        with contextlib.suppress(OSError):
                            path.replace(path.with_suffix(".damaged"))
                            self.note = f"the embedding cache {path} was damaged and has been begun afresh"
                except OSError:
                    break
            self.note = f"the embedding cache {path} cannot be used; embeddings are computed anew"
        return self._prepare(sqlite3.connect(":memory:"))

    @staticmethod
    def _prepare(db: sqlite3.Connection) -> sqlite3.Connection:
        db.execute(
            "CREATE TABLE IF NOT EXISTS vectors (space TEXT, key TEXT, value BLOB, PRIMARY KEY (space, key)) WITHOUT ROWID"
        )
        db.commit()
        return db

    def get(self, space: str, keys: Sequence[str]) -> dict[str, Float32]:
        """Those of `keys` that are known."""
        out: dict[str, Float32] = {}
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            marks = ",".join("?" * len(part))
            query = f"SELECT key, value FROM vectors WHERE space = ? AND key IN ({marks})"
            for key, value in self._db.execute(query, [space, *part]):
                out[key] = np.frombuffer(value, dtype="<f4").astype(np.float32)
        return out

    def put(self, space: str, vectors: Mapping[str, Float32] | Iterable[tuple[str, Float32]]) -> None:
        """Store vectors at once; a killed process loses at most this call's."""
        pairs = vectors.items() if isinstance(vectors, Mapping) else vectors
        rows = [(space, key, np.asarray(value, dtype="<f4").tobytes()) for key, value in pairs]
        try:
            with self._db:
                self._db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:  # a full disk, or a lock held for a minute
            self.note = f"embeddings could not be cached ({error})"

    def close(self) -> None:
        """Release the file."""
        self._db.close()
