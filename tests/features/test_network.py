"""What every feature network must keep: frozen, eval, circular, differentiable, one layout. Random weights: no files needed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from loopwright.config import LOOP16, LOOP48, PAPER16, MelConfig
from loopwright.errors import ConfigError, MelMismatchError, WeightsError
from loopwright.features import build, build_embedder, load_judge
from loopwright.features.bridge import Bridge, time_weights
from loopwright.features.registry import NETWORKS, network_class
from loopwright.models.discriminator import ProjectedDiscriminator

WITH_TAPS = [name for name, row in NETWORKS.items() if row.on_mels and network_class(name).taps]


def some_log_mel(mel: MelConfig, batch: int = 2, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, mel.n_mels, mel.model_frames, generator=generator) * 4 - 4


@pytest.mark.parametrize("mel", [LOOP48, LOOP16, PAPER16], ids=lambda mel: mel.name)
@pytest.mark.parametrize("name", WITH_TAPS)
def test_taps_have_the_channels_and_strides_they_declare(name: str, mel: MelConfig) -> None:
    net = build(f"random:{name}", mel, circular=mel.circular)
    x = net.to_input(some_log_mel(mel))
    for tap, features in zip(net.taps, net.features(x), strict=True):
        assert features.shape == (2, tap.channels, x.shape[2] // tap.stride, x.shape[3] // (tap.time_stride or tap.stride))
        assert torch.isfinite(features).all()


@pytest.mark.parametrize("name", WITH_TAPS)
def test_rolling_the_loop_rolls_the_features(name: str) -> None:
    """Half a bar is 128 of our frames and whole cells of every network (a quarter note is, of all but mtat_fcn)."""
    net = build(f"random:{name}", LOOP16)
    log_mel = some_log_mel(LOOP16)
    with torch.no_grad():
        plain, rolled = net(log_mel), net(log_mel.roll(128, dims=2))
    for a, b in zip(plain, rolled, strict=True):
        torch.testing.assert_close(a.roll(a.shape[3] // 2, dims=3), b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", WITH_TAPS)
def test_networks_are_frozen_and_never_in_training_mode(name: str) -> None:
    net = build(f"random:{name}", LOOP16)
    before = [value.clone() for value in net.buffers()]
    net.train(True)
    assert not any(module.training for module in net.modules())
    assert not list(net.parameters())
    assert net.state_dict() == {}  # nothing of it goes into checkpoints
    log_mel = some_log_mel(LOOP16).requires_grad_(True)
    sum(features.square().mean() for features in net(log_mel)).backward()
    assert log_mel.grad is not None
    assert float(log_mel.grad.abs().max()) > 0
    assert all(torch.equal(a, b) for a, b in zip(before, net.buffers(), strict=True))


@pytest.mark.parametrize("name", WITH_TAPS)
def test_features_change_under_gain(name: str) -> None:
    """Level and contrast reach the features (with the statistics of the batch they would not)."""
    net = build(f"random:{name}", LOOP16)
    log_mel = some_log_mel(LOOP16)
    with torch.no_grad():
        for a, b in zip(net(log_mel), net(log_mel + 0.3), strict=True):  # + 6 dB
            assert float((a - b).norm() / a.norm()) > 0.01


def test_features_of_a_bar_do_not_depend_on_the_batch() -> None:
    net = build("random:yamnet", LOOP16)
    log_mel = some_log_mel(LOOP16, batch=3)
    with torch.no_grad():
        for whole, alone in zip(net(log_mel), net(log_mel[1:2]), strict=True):
            torch.testing.assert_close(whole[1:2], alone, rtol=1e-4, atol=1e-5)


def test_the_gradient_is_the_slope() -> None:
    """Against finite differences along a random direction, in float64."""
    net = build("random:yamnet", LOOP16).double()
    log_mel = some_log_mel(LOOP16, batch=1).double().requires_grad_(True)
    direction = torch.randn(log_mel.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def loss(x: Tensor) -> Tensor:
        return torch.stack([features.square().sum() for features in net(x)]).sum()

    (slope,) = torch.autograd.grad(loss(log_mel), log_mel)
    step = 1e-8  # small, so that few ReLUs switch on the way
    with torch.no_grad():
        measured = (loss(log_mel + step * direction) - loss(log_mel - step * direction)) / (2 * step)
    torch.testing.assert_close((slope * direction).sum(), measured, rtol=1e-4, atol=0.0)


@pytest.mark.parametrize(("frames_in", "frames_out"), [(256, 192), (256, 128), (256, 256), (200, 192)])
def test_change_of_frame_rate_keeps_constants_and_ramps(frames_in: int, frames_out: int) -> None:
    weights = time_weights(frames_in, frames_out).double()
    p, q = weights.shape
    assert p * frames_out == q * frames_in
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(q, dtype=torch.float64))
    ramp = torch.arange(p, dtype=torch.float64) @ weights
    centres = (torch.arange(q, dtype=torch.float64) + 0.5) * p / q - 0.5
    torch.testing.assert_close(ramp, centres.clamp(0, p - 1), rtol=1e-6, atol=1e-6)


def test_bridge_maps_are_non_negative_and_scale_with_the_signal() -> None:
    for mel in (LOOP48, LOOP16):
        bridge = Bridge(mel, "audioset64", power=False, bar_frames=192)
        assert bridge.map is not None
        assert float(bridge.map.min()) >= 0
        log_mel = some_log_mel(mel)
        torch.testing.assert_close(bridge(log_mel + 0.5), bridge(log_mel) * 10**0.5, rtol=1e-4, atol=1e-5)


def test_halves_are_two_pictures() -> None:
    """As published: the second half of the bar lies above the first on the mel axis, or after it in time."""
    net = build("random:yamnet", LOOP16, circular=False)
    log_mel = some_log_mel(LOOP16)
    x = net.to_input(log_mel)
    first, second = net.features(x[..., :96])[0], net.features(x[..., 96:])[0]
    stacked = build("random:yamnet", LOOP16, halves="mel")(log_mel)[0]
    joined = build("random:yamnet", LOOP16, halves="time")(log_mel)[0]
    torch.testing.assert_close(stacked, torch.cat([first, second], dim=2))
    torch.testing.assert_close(joined, torch.cat([first, second], dim=3))


def test_without_a_bridge_the_mel_goes_straight_in() -> None:
    net = build("random:yamnet", PAPER16, bridge=False, circular=False)
    z_scored = torch.randn(1, 64, 192, generator=torch.Generator().manual_seed(0))
    assert torch.equal(net.to_input(z_scored), z_scored[:, None])


def test_depth_stops_early_and_changes_nothing() -> None:
    log_mel = some_log_mel(LOOP16)
    whole, part = build("random:yamnet", LOOP16)(log_mel), build("random:yamnet", LOOP16, depth=2)(log_mel)
    assert len(part) == 2
    assert torch.equal(whole[1], part[1])


def test_mistakes_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPWRIGHT_WEIGHTS", str(tmp_path / "nowhere"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(WeightsError, match=r"features fetch yamnet.*LOOPWRIGHT_WEIGHTS"):
        build("yamnet", LOOP16)
    with pytest.raises(WeightsError, match="nowhere"):  # and the folder looked in
        load_judge("yamnet")
    with pytest.raises(ConfigError, match="no feature network 'yamnett'"):
        build("yamnett", LOOP16)
    with pytest.raises(MelMismatchError, match="fit_bridges"):
        build("random:yamnet", LOOP16.model_copy(update={"n_mels": 80}))
    net = build("random:yamnet", LOOP16)
    with pytest.raises(MelMismatchError, match="128"):
        net(torch.zeros(1, 128, 256))
    with pytest.raises(MelMismatchError, match="multiple of 4 frames"):
        net(torch.zeros(1, 64, 255))


def test_embedder_ignores_where_the_loop_starts() -> None:
    embedder = build_embedder("random:yamnet", LOOP16)
    log_mel = some_log_mel(LOOP16)
    torch.testing.assert_close(embedder(log_mel), embedder(log_mel.roll(128, dims=2)), rtol=1e-3, atol=1e-4)


def test_truncated_and_foreign_files_are_refused(tmp_path: Path, weights_dir: Path) -> None:
    whole = (weights_dir / "yamnet.safetensors").read_bytes()
    cut = tmp_path / "yamnet.safetensors"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        build("yamnet", LOOP16, weights=cut)
    with pytest.raises(WeightsError, match="not the weights of yamnet"):
        build("yamnet", LOOP16, weights=weights_dir / "mtat_fcn.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_TAPS)
def test_every_network_teaches_a_discriminator(name: str) -> None:
    """Heads on its features learn to tell two bars from two others, and the input gets a gradient from what they learned."""
    net = build(f"random:{name}", LOOP16)
    real = some_log_mel(LOOP16)
    fake = some_log_mel(LOOP16, seed=1).sort(dim=1).values  # spectra that fall: another kind of picture
    discriminator = ProjectedDiscriminator([net])
    with torch.no_grad():
        features = discriminator.features(real), discriminator.features(fake)
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=1e-4, betas=(0.0, 0.99))
    losses = []
    for _ in range(16):
        on_real, on_fake = (discriminator.logits(side) for side in features)
        loss = torch.stack(
            [(1 - r).relu().mean() + (1 + f).relu().mean() for r, f in zip(on_real, on_fake, strict=True)]
        ).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]
    fake = fake[:1].requires_grad_(True)
    (gradient,) = torch.autograd.grad(torch.stack([grid.mean() for grid in discriminator(fake)]).mean(), fake)
    assert torch.isfinite(gradient).all()
    assert float(gradient.abs().max()) > 0
