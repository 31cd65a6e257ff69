"""Networks that hear pitch: against the published graph, their circle, and loops whose notes are known."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from loopwright.audio.additive import Additive
from loopwright.audio.constantq import ConstantQ
from loopwright.audio.pitchgrid import PitchGrid
from loopwright.errors import MelMismatchError, WeightsError
from loopwright.features.notes_loop import (
    ONSETS_WEIGHT,
    POSITIVE_SHARE,
    new_notes_loop,
    note_events,
    note_targets,
    transcription_loss,
)
from loopwright.features.transcriber import (
    OFFSET,
    SCALE,
    Folds,
    Heard,
    PitchNet,
    TranscriberFeatures,
    fold,
    harmonic_stack,
    pitch_net,
    read_basic_pitch,
)

RATE = 48_000
GRID = PitchGrid()


@pytest.fixture(scope="module")
def published(shared_dir: Path) -> Path:
    return shared_dir / "weights" / "basic_pitch.onnx"


def played(*notes: tuple[float, float, int], frames: int = 256) -> Tensor:
    """Rows of a bar of 2 s in which the notes (start, length in seconds, MIDI note) are played, (1, 320, frames)."""
    score = np.zeros((73, 256))
    for start, length, note in notes:
        first, count = round(start * 128), round(length * 128)
        score[note - 24, (first + np.arange(count)) % 256] = 0.2 * np.exp(-np.arange(count) / 100)
    gains = 1.0 / np.arange(1, 17)[:, None] * np.ones((1, 256))
    wave = Additive(GRID)(score, gains, np.full((64, 256), 1e-4), length_s=2.0, rate_hz=RATE)
    return torch.from_numpy(ConstantQ(frames_per_bar=frames)(wave, RATE))


def test_the_convolutions_are_the_published_graph(published: Path) -> None:
    """The graph's own constant-Q, taken out of it, through ours: all three outputs, away from the ends of its clip."""
    onnx = pytest.importorskip("onnx", reason="reading the published graph needs onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = onnx.load(str(published))
    adds = (node.output[0] for node in model.graph.node if node.op_type == "Add")
    inner = next(name for name in adds if "batch_normalization/" in name)
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(inner))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    t = np.arange(43_844) / 22_050
    wave = sum(0.15 / h * np.sin(2 * np.pi * h * f * t) for h in range(1, 9) for f in (220.0, 277.1826, 329.6276))
    names = [inner, "StatefulPartitionedCall:0", "StatefulPartitionedCall:1", "StatefulPartitionedCall:2"]
    feed = {"serving_default_input_2:0": wave.astype(np.float32)[None, :, None]}
    inside, contour, notes, onsets = (x.squeeze() for x in session.run(names, feed))
    assert notes.mean() == pytest.approx(0.141166, abs=2e-4)  # its published check value
    rows = torch.from_numpy(((inside.T[None] - OFFSET) / SCALE - 1.0) * 4.0)  # 80 dB are four decades
    heard = read_basic_pitch(published)(rows)
    for got, want in zip(heard, (contour, notes, onsets), strict=True):
        np.testing.assert_allclose(got[0].sigmoid().numpy()[:, 12:-12], want.T[:, 12:-12], atol=2e-4)


def test_basic_pitch_hears_the_notes_played(published: Path) -> None:
    features = TranscriberFeatures("basic_pitch", read_basic_pitch(published), heard_frames=192)
    _, notes, _ = features.posteriors(played((0.0, 0.5, 57), (0.5, 0.5, 60), (1.0, 0.9, 64)))
    assert notes.shape == (1, 88, 192)
    assert [int(notes[0, :, t].argmax()) + 21 for t in (24, 72, 120)] == [57, 60, 64]
    assert notes[0].amax(dim=0)[[24, 72, 120]].min() > 0.5
    silent = features.posteriors(torch.full((1, 320, 256), -5.0)).notes
    assert silent.max() < 0.5


def test_taps_and_their_gradient(published: Path) -> None:
    features = TranscriberFeatures("basic_pitch", read_basic_pitch(published)).train()
    rows = played((0.2, 1.0, 57)).requires_grad_()
    maps = features(rows)
    assert [tuple(x.shape) for x in maps] == [(1, 48, 88, 64), (1, 256, 44, 64)]
    assert [tap.channels for tap in features.taps] == [48, 256]
    assert not features.training
    sum(x.square().mean() for x in maps).backward()
    assert rows.grad is not None
    assert rows.grad.abs().sum() > 0
    assert all(p.grad is None for p in features.parameters())


def test_a_rolled_loop_is_heard_rolled_and_another_gain_changes_nothing() -> None:
    torch.manual_seed(0)
    features = TranscriberFeatures("small", PitchNet(4, 6, 5), heard_frames=192)
    rows = torch.randn(2, 320, 256) * 0.5 - 3
    straight = features.posteriors(rows)
    for got, want in zip(features.posteriors(rows.roll(64, dims=-1)), straight, strict=True):
        torch.testing.assert_close(got, want.roll(48, dims=-1), rtol=1e-4, atol=1e-5)
    for got, want in zip(features.posteriors(rows + 0.7), straight, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-4)


def test_a_stack_puts_harmonics_on_their_fundamental() -> None:
    """Rows of a note at 3j, its octave below, its harmonics: published shifts 36 log2 h, rounded."""
    rows = torch.full((1, 320, 8), -9.0)
    for shift in (-36, 0, 36, 57, 72, 84, 93, 101):
        rows[0, 90 + shift] = 0.0
    stack = harmonic_stack(rows, 309)
    assert stack.shape == (1, 8, 264, 8)
    torch.testing.assert_close(stack[0, :, 90, 0], torch.full((8,), SCALE + OFFSET))
    assert stack[0, 7, 209, 0] == 0.0  # 209 + 101 is above the published rows
    assert stack[0, 7, 207, 0] == pytest.approx(OFFSET)


def test_folds_lose_nothing() -> None:
    """Against torch's own for square cells, and by hand for others."""
    x = torch.arange(24.0).reshape(1, 2, 3, 4)
    torch.testing.assert_close(fold(x.repeat(1, 1, 2, 1), 2, 2), torch.nn.functional.pixel_unshuffle(x.repeat(1, 1, 2, 1), 2))
    assert fold(x, 3, 2)[0, :, 0, 1].tolist() == [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23]
    rows = torch.randn(2, 320, 256)
    fine, coarse = Folds()(rows)
    assert fine.shape == (2, 64, 40, 32)
    assert coarse.shape == (2, 256, 20, 16)
    back = torch.nn.functional.pixel_shuffle(coarse, 16)[:, 0] * 1.1 - 3.4
    torch.testing.assert_close(back, rows)


@pytest.mark.parametrize("bad", [torch.zeros(1, 300, 256), torch.zeros(320, 256), torch.zeros(1, 320, 3)])
def test_what_is_no_constant_q_is_refused(bad: Tensor) -> None:
    with pytest.raises(MelMismatchError, match="Prepare the data as tone48"):
        PitchNet()(bad)
    with pytest.raises(MelMismatchError, match="multiples of 16"):
        Folds()(bad)


def test_files_that_are_not_it_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx = pytest.importorskip("onnx", reason="reading the published graph needs onnx")
    with pytest.raises(WeightsError, match="no file"):
        read_basic_pitch(tmp_path / "none.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"\xff\xff not a graph")
    with pytest.raises(WeightsError, match="not a whole ONNX file"):
        read_basic_pitch(tmp_path / "broken.onnx")
    empty = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], []))
    onnx.save(empty, str(tmp_path / "other.onnx"))
    with pytest.raises(WeightsError, match="is not Basic Pitch"):
        read_basic_pitch(tmp_path / "other.onnx")
    plain = builtins.__import__

    def without_onnx(name: str, *args: Any, **more: Any) -> Any:
        if name.split(".")[0] == "onnx":
            raise ImportError(name)
        return plain(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without_onnx)
    with pytest.raises(WeightsError, match=r"pip install 'loopwright\[export\]'"):
        read_basic_pitch(tmp_path / "other.onnx")


def test_a_network_of_ours_comes_back_from_its_tensors() -> None:
    torch.manual_seed(0)
    net = new_notes_loop(contour=4, onsets=6)
    again = pitch_net(net.state_dict(), rows=320)
    rows = played((0.0, 1.0, 50))
    with torch.no_grad():
        torch.testing.assert_close(again(rows).onsets, net(rows).onsets)
    assert not any(p.requires_grad for p in again.parameters())
    with pytest.raises(WeightsError, match="not the weights of a transcriber"):
        pitch_net({"contour_maps.bias": torch.zeros(4)}, rows=320)
    assert sum(p.numel() for p in new_notes_loop().parameters()) * 4 < 100_000


def test_targets_are_where_the_notes_are_seam_included() -> None:
    notes, onsets = note_targets([[0.5, 0.25, 60], [1.9, 0.2, 64], [0.0, 9.0, 40], [0.0, 1.0, 12]], 200, 2.0)
    assert np.flatnonzero(notes[60 - 21]).tolist() == list(range(50, 75))
    assert np.flatnonzero(notes[64 - 21]).tolist() == [*range(10), *range(190, 200)]
    assert np.flatnonzero(onsets[64 - 21]).tolist() == [189, 190, 191]
    assert notes[40 - 21].all()
    assert notes.sum() == 25 + 20 + 200
    empty = note_targets(np.zeros((0, 3)), 200, 2.0)
    assert not empty[0].any()
    assert not empty[1].any()


def test_notes_come_back_from_their_targets() -> None:
    """Known notes, drawn as posteriors and read off them: start within a frame, length within two."""
    events = np.array([[0.25, 0.2, 45], [0.5, 0.3, 60], [0.8, 0.2, 60], [1.85, 0.4, 72]])
    notes, onsets = note_targets(events, 256, 2.0)
    blurred = (np.roll(onsets, 1, axis=1) + 2 * onsets + np.roll(onsets, -1, axis=1)) / 4
    got = note_events(0.9 * notes, blurred, 2.0)
    np.testing.assert_allclose(got[:, 0], events[:, 0], atol=2.01 / 128)
    np.testing.assert_allclose(got[:, 1], events[:, 1], atol=2.01 / 128)
    assert got[:, 2].tolist() == events[:, 2].tolist()
    assert note_events(np.zeros((88, 64)), np.zeros((88, 64)), 2.0).shape == (0, 4)


def test_the_loss_is_least_where_all_is_right_and_does_not_mind_the_rows_beside() -> None:
    notes, onsets = (torch.from_numpy(x)[None] for x in note_targets([[0.5, 0.5, 60]], 64, 2.0))
    contour = torch.zeros(1, 264, 64)
    contour[:, ::3] = notes
    beside = torch.zeros(1, 264, 64)
    beside[:, 1::3] = notes

    def total(contour: Tensor, notes_heard: Tensor, onsets_heard: Tensor) -> float:
        heard = Heard(*(20 * x - 10 for x in (contour, notes_heard, onsets_heard)))
        return sum(float(x) for x in transcription_loss(heard, notes, onsets).values())

    right = total(contour, notes, onsets)
    assert right < 1e-3
    assert total(torch.maximum(contour, beside), notes, onsets) == pytest.approx(right, abs=1e-4)
    missed = total(contour, notes, torch.zeros_like(onsets))  # all onsets: a share of -log(4.5e-5)
    assert missed == pytest.approx(right + ONSETS_WEIGHT * POSITIVE_SHARE * 10, rel=1e-2)
    assert total(contour, notes.roll(1, dims=1), onsets) > right + 0.02


def test_the_loss_equals_plain_sums() -> None:
    """Oracle: the definition in numpy, cell by cell."""
    random = np.random.default_rng(0)
    logits = [random.standard_normal((1, n, 6)).astype(np.float32) for n in (264, 88, 88)]
    notes, onsets = (random.random((1, 88, 6)) < 0.1 for _ in range(2))
    got = transcription_loss(
        Heard(*map(torch.from_numpy, logits)), torch.from_numpy(notes).float(), torch.from_numpy(onsets).float()
    )

    def entropy(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        p = 1 / (1 + np.exp(-x.astype(np.float64)))
        return -np.where(y, np.log(p), np.log(1 - p))

    each = entropy(logits[2], onsets)
    share = POSITIVE_SHARE * each[onsets].mean() + (1 - POSITIVE_SHARE) * each[~onsets].mean()
    assert float(got["onsets"]) == pytest.approx(ONSETS_WEIGHT * share, rel=1e-4)
    assert float(got["notes"]) == pytest.approx(entropy(logits[1], notes).mean(), rel=1e-4)


@pytest.mark.slow
def test_it_learns_to_hear() -> None:
    """Sixty steps on rendered notes; then notes it has not heard, at better than chance by far."""
    random = np.random.default_rng(0)
    torch.manual_seed(0)

    def bars(count: int) -> tuple[Tensor, Tensor, Tensor]:
        rows, notes, onsets = [], [], []
        for _ in range(count):
            events = [(i / 4, 0.2, int(random.integers(40, 76))) for i in range(8)]
            targets = note_targets(events, 64, 2.0)
            rows.append(played(*events, frames=64)[0])
            notes.append(torch.from_numpy(targets[0]))
            onsets.append(torch.from_numpy(targets[1]))
        return torch.stack(rows), torch.stack(notes), torch.stack(onsets)

    net = new_notes_loop(contour=4, notes=8, onsets=8)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    rows, notes, onsets = bars(12)
    for step in range(60):
        some = torch.arange(4) + step * 4 % 12
        loss = sum(transcription_loss(net(rows[some]), notes[some], onsets[some]).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    rows, notes, _ = bars(4)
    with torch.no_grad():
        heard = net(rows).notes.sigmoid() > 0.3
    right = (heard & (notes > 0)).sum() / (heard.sum() + notes.sum()) * 2
    assert right > 0.5
