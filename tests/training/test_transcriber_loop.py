"""Training of the transcriber: what a batch is, what a step does, and that both depend on seed and step alone."""

from __future__ import annotations

import note_bars
import numpy as np
import pytest
import torch

from loopwright.audio.constantq import ConstantQ
from loopwright.data import PreparedData
from loopwright.training.transcriber_loop import (
    TranscriberConfig,
    build,
    coloured,
    draw_batch,
    known_notes,
    learning_rate,
    posteriors,
    train_step,
    transposed,
)

PLAIN = TranscriberConfig(batch=4, semitones=0, gain_db=0, tilt_db=0, noise_share=0)


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    return note_bars.write_notes(tmp_path_factory.mktemp("notes") / "prepared")


def test_events_in_bars_become_seconds() -> None:
    np.testing.assert_allclose(known_notes([[60, 0.25, 0.125, 0.9, "lead"]]), [[0.5, 0.25, 60]])
    assert known_notes([]).shape == (0, 3)


def test_transposed_rows_are_the_rows_of_transposed_notes() -> None:
    """Oracle: the same tones rendered five semitones higher, where they are loud; what is moved in is the floor."""
    low, high = (ConstantQ()(note_bars.played((0.2, 1.5, 57 + up))[None], 48_000)[0] for up in (0, 5))
    moved = transposed(low, 5, -5.0)
    loud = high > high.max() - 1.0
    assert loud.sum() > 500
    assert np.abs(moved - high)[loud].mean() < 0.05
    assert (moved[:15] == -5).all()
    np.testing.assert_array_equal(transposed(moved, -5, -5.0)[:305], low[:305])


def test_what_is_drawn_is_a_rolled_bar_and_its_rolled_notes(bars: PreparedData) -> None:
    rows = np.arange(4)
    heard, notes, onsets = draw_batch(bars, rows, PLAIN, 0)
    assert heard.shape == (4, 320, 128)
    assert notes.shape == onsets.shape == (4, 88, 128)
    assert notes.sum() == pytest.approx(4 * 4 * 0.3 * 64, rel=0.05)
    assert onsets.sum() == 4 * 4 * 3
    # a bar's fundamentals are louder where its notes are than elsewhere on those rows, wherever it was rolled to
    for x, target in zip(heard.numpy(), notes.numpy(), strict=True):
        centre = x[: 3 * 88 : 3]
        held = target.astype(bool)
        silent = held.any(axis=1)[:, None] & ~held
        assert centre[held].mean() > centre[silent].mean() + 0.5
    again = draw_batch(bars, rows, PLAIN, 0)
    assert torch.equal(again[0], heard)
    assert not torch.equal(draw_batch(bars, rows, PLAIN, 1)[0], heard)


def test_targets_are_transposed_with_their_bars(bars: PreparedData) -> None:
    """The fundamental of every note is on its row, in every transposition."""
    config = PLAIN.model_copy(update={"semitones": 6, "batch": 16})
    heard, notes, _ = draw_batch(bars, np.arange(4), config, 3)
    lowest = [int(np.flatnonzero(x.any(axis=1))[0]) for x in notes.numpy().astype(bool)]
    plain = {int(np.flatnonzero(x.any(axis=1))[0]) for x in draw_batch(bars, np.arange(4), PLAIN, 3)[1].numpy().astype(bool)}
    assert len(set(lowest) - plain) > 2  # rows that no bar has untransposed
    for x, row, target in zip(heard.numpy(), lowest, notes.numpy().astype(bool), strict=True):
        level = x[:, target[row]].mean(axis=1)
        assert level[3 * row] > level[3 * row + 1]
        assert level[3 * row] > level[3 * row - 1]


def test_noise_has_the_level_that_is_asked_for() -> None:
    """Far above the rows, all is noise: an exponential power, whose mean is the level."""
    quiet = np.full((4, 320, 128), -4.0, dtype=np.float32)
    quiet[:, 100, 0] = 0.0
    config = TranscriberConfig(gain_db=0, tilt_db=0, noise_share=1, noise_low_db=-40, noise_high_db=-40)
    got = coloured(quiet, config, np.random.default_rng(0), -5.0)
    middle = 10 * np.log10((10 ** (2 * got[:, 155:165])).mean(axis=(1, 2)))
    np.testing.assert_allclose(middle, -40, atol=0.7)
    spared = coloured(quiet, config.model_copy(update={"noise_share": 0.0}), np.random.default_rng(0), -5.0)
    np.testing.assert_array_equal(spared, quiet)
    turned = coloured(quiet - 0.9, TranscriberConfig(noise_share=0), np.random.default_rng(0), -5.0)
    assert turned.min() == -5
    assert len({float(x) for x in turned[:, 100, 0]}) == 4


def test_loss_falls_and_steps_depend_on_seed_and_step_alone(bars: PreparedData) -> None:
    config = TranscriberConfig(contour=4, notes=8, onsets=8, batch=4, steps=15, lr=1e-2, heard_frames=64)
    trainee, rows = build(config), np.arange(20)
    losses = [float(train_step(trainee, bars, rows)["loss"]) for _ in range(15)]
    assert np.mean(losses[-5:]) < 0.7 * losses[0]
    again = build(config)
    assert [float(train_step(again, bars, rows)["loss"]) for _ in range(2)] == losses[:2]
    notes, onsets = posteriors(trainee.model, bars, np.arange(36, 52), heard_frames=64)
    assert notes.shape == onsets.shape == (16, 88, 64)


def test_rate_rises_over_a_twentieth_of_the_steps_and_falls_to_nothing() -> None:
    config = TranscriberConfig(steps=100, lr=1.0)
    assert [learning_rate(config, step) for step in (0, 4, 5, 100)] == pytest.approx([0.2, 1.0, 1.0, 0.0])


def test_half_the_digits_hardly_change_the_loss(bars: PreparedData) -> None:
    config = TranscriberConfig(contour=4, notes=8, onsets=8, batch=2, steps=2, heard_frames=64)
    exact, rough = build(config), build(config.model_copy(update={"bf16": True}))
    a, b = (float(train_step(trainee, bars, np.arange(20))["loss"]) for trainee in (exact, rough))
    assert a != b
    assert a == pytest.approx(b, rel=0.02)
