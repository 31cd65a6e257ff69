"""dataset inspect and stats: counts against the manifest, onsets against a pattern made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from loopwright.audio.mel import LogMel
from loopwright.config import LOOP16
from loopwright.data.prepared_writer import PreparedWriter
from loopwright.errors import InputError
from loopwright.tasks.dataset import inspect, picture, stats


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Six bars with clicks on sixteenths 0 and 10 only."""
    out = tmp_path / "p"
    with PreparedWriter(out, LOOP16, 1) as writer:
        for i in range(6):
            x = np.zeros(32_000, dtype=np.float32)
            for step in (0, 10):
                x[step * 2000 : step * 2000 + 200] = 0.5 * np.random.default_rng(i).standard_normal(200)
            log_mel = LogMel(LOOP16)(torch.from_numpy(x)).numpy()
            record = {
                "file": f"{i // 2}.wav", "bar": i % 2, "bpm": 100.0 + i, "split": "train" if i else "test", "source": "s",
                "licence": "CC0-1.0", "key": "A minor" if i < 2 else "", "style": "rock", "kind": "drum", "gain_db": -3.0,
            }  # fmt: skip
            writer.add(log_mel, x, record)
        writer.finish()
    return out


def test_inspect(prepared: Path) -> None:
    value = inspect(prepared)
    assert (value["rows"], value["files"], value["sources"], value["frames"]) == (6, 3, 1, 256)
    assert value["splits"] == {"train": 5, "test": 1}
    assert value["licences"] == {"CC0-1.0": 6}
    row = inspect(prepared, 3)
    assert (row["file"], row["bar"]) == ("1.wav", 1)
    assert -10 < row["peak_db"] <= 6.1
    with pytest.raises(InputError, match="has rows 0 to 5, not 6"):
        inspect(prepared, 6)


def test_stats(prepared: Path) -> None:
    value = stats(prepared)
    assert value["bpm"]["p0"] == 100.0
    assert value["bpm"]["p100"] == 105.0
    assert value["keys"] == {"not stated": 4, "A minor": 2}
    for band in ("low", "middle", "high"):
        share = np.array(value["onsets"][band])
        assert share.sum() == pytest.approx(1.0, abs=0.001)
        assert share[[0, 10]].sum() > 0.95


def test_pictures(prepared: Path, tmp_path: Path) -> None:
    picture(prepared, tmp_path / "a.png")
    for name in ("a.png", "a-sheet.png"):
        assert (tmp_path / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
