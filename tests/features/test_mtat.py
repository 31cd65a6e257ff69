"""The auto-tagging networks against figures that came with the weights, from an independent implementation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from loopwright.config import LOOP16
from loopwright.errors import InputError
from loopwright.features import build, load_judge, load_network
from loopwright.features.frontends import htk_filterbank
from loopwright.features.mtat_fcn import MtatFcn
from loopwright.features.musicnn import Musicnn
from loopwright.features.scnn_mtat import ScnnMtat


def wave(name: str, length: int = 32_000) -> Tensor:
    n = np.arange(length, dtype=np.float64)
    x = np.sin(2 * np.pi * 1000 * n / 16_000) if name == "sine" else np.sin(0.001 * n * n)
    return torch.from_numpy((0.5 * x).astype(np.float32))[None]


def figures(x: Tensor) -> list[float]:
    return [float(x.mean()), float(x.std(correction=0))]


@pytest.mark.parametrize(("file", "n_mels"), [("mtat_shortchunk", 128), ("mtat_fcn", 96), ("mtat_musicnn", 96)])
def test_our_mel_matrix_is_the_one_in_the_file(weights_dir: Path, file: str, n_mels: int) -> None:
    published = load_file(weights_dir / f"{file}.safetensors")["mel_fb"]
    torch.testing.assert_close(htk_filterbank(n_mels).T, published, rtol=1e-4, atol=1e-5)


SHORT_CHUNK = {
    "sine": {
        1: [(0.05739, 0.20875), (0.10223, 0.40078), (0.47025, 0.90222), (0.15649, 0.51290)],
        2: [(0.07626, 0.34103), (0.17074, 0.48552), (0.56436, 1.01330), (0.27219, 0.62470)],
        3: [(0.05511, 0.30782), (0.12805, 0.45137), (0.40178, 0.82098), (0.18544, 0.52816)],
        4: [(0.09799, 0.40770), (0.17670, 0.52356), (0.49064, 0.90675), (0.32921, 0.71653)],
    },
    "sweep": {
        1: [(0.1752, 0.3518), (0.4610, 0.7929), (1.0448, 1.7435), (0.5480, 0.9722)],
        4: [(0.1304, 0.6072), (0.3086, 0.7908), (1.0200, 1.6537), (0.4786, 0.7487)],
    },
}


@pytest.mark.parametrize("name", ["sine", "sweep"])
def test_short_chunk_layers_have_the_published_values(weights_dir: Path, name: str) -> None:
    network = load_network("scnn_mtat", weights=weights_dir)
    assert isinstance(network, ScnnMtat)
    outputs = network.layers(network.compress(network.frontend(wave(name))), 4, circular=False)
    assert [tuple(x.shape[1:]) for x in outputs] == [(128, 64, 63), (128, 32, 31), (256, 16, 15), (256, 8, 7)]
    for number, branches in SHORT_CHUNK[name].items():
        for part, want in zip(outputs[number - 1].chunk(4, dim=1), branches, strict=True):
            np.testing.assert_allclose(figures(part), want, rtol=1e-3, atol=5e-5)


@pytest.mark.parametrize(
    ("network", "name", "mean", "std", "high"),
    [
        ("scnn_mtat", "sine", -94.3937, 25.6042, 34.5634),
        ("scnn_mtat", "sweep", -52.623, 47.896, 33.972),
        ("mtat_fcn", "sine", -94.3140, 25.9276, 36.0944),
        ("mtat_fcn", "sweep", -51.278, 48.208, 34.237),
    ],
)
def test_db_mels_have_the_published_values(
    weights_dir: Path, network: str, name: str, mean: float, std: float, high: float
) -> None:
    net = load_network(network, weights=weights_dir)
    x = net.compress(net.frontend(wave(name)))
    np.testing.assert_allclose([*figures(x), float(x.max())], [mean, std, high], rtol=1e-3)
    assert float(net.compress(net.frontend(torch.zeros(1, 32_000))).max()) == pytest.approx(-100.0, abs=1e-4)


HEADS = [
    ("scnn_mtat", "sine", 59_049, {"flute": 0.9417, "slow": 0.1990, "ambient": 0.0544}),
    ("scnn_mtat", "sweep", 59_049, {"techno": 0.9909, "electronic": 0.8485, "synth": 0.3393}),
    ("mtat_fcn", "sine", 464_000, {"flute": 0.9369, "slow": 0.3892, "quiet": 0.2700}),
    ("mtat_fcn", "sweep", 464_000, {"techno": 0.9709, "electronic": 0.8310, "synth": 0.4547}),
    ("musicnn", "sine", 32_000, {"flute": 0.9212, "slow": 0.3667, "quiet": 0.1738}),
    ("musicnn", "sine", 48_000, {"flute": 0.9137, "slow": 0.3788, "quiet": 0.1854}),
    ("musicnn", "sweep", 32_000, {"techno": 0.9797, "electronic": 0.6993, "beat": 0.2423}),
]


@pytest.mark.parametrize(("network", "name", "length", "tags"), HEADS)
def test_tags_have_the_published_values(
    weights_dir: Path, network: str, name: str, length: int, tags: dict[str, float]
) -> None:
    net = load_network(network, weights=weights_dir)
    with torch.no_grad():
        got = net.probabilities_of_waveform(wave(name, length))[0].numpy()
    best = np.argsort(-got)[:3]
    assert [net.classes[i] for i in best] == list(tags)
    np.testing.assert_allclose(got[best], list(tags.values()), rtol=1e-3, atol=5e-5)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("sine", [(1.20500, 1.80188), (0.83671, 1.45366), (1.21336, 1.61263)]),
        ("sweep", [(2.3993, 2.5507), (1.9410, 2.6672), (1.5807, 2.3504)]),
    ],
)
def test_fcn_layers_have_the_published_values(weights_dir: Path, name: str, layers: list[tuple[float, float]]) -> None:
    net = load_network("mtat_fcn", weights=weights_dir)
    assert isinstance(net, MtatFcn)
    outputs = net.layers(net.compress(net.frontend(wave(name))), 3, circular=False)
    assert [tuple(x.shape[1:]) for x in outputs] == [(64, 48, 31), (128, 24, 7), (128, 12, 1)]
    for x, want in zip(outputs, layers, strict=True):
        np.testing.assert_allclose(figures(x), want, rtol=1e-3)


@pytest.mark.parametrize(("name", "want"), [("sine", (0.93616, 1.65991)), ("sweep", (0.98072, 1.66069))])
def test_musicnn_embedding_has_the_published_values(weights_dir: Path, name: str, want: tuple[float, float]) -> None:
    vector = load_judge("musicnn", weights=weights_dir).embed(wave(name))
    assert vector.shape == (1, 200)
    np.testing.assert_allclose([vector.mean(), vector.std()], want, rtol=1e-3)


def test_batch_statistics_hide_the_level_and_frozen_ones_do_not(weights_dir: Path) -> None:
    """The published defect: with batch statistics a gain changes nothing that a discriminator could see."""
    log_mel = torch.rand(4, 64, 256, generator=torch.Generator().manual_seed(0)) * 3 - 3
    changes = {}
    for batch_stats in (False, True):
        net = build("scnn_mtat", LOOP16, weights=weights_dir, batch_stats=batch_stats)
        quiet, loud = net(log_mel)[0], net(log_mel + 0.5)[0]  # + 10 dB
        changes[batch_stats] = float((quiet - loud).norm() / quiet.norm())
    assert changes[True] < 0.3 * changes[False]  # not 0: one mel band is empty and stays at its floor
    assert changes[False] > 0.1


def test_musicnn_does_not_mind_where_the_loop_starts(weights_dir: Path) -> None:
    net = load_network("musicnn", weights=weights_dir)
    assert isinstance(net, Musicnn)
    x = torch.randn(1, 1, 96, 128, generator=torch.Generator().manual_seed(0)) * 20 - 30
    torch.testing.assert_close(net.embed(x, circular=True), net.embed(x.roll(50, dims=3), circular=True), rtol=1e-3, atol=1e-3)


def test_short_clips_are_refused_where_the_head_needs_more(weights_dir: Path) -> None:
    with pytest.raises(InputError, match="29 s"):
        load_network("mtat_fcn", weights=weights_dir).probabilities_of_waveform(wave("sine"))
    with pytest.raises(InputError, match="128 frames"):
        load_network("scnn_mtat", weights=weights_dir).probabilities_of_waveform(wave("sine"))
