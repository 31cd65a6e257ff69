"""`features compare`: probes that must succeed, probes that must fail, and what counts as dead."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from loopwright.data import PreparedData
from loopwright.errors import InputError
from loopwright.tasks.features import _pool, _probe, compare, write_comparison


def test_a_network_is_compared_on_labels_and_against_generated_bars(prepared: Path, tmp_path: Path) -> None:
    """Two styles that any network tells apart; "generated" bars that are the real ones cannot be told from them."""
    (row,) = compare(prepared, names=["random:scnn_loop"], generated=prepared, count=40)
    assert row.label_accuracy > 0.9
    assert row.label_chance < 0.7
    assert row.real_fake_accuracy < 0.75
    assert row.forward_backward_ms > row.forward_ms * 0.5 > 0
    paths = write_comparison(tmp_path / "out", [row])
    assert [path.suffix for path in paths] == [".md", ".json", ".png"]
    assert all(path.stat().st_size > 100 for path in paths)
    assert json.loads(paths[1].read_text())[0]["name"] == "random:scnn_loop"
    with pytest.raises(InputError, match="a comparison needs 8 or more"):
        compare(prepared, names=["random:scnn_loop"], count=40, generated=_tiny(tmp_path))


def _tiny(folder: Path) -> Path:
    from loopwright.config import LOOP16
    from loopwright.data.prepared_writer import PreparedWriter

    with PreparedWriter(folder / "tiny", LOOP16, 1, audio=False) as writer:
        for i in range(3):
            writer.add(np.full((64, 256), -3.0, dtype=np.float32), None, {"id": i, "file": "x", "bar": 0, "split": "train"})
        writer.commit()
        writer.finish()
    return folder / "tiny"


def test_the_probe_solves_what_is_linear_and_not_what_is_noise() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 20))
    train = np.arange(400) % 2 == 0
    assert _probe(x, np.where(x[:, 3] > 0, "a", "b"), train) > 0.9
    assert 0.4 < _probe(x, rng.permutation(np.repeat(["a", "b"], 200)), train) < 0.6


def test_dead_channels_are_those_that_never_sound(prepared: Path) -> None:
    class Half(nn.Module):
        def forward(self, log_mel: Tensor) -> list[Tensor]:
            x = log_mel[:, None, ::2, ::2]
            return [torch.cat([x, torch.zeros_like(x)], dim=1)]

    pooled, dead, _ = _pool(Half(), PreparedData.open(prepared), np.arange(20))
    assert dead == (0.5,)
    assert pooled.shape == (20, 4)
