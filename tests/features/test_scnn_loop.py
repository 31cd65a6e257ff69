"""Our loop-style network: the trained form and the frozen form agree."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from loopwright.config import LOOP16, LOOP48
from loopwright.features import build, load_judge, load_network
from loopwright.features.scnn_loop import ScnnLoop
from loopwright.tasks.train_classifier import write_network
from loopwright.training.classifier_loop import ClassifierConfig, LoopClassifier


def shaken(config: ClassifierConfig, classes: int) -> LoopClassifier:
    """A classifier whose BatchNorms are not the identity."""
    torch.manual_seed(0)
    model = LoopClassifier(config, classes)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2.0)  # type: ignore[arg-type]
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize("layers", [4, 6])
def test_the_frozen_network_is_the_trained_one(tmp_path: Path, layers: int) -> None:
    config = ClassifierConfig(width=6, layers=layers)
    model = shaken(config, 3)
    path = tmp_path / "c.safetensors"
    write_network(path, model, {"classes": ["a", "b", "c"]})
    network = load_network("scnn_loop", weights=path)
    assert isinstance(network, ScnnLoop)
    assert network.classes == ("a", "b", "c")
    log_mel = torch.rand(2, 64, 128, generator=torch.Generator().manual_seed(0)) * 4 - 4
    got, want = network.logits(log_mel[:, None]), model(log_mel)
    torch.testing.assert_close(got, want, rtol=0.02, atol=0.02)  # the file holds half precision
    assert [tap.channels for tap in network.taps] == [6, 6, 12, 24 if layers == 4 else 12]


def test_rolling_the_loop_changes_no_score() -> None:
    model = shaken(ClassifierConfig(width=4), 3)
    log_mel = torch.rand(1, 64, 128, generator=torch.Generator().manual_seed(0)) * 4 - 4
    torch.testing.assert_close(model(log_mel), model(log_mel.roll(64, dims=2)), rtol=1e-4, atol=1e-4)


def test_the_judge_hears_what_the_network_sees() -> None:
    """From audio through the exact front-end, and from the log-mel through the bridge: the same input."""
    judge = load_judge("random:scnn_loop")
    noise = torch.randn(1, 32_000, generator=torch.Generator().manual_seed(0)) * 0.1
    from loopwright.audio.mel import LogMel

    net = build("random:scnn_loop", LOOP16)
    assert isinstance(judge.network, ScnnLoop)
    heard = judge.network.compress(judge.network.frontend(noise))
    torch.testing.assert_close(net.to_input(LogMel(LOOP16)(noise)), heard, rtol=1e-4, atol=1e-4)
    scores = judge.probabilities(noise)
    assert scores.shape == (1, 18)
    assert scores.sum() == pytest.approx(1.0, abs=1e-5)
    assert build("random:scnn_loop", LOOP48).to_input(torch.zeros(1, 128, 256)).shape == (1, 1, 64, 128)
