"""Training of the vocoder: losses against closed forms, resume equals unbroken, what is refused."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from loopwright.config import LOOP16, LOOP48, PAPER16
from loopwright.errors import ConfigError, InputError, TrainingDivergedError
from loopwright.training import melgan_step
from loopwright.training.ring_step import RingTrainConfig, build, learning_rate, roughen
from loopwright.training.vocoder_loop import VocoderTrainee, circular_crop, draw_batch, resume, save, train
from loopwright.vocoder.discriminators import PERIODS, Adversary, discriminator_hinge, feature_matching
from loopwright.vocoder.losses import amplitudes, convergence, distance, hop_for, spectral_energy
from loopwright.vocoder.melgan import MelGanConfig
from loopwright.vocoder.ring import RingConfig

TINY = RingTrainConfig(model=RingConfig(dim=16, layers=1, refine=1), steps=40, batch=2, frames=16, warmup=2, adversary_width=4)
CPU = torch.device("cpu")
ROWS = np.arange(4)


class Bars:
    """Four bars of clicks and tones."""

    mel = LOOP16

    def audio(self, indices: np.ndarray) -> np.ndarray:
        t = np.arange(LOOP16.bar_samples) / LOOP16.rate_hz
        bars = []
        for i in indices:
            beat = t % (0.25 * (1 + int(i) % 2))
            noise = np.random.default_rng(int(i)).standard_normal(len(t)) * np.exp(-beat * 60)
            bars.append(0.3 * np.sin(2 * np.pi * (80 + 20 * i) * t) * np.exp(-beat * 12) + 0.2 * noise)
        return np.stack(bars).astype(np.float32)


def run_steps(trainee: VocoderTrainee, count: int) -> None:
    for _ in range(count):
        trainee.train_step(draw_batch(Bars(), ROWS, trainee.config, trainee.step))


def test_the_loss_falls() -> None:
    """On one batch, given as it is, a few steps must show."""
    config = TINY.model_copy(update={"lr": 1e-2, "blur": 0.0, "decay": 0.5})
    trainee = build(LOOP16, config, CPU)
    batch = draw_batch(Bars(), ROWS, config, 0)
    losses = [float(trainee.train_step(batch)["loss"]) for _ in range(15)]
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])


@pytest.mark.parametrize("adversary_from", [None, 1])
def test_resumed_equals_unbroken(tmp_path: Path, adversary_from: int | None) -> None:
    config = TINY.model_copy(update={"adversary_from": adversary_from})
    unbroken = build(LOOP16, config, CPU)
    run_steps(unbroken, 2)
    save(unbroken, tmp_path / "c.safetensors")
    run_steps(unbroken, 2)
    resumed = build(LOOP16, config, CPU)
    resume(resumed, tmp_path / "c.safetensors")
    assert resumed.step == 2
    run_steps(resumed, 2)
    for kept in ("model", "average"):
        for a, b in zip(unbroken.modules[kept].parameters(), resumed.modules[kept].parameters(), strict=True):
            assert torch.equal(a, b)


MELGAN = melgan_step.MelGanTrainConfig(
    model=MelGanConfig(width=2, residual_layers=1, ratios=(5, 5, 5), circular=True), steps=40, batch=1, frames=64
)


def test_melgan_resumes_too_and_is_not_taken_for_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    unbroken = melgan_step.build(LOOP16, MELGAN, CPU)
    before = [p.clone() for p in unbroken.modules["adversary"].parameters()]
    run_steps(unbroken, 1)
    assert not all(torch.equal(a, b) for a, b in zip(before, unbroken.modules["adversary"].parameters(), strict=True))
    save(unbroken, path)
    run_steps(unbroken, 1)
    resumed = melgan_step.build(LOOP16, MELGAN, CPU)
    resume(resumed, path)
    run_steps(resumed, 1)
    for name in ("model", "adversary"):
        for a, b in zip(unbroken.modules[name].parameters(), resumed.modules[name].parameters(), strict=True):
            assert torch.equal(a, b)
    with pytest.raises(ConfigError, match=r"begun with other settings \(kind: melgan -> ring, "):
        resume(build(LOOP16, TINY, CPU), path)


def test_melgan_takes_the_published_ratios_and_the_circle_from_the_data() -> None:
    for mel, ratios, circular in ((PAPER16, (5, 4, 4, 2), False), (LOOP16, (5, 5, 5), True), (LOOP48, (5, 5, 5, 3), True)):
        model = melgan_step.MelGanTrainConfig().for_data(mel).model
        assert model is not None
        assert (model.ratios, model.circular) == (ratios, circular)
    with pytest.raises(ConfigError, match="no ratios are known for hop 250"):
        melgan_step.MelGanTrainConfig().for_data(LOOP16.model_copy(update={"hop": 250}))


def test_melgan_losses_are_the_published_ones() -> None:
    """Three scales: hinge losses are summed; features of each layer count 4/5 over the number of scales."""
    one, zero = torch.ones(1, 1, 4), torch.zeros(1, 1, 4)
    real, fake = [(2 * one, [one, one])] * 3, [(-2 * one, [zero, one])] * 3
    assert float(melgan_step.hinge_d(real, fake)) == 0
    assert float(melgan_step.hinge_d(fake, real)) == 3 * 6
    assert float(melgan_step.hinge_g(fake)) == 6
    assert float(melgan_step.matching(real, fake)) == pytest.approx(0.8)


def test_where_time_is_no_circle_crops_lie_inside_the_bar() -> None:
    class Ramp:
        mel = PAPER16

        def audio(self, indices: np.ndarray) -> np.ndarray:
            return np.tile(np.linspace(0.1, 1, PAPER16.bar_samples, dtype=np.float32), (len(indices), 1))

    config = MELGAN.model_copy(update={"batch": 16, "frames": 150})
    crops = draw_batch(Ramp(), ROWS, config, 0)
    assert crops.shape == (16, 150 * 160)
    assert bool((crops.diff(dim=1) >= 0).all())


def test_train_stops_on_time_and_goes_on(tmp_path: Path) -> None:
    checkpoint = tmp_path / "last.safetensors"
    config = TINY.model_copy(update={"steps": 3})
    first = build(LOOP16, config, CPU)
    ticks = list(train(first, Bars(), ROWS, checkpoint=checkpoint, every=100, minutes=0.0))
    assert [t.step for t in ticks] == [1]
    second = build(LOOP16, config, CPU)
    resume(second, checkpoint)
    ticks = list(train(second, Bars(), ROWS, checkpoint=checkpoint, every=2))
    assert [t.step for t in ticks] == [2, 3]
    assert all(np.isfinite(list(t.losses.values())).all() for t in ticks)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save(build(LOOP16, TINY, CPU), path)
    other = build(LOOP16, TINY.model_copy(update={"lr": 1e-3}), CPU)
    with pytest.raises(ConfigError, match=r"lr: 0.0008 -> 0.001"):
        resume(other, path)
    longer = build(LOOP16, TINY.model_copy(update={"steps": 80}), CPU)
    resume(longer, path)  # training longer is no other setting
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="safetensors"):
        resume(longer, path)


def test_nan_stops_before_it_spoils_the_weights() -> None:
    trainee = build(LOOP16, TINY, CPU)
    before = [p.clone() for p in trainee.model.parameters()]
    bad = draw_batch(Bars(), ROWS, TINY, 0)
    bad[0, 5] = torch.nan
    with pytest.raises(TrainingDivergedError, match="at step 0"):
        trainee.train_step(bad)
    assert all(torch.equal(a, b) for a, b in zip(before, trainee.model.parameters(), strict=True))


def test_crops_close_without_a_step() -> None:
    t = np.arange(32000) / 16000
    wave = np.sin(2 * np.pi * 110.3 * t).astype(np.float32)  # does not close on itself by chance
    crop = circular_crop(wave, 1234, 8000)
    assert crop.shape == (8000,)
    assert abs(crop[0] - crop[-1]) <= 1.2 * np.abs(np.diff(crop)).max()
    np.testing.assert_array_equal(crop[256:], np.roll(wave, -1234)[256:8000])
    np.testing.assert_array_equal(circular_crop(wave, 7, 32000), np.roll(wave, -7))


def test_batches_depend_on_seed_and_step_alone() -> None:
    a, b = draw_batch(Bars(), ROWS, TINY, 3), draw_batch(Bars(), ROWS, TINY, 3)
    assert torch.equal(a, b)
    assert not torch.equal(a, draw_batch(Bars(), ROWS, TINY, 4))


def test_roughened_mels_stay_near_and_some_stay_as_they_are() -> None:
    mel = torch.randn(64, 64, 16) - 2
    rough = roughen(mel, 0.5, np.random.default_rng(0))
    same = (rough == mel).flatten(1).all(1)
    assert 16 < int(same.sum()) < 48
    assert torch.equal(roughen(mel, 0.0, np.random.default_rng(0)), mel)


def test_learning_rate_rises_and_falls() -> None:
    config = TINY.model_copy(update={"warmup": 10, "steps": 100})
    rates = [learning_rate(config, s) for s in range(101)]
    assert np.argmax(rates) in (9, 10)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(config.lr_end)


def test_a_full_scale_sine_has_amplitude_one_in_every_window() -> None:
    x = torch.sin(2 * torch.pi * 1500 * torch.arange(24000) / 24000 * 1.0)[None]
    for picture in amplitudes(x, (2048, 512, 128)):
        assert float(picture.max()) == pytest.approx(1.0, rel=0.05)
    assert [hop_for(24000, w) for w in (2048, 64)] == [600, 20]


def test_energy_distance_prefers_the_true_spread() -> None:
    """A proper score: of fakes N(0, s), its mean is least where s is the true one; plain regression shrinks."""
    generator = torch.Generator().manual_seed(0)
    real, one, two = (torch.randn(24, 4000, generator=generator) * 0.1 for _ in range(3))
    scores = {s: float(spectral_energy(real, s * one, s * two, repulsion=1.0)[1]) for s in (0.7, 1.0, 1.4)}
    assert min(scores, key=scores.__getitem__) == 1.0
    pull, loss = spectral_energy(real, one, one, repulsion=1.0)
    assert float(loss) == pytest.approx(float(pull))  # no spread, no reward
    target = amplitudes(real)
    scale = [t.mean(dim=(1, 2)) for t in target]
    assert float(distance(target, target, scale)) == 0


def test_adversary_is_circular() -> None:
    """Rolling by a whole number of every stride permutes the judgements, so their mean stays."""
    torch.manual_seed(0)
    adversary = Adversary(width=4).eval().requires_grad_(False)
    for member, period in zip(adversary.members[:5], PERIODS, strict=True):
        x = torch.randn(1, period * 81 * 6)  # four strides of 3
        a, b = member(x), member(x.roll(period * 81 * 2, -1))
        assert float(a[0].mean()) == pytest.approx(float(b[0].mean()), rel=1e-4, abs=1e-6)
    y = torch.randn(1, 9000)
    member = adversary.members[5]
    hop = hop_for(9000, 2048)
    assert float(member(y)[0].mean()) == pytest.approx(float(member(y.roll(hop, -1))[0].mean()), rel=1e-4, abs=1e-6)


def test_hinge_and_matching() -> None:
    one, zero = torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    real, fake = [(2 * one, [one])], [(-2 * one, [zero])]
    assert float(discriminator_hinge(real, fake)) == 0
    assert float(discriminator_hinge(fake, real)) == 6
    assert float(feature_matching(real, fake)) == 1
    assert float(feature_matching(real, real)) == 0


def test_spectral_convergence_is_a_ratio_of_norms_and_the_loss_can_hold_it() -> None:
    real = torch.randn(2, 4000, generator=torch.Generator().manual_seed(0)) * 0.1
    target, half = amplitudes(real), amplitudes(0.5 * real)
    assert float(convergence(target, half)) == pytest.approx(0.5, rel=1e-3)
    without = spectral_energy(real, 0.5 * real, 0.5 * real, repulsion=0.0)
    with_it = spectral_energy(real, 0.5 * real, 0.5 * real, repulsion=0.0, fit=2.0)
    assert float(with_it[1] - without[1]) == pytest.approx(1.0, rel=1e-3)
