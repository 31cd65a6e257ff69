"""A classifier from a prepared folder: killed runs go on, sources are held out whole, mistakes are told."""

from __future__ import annotations

import json
from pathlib import Path

import cheap
import pytest
import torch

from loopwright.errors import ConfigError, InputError
from loopwright.features import load_network
from loopwright.tasks.train_classifier import held_out_sources, make_config, train_classifier
from loopwright.training.classifier_loop import ClassifierConfig

SMALL = ClassifierConfig(width=4, layers=4, steps=4, batch=4)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 bars to learn from, 20 held out, of three styles."""
    return cheap.write_data(tmp_path_factory.mktemp("classifier") / "prepared").path


def test_sources_are_held_out_whole_and_always_the_same() -> None:
    sources = [f"performance {i % 100}" for i in range(1000)]
    kept = held_out_sources(sources, 0.2)
    assert 0.05 < kept.mean() < 0.4
    assert all(kept[i] == kept[i % 100] for i in range(1000))


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
    assert scores["validation_test"]["n"] == 20
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
