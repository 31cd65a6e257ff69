"""YAMNet against figures that came with the weights, from an independent implementation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from loopwright.features import load_judge, load_network
from loopwright.features.yamnet import Yamnet

N = np.arange(32_000, dtype=np.float64)
SIGNALS = {
    "sine": 0.5 * np.sin(2 * np.pi * 1000 * N / 16_000),
    "sweep": 0.5 * np.sin(0.001 * N * N),
}
TAPS = {
    "sine": {1: (0.75380, 1.24089), 2: (0.43358, 0.84220), 4: (0.46631, 0.73008), 6: (0.42407, 0.79131),
             8: (0.39406, 0.69833), 10: (0.35384, 0.56202), 12: (0.02152, 0.03185), 14: (0.11200, 0.70614)},
    "sweep": {1: (1.25723, 2.25716), 2: (1.18722, 2.65867), 4: (1.15369, 2.04692), 6: (0.68466, 1.39327),
              8: (0.49242, 0.88994), 10: (0.38815, 0.65680), 12: (0.02743, 0.05040), 14: (0.06059, 0.36538)},
}  # fmt: skip


def wave(name: str) -> Tensor:
    return torch.from_numpy(SIGNALS[name].astype(np.float32))[None]


@pytest.fixture(scope="module")
def yamnet(weights_dir: Path) -> Yamnet:
    network = load_network("yamnet", weights=weights_dir)
    assert isinstance(network, Yamnet)
    return network


@pytest.mark.parametrize(
    ("name", "mean", "std", "low", "high"),
    [("sine", -5.01942, 2.58737, -6.88788, 4.11791), ("sweep", -3.90658, 3.99173, -6.90753, 4.79884)],
)
def test_log_mel_has_the_published_values(yamnet: Yamnet, name: str, mean: float, std: float, low: float, high: float) -> None:
    x = yamnet.compress(yamnet.frontend(wave(name)))
    assert x.shape == (1, 1, 64, 198)
    got = [x.mean(), x.std(correction=0), x.min(), x.max()]
    np.testing.assert_allclose(got, [mean, std, low, high], rtol=1e-4)
    if name == "sine":
        assert int(x.mean(dim=(0, 1, 3)).argmax()) == 19


@pytest.mark.parametrize("name", ["sine", "sweep"])
def test_layers_have_the_published_values(yamnet: Yamnet, name: str) -> None:
    x = yamnet.compress(yamnet.frontend(wave(name)))
    outputs = yamnet.layers(x, 14, circular=False)
    assert outputs[8].shape == (1, 512, 4, 13)
    for number, (mean, std) in TAPS[name].items():
        np.testing.assert_allclose([outputs[number].mean(), outputs[number].std(correction=0)], [mean, std], rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "figures", "scores"),
    [
        ("sine", (0.088896, 0.466816, 6.62556), {"Beep, bleep": 0.9272, "Sine wave": 0.1517, "Sound effect": 0.0224}),
        ("sweep", (0.067063, 0.350576, 4.92469), {"Chirp tone": 0.3613, "Sine wave": 0.2507, "Synthesizer": 0.2058}),
    ],
)
def test_embedding_and_scores_are_the_published_ones(
    weights_dir: Path, name: str, figures: tuple[float, float, float], scores: dict[str, float]
) -> None:
    judge = load_judge("yamnet", weights=weights_dir)
    network = judge.network
    assert isinstance(network, Yamnet)
    vectors = network.embed(network.patches(wave(name)), circular=False).numpy()
    assert vectors.shape == (3, 1024)
    np.testing.assert_allclose([vectors.mean(), vectors.std(), vectors.max()], figures, rtol=1e-3)
    np.testing.assert_allclose(judge.embed(wave(name)), vectors.mean(axis=0, keepdims=True), rtol=1e-5, atol=1e-6)
    got = judge.probabilities(wave(name))[0]
    top = np.argsort(-got)[:3]
    assert [judge.classes[i] for i in top] == list(scores)
    np.testing.assert_allclose(got[top], list(scores.values()), rtol=1e-3, atol=5e-5)  # printed to 4 digits


def test_silence_and_noise_are_recognised(weights_dir: Path) -> None:
    judge = load_judge("yamnet", weights=weights_dir)
    silence = judge.probabilities(np.zeros((1, 48_000), dtype=np.float32))[0]
    assert judge.classes[silence.argmax()] == "Silence"
    assert silence.max() == pytest.approx(1.0, abs=5e-4)
    noise = np.random.default_rng(0).uniform(-1, 1, (1, 48_000)).astype(np.float32)
    assert judge.classes[judge.probabilities(noise)[0].argmax()] == "White noise"
