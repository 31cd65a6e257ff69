"""The direct view: a network is shown the whole log-mel as a picture, where the bridge would hide a part of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from loopwright.config import LOOP16, LOOP48, PAPER16, MelConfig
from loopwright.errors import ConfigError, MelMismatchError
from loopwright.features import build
from loopwright.features.bridge import LOOP_MEAN, LOOP_SPREAD, DirectView
from loopwright.features.registry import NETWORKS, network_class

WITH_TAPS = [name for name, row in NETWORKS.items() if row.on_mels and network_class(name).taps]


def some_log_mel(mel: MelConfig, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, mel.n_mels, mel.model_frames, generator=generator) * 4 - 4


def slope_of_features(name: str, mel: MelConfig) -> Tensor:
    """How much each cell of a log-mel moves the first tap: the largest gradient of three random readings. (M, T)."""
    log_mel = some_log_mel(mel, batch=1).requires_grad_(True)
    features = build(name, mel, depth=1)(log_mel)[0]
    out = torch.zeros(mel.n_mels, mel.model_frames)
    for seed in range(3):
        reading = torch.randn(features.shape, generator=torch.Generator().manual_seed(seed))
        (slope,) = torch.autograd.grad((features * reading).sum(), log_mel, retain_graph=True)
        out = torch.maximum(out, slope[0].abs())
    return out


@pytest.mark.parametrize("mel", [LOOP48, LOOP16, PAPER16], ids=lambda mel: mel.name)
@pytest.mark.parametrize("name", WITH_TAPS)
def test_the_picture_has_the_size_and_the_range_the_network_expects(name: str, mel: MelConfig) -> None:
    net = build(f"direct:random:{name}", mel, circular=mel.circular, depth=1)
    cls = network_class(name)
    typical = LOOP_MEAN + LOOP_SPREAD * torch.randn(2, mel.n_mels, mel.model_frames, generator=torch.Generator().manual_seed(0))
    x = net.to_input(typical)
    frames = cls.bar_frames if mel.circular else mel.model_frames
    assert x.shape == (2, 1, cls.n_bands, frames)
    mean, spread = cls.typical
    assert float(x.mean()) == pytest.approx(mean, abs=0.1 * spread)
    assert 0.2 * spread < float(x.std()) <= 1.1 * spread  # independent cells are averaged, bands of music are not independent
    assert net(typical)[0].shape[1] == net.taps[0].channels
    assert net.bridge is None


@pytest.mark.parametrize("name", ["yamnet", "scnn_mtat", "scnn_loop"])
def test_rolls_by_whole_blocks_are_rolls_of_the_picture_and_its_features(name: str) -> None:
    net = build(f"direct:random:{name}", LOOP48)
    log_mel = some_log_mel(LOOP48)
    per_block = network_class(name).bar_frames // 64
    with torch.no_grad():
        for blocks in (1, 16):
            rolled = net.to_input(log_mel.roll(4 * blocks, dims=2))
            torch.testing.assert_close(rolled, net.to_input(log_mel).roll(per_block * blocks, dims=3))
        plain, moved = net(log_mel), net(log_mel.roll(64, dims=2))  # a quarter note: whole cells of every tap
    for a, b in zip(plain, moved, strict=True):
        torch.testing.assert_close(a.roll(a.shape[3] // 4, dims=3), b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mel", [LOOP48, LOOP16], ids=lambda mel: mel.name)
@pytest.mark.parametrize("name", ["yamnet", "scnn_mtat"])
def test_every_cell_of_the_log_mel_counts(name: str, mel: MelConfig) -> None:
    """Loud or quiet, low or high: no cell is free for a generator to draw in."""
    assert float(slope_of_features(f"direct:random:{name}", mel).min()) > 0


def test_through_the_bridge_top_bands_do_not_count() -> None:
    """The reason for the direct view: YAMNet's mel ends at 7.5 kHz, LOOP48 goes far beyond it."""
    slope = slope_of_features("random:yamnet", LOOP48)
    assert float(slope[105:127].max()) == 0.0  # 10 kHz and up; the fit left the very last band a trace of a weight
    assert float(slope[16:64].amax(dim=1).min()) > 0


def test_quiet_cells_count_as_much_as_loud_ones_only_in_the_direct_view() -> None:
    """6 dB more near the floor: the bridged input hardly moves (YAMNet adds 0.001 before its log), the picture does."""
    quiet = torch.full((1, LOOP16.n_mels, LOOP16.bar_frames), -5.0)

    def moved(name: str, log_mel: Tensor) -> float:
        net = build(name, LOOP16)
        change = net.to_input(log_mel + 0.3) - net.to_input(log_mel)
        return float(change[:, :, :32].mean())  # up there our bands are wide, and their floor is above YAMNet's

    assert moved("random:yamnet", quiet) < 0.4 * moved("random:yamnet", quiet + 3.0)
    assert moved("direct:random:yamnet", quiet) == pytest.approx(moved("direct:random:yamnet", quiet + 3.0), rel=1e-3)
    assert moved("direct:random:yamnet", quiet) > 0.3


def test_constants_stay_constant() -> None:
    """Resizing averages or interpolates, so one level everywhere is one level everywhere."""
    for bands in (64, 96, 128):
        view = DirectView(LOOP48, bands=bands, bar_frames=192, typical=(0.0, 1.0))
        x = view(torch.full((1, LOOP48.n_mels, LOOP48.bar_frames), -1.0))
        torch.testing.assert_close(x, torch.full((1, 1, bands, 192), (-1.0 - LOOP_MEAN) / LOOP_SPREAD))


def test_frames_that_are_no_whole_bars_are_an_error_that_says_so() -> None:
    net = build("direct:random:yamnet", LOOP16)
    with pytest.raises(MelMismatchError, match=r"multiple of 4 frames.*got 254.*whole bars"):
        net(torch.zeros(1, LOOP16.n_mels, 254))
    with pytest.raises(MelMismatchError, match="built for log-mels"):
        net(torch.zeros(1, LOOP48.n_mels, 256))


def test_a_network_for_judging_only_has_no_direct_view() -> None:
    with pytest.raises(ConfigError, match="judging only"):
        build("direct:random:musicnn", LOOP16)
    with pytest.raises(ConfigError, match="no feature network"):
        build("direct:nonsense", LOOP16)
