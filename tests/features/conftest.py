"""A prepared folder small enough for every test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from loopwright.config import LOOP16
from loopwright.data import PreparedData
from loopwright.data.prepared_writer import PreparedWriter


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 bars of two styles: low and high noise."""
    path = tmp_path_factory.mktemp("classifier") / "prepared"
    rng = np.random.default_rng(0)
    with PreparedWriter(path, LOOP16, 1, audio=False) as writer:
        for i in range(48):
            style = ("low", "high")[i % 2]
            log_mel = rng.normal(-3, 0.2, (64, 256)).astype(np.float32)
            log_mel[slice(0, 20) if style == "low" else slice(40, 64)] += 1.0
            record = {"id": i, "file": f"{i}.wav", "bar": 0, "bpm": 120.0, "split": "train" if i < 36 else "test",
                      "source": f"s{i // 2}", "licence": "CC0-1.0", "style": style, "kind": "drum", "kit": "k"}  # fmt: skip
            writer.add(log_mel, None, record)
        writer.commit()
        writer.finish()
    assert len(PreparedData.open(path)) == 48
    return path
