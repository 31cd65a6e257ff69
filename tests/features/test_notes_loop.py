"""The transcriber in the box: it hears chords, it can teach, and it is refused where it has nothing to say."""

from __future__ import annotations

import note_bars
import numpy as np
import pytest
import torch
from torch import Tensor

from loopwright.audio.constantq import ConstantQ
from loopwright.config import LOOP48, TONE48
from loopwright.errors import ConfigError
from loopwright.features import build, build_embedder, load_judge
from loopwright.features.checks import verify
from loopwright.features.notes_loop import FRAME, ONSET, note_events
from loopwright.features.registry import HEARD_FRAMES, weights_path
from loopwright.features.transcriber import TranscriberFeatures
from loopwright.features.weights import BUNDLED, read_weights


def rows_of(*notes: tuple[float, float, int]) -> Tensor:
    return torch.from_numpy(ConstantQ()(note_bars.played(*notes)[None], 48_000))


@pytest.fixture(scope="module")
def teacher() -> TranscriberFeatures:
    net = build("notes_loop", TONE48)
    assert isinstance(net, TranscriberFeatures)
    return net


def test_its_file_is_in_the_box_and_small() -> None:
    assert weights_path("notes_loop", BUNDLED) == BUNDLED / "notes_loop.safetensors"
    assert (BUNDLED / "notes_loop.safetensors").stat().st_size < 300_000


def test_notes_are_read_off_at_the_thresholds_that_were_chosen() -> None:
    header = read_weights(BUNDLED / "notes_loop.safetensors")[1]
    assert header["scores"]["thresholds"] == {"onset": ONSET, "frame": FRAME}
    assert header["heard_frames"] == HEARD_FRAMES
    assert header["representation"] == TONE48.model_dump()


def test_it_hears_the_chords_played(teacher: TranscriberFeatures) -> None:
    """Two chords, the second held over the seam. Not tones of its corpus: six harmonics falling as 1/h."""
    played = [(0.3, 0.6, 57), (0.3, 0.6, 60), (0.3, 0.6, 64), (1.5, 0.7, 55), (1.5, 0.7, 59), (1.5, 0.7, 62)]
    heard = teacher.posteriors(rows_of(*played))
    found = note_events(heard.notes[0].numpy(), heard.onsets[0].numpy(), 2.0)
    assert sorted(int(note) for note in found[:, 2]) == sorted(note for *_, note in played)
    for start, length, note in played:
        match = found[found[:, 2] == note][0]
        assert match[0] == pytest.approx(start, abs=0.05)
        assert match[1] == pytest.approx(length, abs=0.25)
    silence = teacher.posteriors(torch.full((1, 320, 256), -5.0))
    assert len(note_events(silence.notes[0].numpy(), silence.onsets[0].numpy(), 2.0)) == 0


def test_it_is_differentiable_and_its_slope_leads_to_notes(teacher: TranscriberFeatures) -> None:
    """A step down the distance to a played bar's features, from a flat picture, raises the rows that sound."""
    target = rows_of((0.0, 1.0, 60))
    wanted = [x.detach() for x in teacher(target)]
    rows = (target.mean() + 0.01 * torch.randn(target.shape, generator=torch.Generator().manual_seed(0))).requires_grad_()
    maps = teacher(rows)
    assert [tuple(x.shape) for x in maps] == [(1, tap.channels, n, 64) for tap, n in zip(teacher.taps, (88, 44), strict=True)]
    loss = sum(((a - b) ** 2).mean() for a, b in zip(maps, wanted, strict=True))
    (slope,) = torch.autograd.grad(loss, rows)
    assert torch.isfinite(slope).all()
    assert slope.abs().max() > 0
    fundamental = 3 * (60 - 21)
    step = -slope[0, :, 10:110].sum(dim=1)
    assert int(step[fundamental - 12 : fundamental + 13].argmax()) in (11, 12, 13)


def test_it_passes_its_own_checks() -> None:
    results = verify("notes_loop", weights=BUNDLED)
    assert len(results) == 3
    assert all(result.passed for result in results), results


def test_a_rolled_loop_is_heard_rolled(teacher: TranscriberFeatures) -> None:
    rows = rows_of((0.3, 0.6, 57), (1.7, 0.6, 60))
    straight, rolled = teacher.posteriors(rows), teacher.posteriors(rows.roll(128, dims=2))
    np.testing.assert_allclose(rolled.onsets.numpy(), straight.onsets.roll(64, dims=2).numpy(), atol=1e-4)


def test_what_it_is_not_for_is_refused() -> None:
    for call in (
        lambda: build("notes_loop", LOOP48),
        lambda: load_judge("notes_loop"),
        lambda: build("random:notes_loop", TONE48),
    ):
        with pytest.raises(ConfigError, match=r"only teaches.*--repr tone48"):
            call()
    with pytest.raises(ConfigError, match="only teaches"):
        build_embedder("notes_loop", LOOP48)
