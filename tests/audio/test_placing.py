"""One-shots on the circle: at the sample, round the seam, blended between layers, choked, and as stems that add up."""

from __future__ import annotations

import math

import numpy as np
import pytest

from loopwright.arrays import Float32
from loopwright.audio.drum_events import Hit, activations, layer_weights
from loopwright.audio.placing import APART, LEAD, Shot, mixed, place, smear, voice_kit
from loopwright.config import LOOP48
from loopwright.errors import InputError

RATE = 48_000
HOP = LOOP48.hop


def click(level: float = 1.0, n: int = 1) -> Shot:
    return Shot((1.0,), (level, level), (np.full(n, 1.0, np.float32),))


def kit_of(**peaks: tuple[float, float]) -> dict[str, Float32]:
    """Roles with a soft and a hard layer: one loud frame each, in another band for each layer."""
    kit = {}
    for role, (soft, hard) in peaks.items():
        kit[role] = np.zeros((2, LOOP48.n_mels, 12), np.float32)
        kit[role][0, 20, :3], kit[role][1, 60, :6] = soft, hard
    return kit


class Toy:
    """A vocoder whose samples are the sum of the bands of their frame, so that every gain and place can be read off."""

    def __init__(self) -> None:
        self.log_mels: list[Float32] = []
        self.noise: list[Float32] = []

    def __call__(self, log_mel: Float32, noise: Float32) -> Float32:
        self.log_mels.append(log_mel)
        self.noise.append(noise)
        return np.repeat((10.0**log_mel).sum(axis=0) - LOOP48.n_mels * LOOP48.log_floor, HOP).astype(np.float32)


def white(frames: int) -> Float32:
    return np.random.default_rng(0).uniform(-1, 1, (HOP, frames)).astype(np.float32)


def voiced(kit: dict[str, Float32], hits: list[Hit], toy: Toy | None = None) -> dict[str, Shot]:
    return voice_kit(kit, hits, vocoder=toy or Toy(), noise=white, mel=LOOP48, rate_hz=RATE)


@pytest.mark.parametrize("bpm", [61.7, 120.0, 174.0])
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_hits_land_on_the_nearest_sample_at_any_tempo(bpm: float, rate: int) -> None:
    n = round(60 * rate * 8 / bpm)
    hits = [Hit("rim", start, 1.0) for start in (0.0, 0.3333, 1.0 + 1 / 3, 1.9999999)]
    stem = place({"rim": click()}, hits, bars=2, n_samples=n, rate_hz=rate)["rim"]
    wanted = np.zeros(n)
    for hit in hits:
        wanted[int(np.floor(hit.start * n / 2 + 0.5)) % n] += 1
    np.testing.assert_array_equal(stem, wanted)


def test_a_tail_longer_than_the_loop_goes_round_and_round() -> None:
    sound = np.arange(1, 251, dtype=np.float32)
    stem = place({"crash": Shot((1.0,), (1.0, 1.0), (sound,))}, [Hit("crash", 0.9, 1.0)], bars=1, n_samples=100, rate_hz=RATE)
    wanted = np.zeros(100)
    for i, value in enumerate(sound):
        wanted[(90 + i) % 100] += value
    np.testing.assert_array_equal(stem["crash"], wanted)


def test_stems_add_up_to_the_mix_bit_for_bit_and_velocities_are_gains() -> None:
    hits = [Hit("kick", 0.0, 1.0), Hit("snare", 0.25, 0.5), Hit("kick", 0.25, 0.25)]
    stems = place({"snare": click(2.0), "kick": click()}, hits, bars=1, n_samples=1000, rate_hz=RATE)
    assert list(stems) == ["snare", "kick"]
    mix = mixed(stems, 1000)
    np.testing.assert_array_equal(mix, stems["snare"] + stems["kick"])
    assert mix[0] == 1
    assert mix[250] == pytest.approx(2 * 0.5**1.5 + 0.25**1.5)  # a click's layers are alike: velocity ** 1.5 in all
    assert np.count_nonzero(mix) == 2


def test_a_closed_hat_stops_the_open_one_round_the_seam() -> None:
    n = RATE
    long = Shot((1.0,), (1.0, 1.0), (np.ones(n, np.float32),))
    hits = [Hit("hat_open", 0.9, 1.0), Hit("hat_closed", 0.1, 1.0)]
    shots = {"hat_open": long, "hat_closed": click()}
    stem = place(shots, hits, bars=1, n_samples=n, rate_hz=RATE)["hat_open"]
    heard = np.flatnonzero(np.roll(stem, -int(0.9 * n)))
    assert heard[0] == 0
    assert heard[-1] == pytest.approx(0.2 * n + 0.01 * RATE, abs=2)
    free = place(shots, hits, bars=1, n_samples=n, rate_hz=RATE, choke=False)["hat_open"]
    assert np.count_nonzero(free) == n
    again = place({"hat_open": long}, [Hit("hat_open", 0.5, 1.0)], bars=1, n_samples=n, rate_hz=RATE)["hat_open"]
    assert np.count_nonzero(again) == n  # its own next turn comes when it is over


def test_what_sounds_before_an_onset_is_cut_off() -> None:
    toy = Toy()
    shot = voiced(kit_of(snare=(0.0, 1.0)), [Hit("snare", 0.3, 1.0)], toy)["snare"]
    before = 10 ** toy.log_mels[0].astype(np.float64)[60, :LEAD]
    assert (before > 0.01).sum() == 2  # the window sees the hit two frames before it
    (sound,) = shot.samples
    assert sound[0] < 0.01 * sound.max()
    assert sound[24] == pytest.approx(10 ** float(toy.log_mels[0][60, LEAD]), rel=1e-3)  # up within half a millisecond


def test_a_smeared_kit_is_the_convolution_that_the_generator_makes() -> None:
    rng = np.random.default_rng(1)
    kit = rng.random((5, 40)).astype(np.float32)
    window = LOOP48.n_fft / LOOP48.hop
    pattern = activations([Hit("kick", 50 / 256, 1.0)], window_frames=window)[0, 1]
    wanted = np.zeros((5, 256))
    for at in np.flatnonzero(pattern):
        wanted[:, at : at + 40] += (pattern[at] * kit) ** 2
    np.testing.assert_allclose(smear(kit, window), np.sqrt(wanted[:, 50 - LEAD : 50 + 40]), atol=1e-5)


def test_each_role_is_voiced_once_or_at_its_two_extremes_and_blends_are_what_lies_between() -> None:
    kit = kit_of(kick=(1.0, 1.0), snare=(0.5, 2.0), rim=(1.0, 1.0))
    hits = [Hit("kick", 0.0, 0.9), Hit("kick", 0.5, 0.95)] + [Hit("snare", v, v) for v in (0.1, 0.5, 0.8)]
    toy = Toy()
    shots = voiced(kit, hits, toy)
    assert len(toy.log_mels) == 1
    assert list(shots) == ["kick", "snare"]  # nobody plays the rim
    assert [len(shots[role].samples) for role in shots] == [1, 2]
    assert shots["snare"].shares == pytest.approx((0.1, 0.8))
    for velocity in (0.1, 0.5, 0.8):
        soft, hard = layer_weights(velocity)
        first, second = shots["snare"].blend(soft, hard)
        sound = first[0] * first[1] + second[0] * second[1]
        # one band a layer: samples of the toy are sums of magnitudes, and a blend in phase has the wanted power in all
        forms = [np.sqrt((1 - x) * kit["snare"][0] ** 2 + x * kit["snare"][1] ** 2) for x in (0.1, 0.8)]
        part = (velocity - 0.1) / 0.7
        powers = [float((f.astype(np.float64) ** 2).sum()) for f in forms]
        wanted = velocity**1.5 * math.sqrt((1 - part) * powers[0] + part * powers[1])
        in_phase = (1 - part) * forms[0] + part * forms[1]
        in_phase *= wanted / ((1 - part) * math.sqrt(powers[0]) + part * math.sqrt(powers[1]))
        assert sound[2 * HOP] == pytest.approx(smear(in_phase, LOOP48.n_fft / HOP)[:, LEAD + 2].sum(), rel=2e-2)


def test_two_forms_of_a_role_get_the_same_noise() -> None:
    toy = Toy()
    voiced(kit_of(snare=(0.5, 2.0)), [Hit("snare", 0.0, 0.1), Hit("snare", 0.5, 0.9)], toy)
    (noise,), (log_mel,) = toy.noise, toy.log_mels
    length = LEAD + 7 + APART
    assert log_mel.shape[1] >= 2 * length - 4
    second = next(i for i in range(1, noise.shape[1]) if np.array_equal(noise[:, i], noise[:, 0]))
    np.testing.assert_array_equal(noise[:, second : second + 8], noise[:, :8])


def test_layers_that_differ_in_level_alone_are_voiced_once_at_their_levels() -> None:
    kit = kit_of(tom_low=(0.0, 1.0))
    kit["tom_low"][0] = 0.25 * kit["tom_low"][1]
    hits = [Hit("tom_low", 0.0, 0.2), Hit("tom_low", 0.5, 0.9)]
    shot = voiced(kit, hits)["tom_low"]
    assert len(shot.samples) == 1
    for hit in hits:
        soft, hard = layer_weights(hit.velocity)
        ((gain, sound),) = shot.blend(soft, hard)
        wanted = math.hypot(0.25 * soft, hard) * smear(kit["tom_low"][1], LOOP48.n_fft / HOP)[:, LEAD + 1].sum()
        assert gain * sound[HOP + 9] == pytest.approx(wanted, rel=1e-3)


def test_other_rates_keep_the_onset_and_the_length() -> None:
    kit, hits = kit_of(kick=(1.0, 1.0)), [Hit("kick", 0.0, 1.0)]
    (at_48,) = voiced(kit, hits)["kick"].samples
    shot = voice_kit(kit, hits, vocoder=Toy(), noise=white, mel=LOOP48, rate_hz=44_100)["kick"]
    (at_44,) = shot.samples
    assert len(at_44) == pytest.approx(len(at_48) * 44_100 / 48_000, abs=2)
    assert at_44[300] == pytest.approx(at_48[round(300 * 48 / 44.1)], rel=0.02)


def test_inaudible_tails_are_not_voiced() -> None:
    kit = kit_of(kick=(1.0, 1.0))
    longer = {"kick": np.pad(kit["kick"], ((0, 0), (0, 0), (0, 400)))}
    toy = Toy()
    voiced(longer, [Hit("kick", 0.0, 1.0)], toy)
    assert toy.log_mels[0].shape[1] < 30


def test_a_role_that_is_only_played_softly_is_voiced_as_far_as_it_is_heard() -> None:
    slow = np.zeros((2, LOOP48.n_mels, 200), np.float32)
    slow[:, 40] = 10 ** (-np.arange(200) / 40)  # 20 dB in 40 frames
    hits = [Hit("kick", 0.0, 1.0), Hit("ride", 0.0, 1.0), Hit("ride", 0.5, 1.0)]

    def frames(softly: float) -> int:
        toy = Toy()
        voiced({"kick": slow[..., :2], "ride": slow}, [hits[0], *(h._replace(velocity=softly) for h in hits[1:])], toy)
        return toy.log_mels[0].shape[1]

    assert frames(1.0) - frames(10 ** (-1 / 1.5)) == pytest.approx(40, abs=1)  # 20 dB softer


def test_nothing_played_is_nothing_voiced_and_a_missing_one_shot_is_named() -> None:
    assert voiced(kit_of(kick=(1.0, 1.0)), []) == {}
    assert place({}, [], bars=1, n_samples=10, rate_hz=RATE) == {}
    with pytest.raises(InputError, match="no one-shot for ride"):
        voiced(kit_of(kick=(1.0, 1.0)), [Hit("ride", 0.0, 1.0)])
