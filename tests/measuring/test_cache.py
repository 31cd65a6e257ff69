"""The cache of embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from loopwright.measuring.cache import EmbeddingCache, content_hash


def test_cache_keeps_vectors_by_space_and_survives_damage(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    cache = EmbeddingCache(path)
    x = np.arange(5, dtype=np.float32)
    cache.put("a", {"k": x})
    assert (cache.get("a", ["k", "other"])["k"] == x).all()
    assert cache.get("b", ["k"]) == {}
    cache.close()
    again = EmbeddingCache(path)
    assert list(again.get("a", ["k"])) == ["k"]
    again.close()
    path.write_bytes(b"this is not a database" * 100)
    damaged = EmbeddingCache(path)
    assert "damaged" in damaged.note
    damaged.put("a", {"k": x})
    assert (damaged.get("a", ["k"])["k"] == x).all()
    damaged.close()
    assert content_hash(x) == content_hash(x.copy()) != content_hash(x + 1)
