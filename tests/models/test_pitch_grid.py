"""The pitch-grid generator: in tune whatever its weights, its circle, its border, and its rows against rendered audio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from loopwright.audio.additive import Additive
from loopwright.audio.constantq import ConstantQ
from loopwright.audio.pitchgrid import PitchGrid
from loopwright.models.generator import Generator
from loopwright.models.pitch_grid import Parts, PitchGridGenerator, SoftRange

GRID = PitchGrid(bank=ConstantQ(frames_per_bar=64))
FORMS = [False, True]
MEAN, STD = torch.full((320,), -3.0), torch.full((320,), 0.8)


def small(*, given: bool, seed: int = 0, **more: object) -> PitchGridGenerator:
    torch.manual_seed(seed)
    sizes = {"frames": 64, "channels": (16, 12, 12, 8), "z_dim": 6, "w_dim": 10, "mapping_layers": 2}
    generator = PitchGridGenerator(mean=MEAN, std=STD, grid=GRID, given=given, **(sizes | more))  # type: ignore[arg-type]
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if "noise_strength" in name:
                parameter.normal_()
    return generator


def score(batch: int, frames: int = 64, seed: int = 0) -> Tensor:
    """A few notes each, some across the seam."""
    rng = np.random.default_rng(seed)
    out = np.zeros((batch, 73, frames), dtype=np.float32)
    for row in out:
        for pitch in rng.integers(30, 60, 5):
            row[pitch, (rng.integers(frames) + np.arange(frames // 4)) % frames] = rng.uniform(0.5, 1)
    return torch.from_numpy(out)


def scores_of(form: bool, batch: int, frames: int = 64) -> dict[str, Any]:
    return {"score": score(batch, frames)} if form else {}


def magnitude(z_scores: Tensor) -> Tensor:
    return 10 ** (z_scores * STD[:, None] + MEAN[:, None])


def tuning(log_rows: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Concentration and offset in cents of the partials of rows (K, T) on the A440 semitones, by refined local maxima."""
    r = log_rows[60:]  # from 87 Hz
    y = r[1:-1]
    peak = (y > r[:-2]) & (y >= r[2:]) & (y > r.max() - 1.5)
    bend = np.where(peak, r[:-2] - 2 * y + r[2:], -1.0)
    at = np.arange(61, 61 + len(y))[:, None] + 0.5 * (r[:-2] - r[2:]) / bend
    mean = np.average(np.exp(2j * np.pi * at[peak] / 3), weights=10 ** y[peak])
    return float(np.abs(mean)), float(np.angle(mean) * 100 / (2 * np.pi))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_whatever_its_trunk_and_score_it_is_in_tune(form: bool, seed: int) -> None:
    """Random weights and the gains of the start (a seventh harmonic is no semitone); a plain generator's peaks lie anywhere."""
    generator = small(given=form, seed=seed)
    with torch.no_grad():
        for to_sound in generator.to_sound:
            to_sound.conv.weight.zero_()
        y = generator(torch.randn(8, 6), **scores_of(form, 8)) * STD[:, None] + MEAN[:, None]
        torch.manual_seed(seed)
        plain = Generator(n_mels=320, frames=64, dims=1, channels=(16, 12, 12, 8), z_dim=6, w_dim=10, mapping_layers=2)
        anywhere = plain(torch.randn(8, 6)) * 0.8 - 3
    ours, others = (np.median(np.abs([tuning(rows) for rows in x.numpy()]), axis=0) for x in (y, anywhere))
    assert ours[0] > 0.6
    assert ours[1] < 4
    assert others[0] < 0.2


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=6, deadline=None)
@given(shift=st.integers(1, 7), seed=st.integers(0, 99))
def test_rolling_start_noise_and_score_rolls_the_loop(form: bool, shift: int, seed: int) -> None:
    generator = small(given=form)
    z = torch.randn(2, 6, generator=torch.Generator().manual_seed(seed))
    noise = generator.make_noise(2, torch.Generator().manual_seed(seed))
    columns = generator.constant.shape[-1]
    frames = shift * 64 // columns
    given_score = scores_of(form, 2)
    with torch.no_grad():
        straight = generator(z, noise, **given_score)
        generator.constant.copy_(generator.constant.roll(shift, dims=-1))
        noise = [n.roll(shift * n.shape[-1] // columns, dims=-1) for n in noise]
        rolled = generator(z, noise, **{key: x.roll(frames, dims=-1) for key, x in given_score.items()})
    torch.testing.assert_close(magnitude(rolled), magnitude(straight).roll(frames, dims=-1), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_two_equal_bars_are_one_bar_twice(form: bool) -> None:
    generator = small(given=form)
    ws = torch.randn(1, 10)[:, None].expand(-1, generator.n_styles, -1)
    noise = generator.make_noise(1, torch.Generator().manual_seed(0))
    one_score = scores_of(form, 1)
    with torch.no_grad():
        one = generator.synthesis(ws, noise, **one_score)
        two_scores: dict[str, Any] = {key: x.repeat(1, 1, 2) for key, x in one_score.items()}
        two = generator.synthesis(ws, [n.repeat(1, 1, 1, 2) for n in noise], bars=2, **two_scores)
    torch.testing.assert_close(magnitude(two), magnitude(one).repeat(1, 1, 2), rtol=1e-3, atol=1e-6)


def test_styles_after_the_border_leave_the_notes_as_they_are() -> None:
    generator = small(given=False)
    first, second = torch.randn(2, 1, generator.n_styles, 10)
    noise = generator.make_noise(1, torch.Generator().manual_seed(0))
    mixed = torch.cat([first[:, : generator.border], second[:, generator.border :]], dim=1)
    early = torch.cat([first[:, : generator.border - 1], second[:, generator.border - 1 :]], dim=1)
    with torch.no_grad():
        a, b, c = (generator.parts(ws, noise) for ws in (first, mixed, early))
    torch.testing.assert_close(a.score, b.score, rtol=0, atol=0)
    assert (a.gains / b.gains).log10().abs().mean() > 0.05
    assert (a.score / c.score).log10().abs().mean() > 0.02  # the layer before the border does write notes
    assert small(given=True).border == 0


@pytest.mark.parametrize("form", FORMS)
def test_every_weight_learns(form: bool) -> None:
    generator = small(given=form)
    y = generator(torch.randn(3, 6), generator.make_noise(3, torch.Generator().manual_seed(0)), **scores_of(form, 3))
    y.square().mean().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_gradients_are_right() -> None:
    """Against finite differences, in double precision."""
    generator = small(given=True, frames=16).double()
    generator.combs, generator.smear = generator.combs.double(), generator.smear.double()

    random = torch.Generator().manual_seed(1)
    ways = [torch.rand(6, 1, n, 16, dtype=torch.float64, generator=random) for n in (73, 16, 64)]

    def rows(along: Tensor) -> Tensor:
        """Along six ways at once: every part takes part in each."""
        parts = Parts(*(0.1 + (along[:, None, None, None] * way).sum(dim=0) for way in ways))
        return generator.rows(parts)[:, ::7, ::5]

    assert torch.autograd.gradcheck(rows, (torch.full((6,), 0.1, dtype=torch.float64, requires_grad=True),), atol=1e-4)


def test_a_score_decides_which_pitches_sound() -> None:
    generator = small(given=True)
    one = score(1)
    with torch.no_grad():
        parts = generator.parts(torch.randn(1, generator.n_styles, 10), None, score=one)
    on, off = parts.score[one > 0], parts.score[one == 0]
    assert on.log10().mean() - off.log10().mean() > 3


def test_rows_are_the_closed_form_and_what_rendered_audio_reads() -> None:
    """Two ways round: numpy's closed form, and audio from the parts through the bank."""
    generator = small(given=True)
    notes = np.zeros((73, 64))
    for i, pitch in enumerate([33, 36, 40, 45]):
        notes[pitch, 16 * i : 16 * i + 12] = 0.2 * np.exp(-np.arange(12) / 8)
    gains = 1.0 / np.arange(1, 17)[:, None] * np.ones((1, 64))
    residual = np.full((64, 64), 10**-5.0)
    parts = Parts(*(torch.from_numpy(x).float()[None] for x in (notes, gains, residual)))
    rows = (generator.rows(parts)[0] * STD[:, None] + MEAN[:, None]).numpy()
    closed = GRID.magnitude(notes, gains, residual, 2.0)
    np.testing.assert_allclose(rows, 0.5 * np.log10(closed**2 + 1e-11), atol=1e-3)
    wave = Additive(GRID)(notes, gains, residual, length_s=2.0, rate_hz=48_000)
    loud = rows > -2.5
    off = 20 * np.abs(GRID.bank(wave, 48_000)[0] - rows)[loud]
    assert np.median(off) < 0.3
    assert np.quantile(off, 0.9) < 3.5


@pytest.mark.parametrize(("start", "low", "high"), [(-2.6, -5.5, 0.3), (-1.4, -3.0, 0.5)])
def test_a_soft_range_has_its_start_its_slope_and_its_ends(start: float, low: float, high: float) -> None:
    soft = SoftRange(torch.tensor([start]), low, high, 0.3)
    x = torch.tensor([[[-1e4, -0.01, 0.0, 0.01, 1e4]]])
    got = soft(x)[0, 0].log10()
    torch.testing.assert_close(got[[0, 2, 4]], torch.tensor([low, start, high]), rtol=1e-4, atol=1e-4)
    assert (got[3] - got[1]).item() / 0.02 == pytest.approx(0.3, rel=0.02)


def test_labels_change_a_conditional_generator() -> None:
    generator = small(given=False, classes=2)
    z = torch.randn(1, 6).expand(2, -1)
    with torch.no_grad():
        a, b = generator(z, labels=torch.tensor([0, 1]))
    assert (a - b).abs().max() > 1e-3


def _raises(call: Callable[[], object]) -> None:
    with pytest.raises(AssertionError, match="given score"):
        call()


def test_a_score_is_for_the_form_that_takes_one() -> None:
    _raises(lambda: small(given=True)(torch.randn(1, 6)))
    _raises(lambda: small(given=False)(torch.randn(1, 6), score=score(1)))
