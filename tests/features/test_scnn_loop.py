"""Our loop-style network: the trained form and the frozen form agree, and training is what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from loopwright.config import LOOP16, LOOP48
from loopwright.errors import ConfigError, InputError
from loopwright.features import build, load_judge, load_network
from loopwright.features.scnn_loop import ScnnLoop
from loopwright.tasks.train_classifier import held_out_sources, make_config, train_classifier, write_network
from loopwright.training.classifier_loop import (
    ClassifierConfig,
    LoopClassifier,
    accuracy,
    augment,
    train_step,
)
from loopwright.training.classifier_loop import (
    build as build_trainee,
)

SMALL = ClassifierConfig(width=4, layers=4, steps=4, batch=4)


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


def test_augmentation_rolls_by_beats_and_stays_above_the_floor() -> None:
    config = ClassifierConfig(gain_db=0, tilt_db=0, mask_bands=0, mask_frames=0)
    log_mel = torch.randn(8, 64, 128, generator=torch.Generator().manual_seed(0)).clamp_min(-5)
    rolled = augment(log_mel, config, np.random.default_rng(0))
    turns = [[k for k in range(0, 128, 32) if torch.equal(x.roll(k, dims=1), y)] for x, y in zip(log_mel, rolled, strict=True)]
    assert all(len(found) == 1 for found in turns)
    assert len({found[0] for found in turns}) > 1
    loud = augment(log_mel, ClassifierConfig(), np.random.default_rng(0))
    assert float(loud.min()) >= -5
    assert torch.equal(loud, augment(log_mel, ClassifierConfig(), np.random.default_rng(0)))


def test_accuracy_against_hand_counts() -> None:
    right = np.asarray([0, 0, 0, 1])
    got = accuracy(right, np.asarray([0, 0, 1, 1]), ["a", "a", "b", "c"])
    assert (got.share, got.majority, got.n, got.sources) == (0.75, 0.75, 4, 3)
    assert got.balanced == pytest.approx((2 / 3 + 1) / 2)
    assert 0 <= got.low <= 0.75 <= got.high <= 1


def test_sources_are_held_out_whole_and_always_the_same() -> None:
    sources = [f"performance {i % 100}" for i in range(1000)]
    kept = held_out_sources(sources, 0.2)
    assert 0.05 < kept.mean() < 0.4
    assert all(kept[i] == kept[i % 100] for i in range(1000))


def test_loss_falls_and_steps_depend_on_seed_and_step_alone() -> None:
    """Two classes that a single band tells apart."""
    base = torch.full((20, 64, 128), -3.0)
    base[10:, 20:30] = 0.0
    rows = [np.arange(10), np.arange(10, 20)]

    def gather(which: np.ndarray) -> Tensor:
        return base[torch.from_numpy(which)]

    config = ClassifierConfig(width=4, layers=4, steps=60, batch=8, lr=1e-2)
    trainee = build_trainee(config, 2)
    losses = [float(train_step(trainee, gather, rows)["loss"]) for _ in range(60)]
    assert np.mean(losses[-5:]) < 0.5 * losses[0]
    again = build_trainee(config, 2)
    assert [float(train_step(again, gather, rows)["loss"]) for _ in range(2)] == losses[:2]


def test_a_killed_run_continues_as_if_it_had_not_been(prepared: Path, tmp_path: Path) -> None:
    config = make_config({"width": 4, "layers": 4, "steps": 4, "batch": 4, "lr": 1e-3})
    whole = train_classifier(prepared, tmp_path / "whole", config, every=2)

    class Killed(Exception):  # noqa: N818
        pass

    def kill(*_: object) -> None:
        raise Killed

    with pytest.raises(Killed):
        train_classifier(prepared, tmp_path / "broken", config, every=2, report=kill)
    assert not (tmp_path / "broken" / "classifier.safetensors").exists()
    continued = train_classifier(prepared, tmp_path / "broken", config, every=2)
    first, second = load_network("scnn_loop", weights=whole), load_network("scnn_loop", weights=continued)
    for (name, a), (_, b) in zip(first.named_buffers(), second.named_buffers(), strict=True):
        assert torch.equal(a, b), name
    scores = json.loads((tmp_path / "whole" / "accuracy.json").read_text())
    assert scores["validation_test"]["n"] == 12
    assert (tmp_path / "whole" / "confusion-validation_test.png").stat().st_size > 1000
    with pytest.raises(ConfigError, match=r"begun with other settings \(lr: 0.001 -> 0.002\)"):
        train_classifier(prepared, tmp_path / "broken", config.model_copy(update={"lr": 0.002}))


def test_mistakes_are_told(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no training rows with a 'colour'.*style"):
        train_classifier(prepared, tmp_path / "r", SMALL, label="colour")
    with pytest.raises(ConfigError, match="two or more classes"):
        train_classifier(prepared, tmp_path / "r", SMALL, label="kind")
    with pytest.raises(ConfigError, match="classifier setting 'width'"):
        make_config({"width": 0})
