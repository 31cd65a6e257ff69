"""Basic Pitch as a judge: published figures, loops as circles, importing the publisher's file, mistakes."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from loopwright.cli.features import features
from loopwright.errors import ConfigError, MelMismatchError, WeightsError
from loopwright.features import build, build_embedder, load_judge
from loopwright.features.basic_pitch import EMBEDDING, FRAMES, WINDOW, BasicPitch, Posteriors, pool, windows
from loopwright.features.checks import HEARD, verify
from loopwright.features.importing import import_weights
from loopwright.features.registry import NETWORKS
from loopwright.files import sha256_of
from loopwright.tasks.features import fetch


@pytest.fixture(scope="module")
def judge(weights_dir: Path) -> BasicPitch:
    found = load_judge("basic_pitch", weights=weights_dir)
    assert isinstance(found, BasicPitch)
    return found


def tone(midi: float, samples: int = 44_100) -> np.ndarray:
    """A note with eight harmonics, a whole number of periods in the loop."""
    turns = round(440 * 2 ** ((midi - 69) / 12) * samples / 22_050)
    t = 2 * np.pi * turns * np.arange(samples) / samples
    return np.asarray(sum(0.2 / h * np.sin(h * t) for h in range(1, 9)), dtype=np.float32)


def test_it_says_what_the_published_graph_says(weights_dir: Path) -> None:
    results = verify("basic_pitch", weights=weights_dir)
    assert len(results) == 2 + len(HEARD["basic_pitch"]) + 3 + 2
    assert all(result.passed for result in results), [r for r in results if not r.passed]


def test_windows_cover_the_circle() -> None:
    """At most 20 ms a window stay unheard, and a loop that fits once is heard once."""
    for samples in (1, 1000, WINDOW, 44_100, 44_285, 44_286, 60_000, 88_200, 176_400):
        count, places = windows(samples)
        assert places.shape == (count, WINDOW)
        assert len(np.unique(places)) >= samples - 441 * count
        assert (np.diff(places, axis=1) % samples == 1 % samples).all()  # goes on round the seam
    assert windows(44_100)[0] == 1
    assert windows(88_200)[0] == 2


def test_a_short_loop_is_repeated_as_published(judge: BasicPitch) -> None:
    short = tone(60, 22_050)
    repeated = np.tile(short, 2)[:WINDOW]
    for a, b in zip(judge.notes(short[None]), judge.notes(repeated[None]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_loudest_note_is_the_one_played(judge: BasicPitch) -> None:
    heard = judge.notes(np.stack([tone(midi) for midi in (45, 60, 72)]), batch=2)
    assert heard.notes.shape == (3, FRAMES, 88)
    assert heard.contour.shape == (3, FRAMES, 264)
    assert (heard.notes[:, 20:150].mean(axis=1).argmax(axis=1) + 21).tolist() == [45, 60, 72]


def test_embeddings_hear_notes_and_not_where_the_loop_starts(judge: BasicPitch) -> None:
    rng = np.random.default_rng(0)
    melody = [np.concatenate([tone(midi, 11_025) for midi in rng.integers(48, 72, 4)]) for _ in range(3)]
    loops = np.stack([*melody, np.roll(melody[0], 11_025), 0 * melody[0]])
    vectors = judge.embed(loops, batch=2)
    assert vectors.shape == (5, judge.dim) == (5, EMBEDDING)
    assert vectors.dtype == np.float32
    rolled, others = np.linalg.norm(vectors[0] - vectors[3]), np.linalg.norm(vectors[0] - vectors[[1, 2, 4]], axis=1)
    assert 3 * rolled < others.min()
    np.testing.assert_allclose(judge.embed(loops[::-1], batch=5)[::-1], vectors, atol=1e-5)  # order and batch are nothing


def test_pooling_forgets_the_order_of_frames_but_not_rhythm() -> None:
    rng = np.random.default_rng(1)
    heard = Posteriors(*(rng.random((2, FRAMES, rows), dtype=np.float32) for rows in (88, 88, 264)))
    rolled = Posteriors(*(np.roll(x, 40, axis=1) for x in heard))
    np.testing.assert_allclose(pool(rolled), pool(heard), atol=1e-5)
    twice = Posteriors(*(np.concatenate([x[:, :86], x[:, :86]], axis=1) for x in heard))  # a loop of half a window goes round
    once = Posteriors(*(np.concatenate([x[:, :86], 0 * x[:, :86]], axis=1) for x in heard))
    np.testing.assert_allclose(pool(twice, 86), pool(once, 86), atol=1e-6)  # and is heard once
    shuffled = Posteriors(*(x[:, rng.permutation(FRAMES)] for x in heard))
    assert not np.allclose(pool(shuffled), pool(heard), atol=1e-3)


def test_the_publishers_file_is_imported_as_it_is(weights_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = tmp_path / "nmp.onnx"
    shutil.copyfile(weights_dir / "basic_pitch.onnx", original)
    name, path = import_weights(original, tmp_path / "cache")
    assert (name, path.name) == ("basic_pitch", "basic_pitch.onnx")
    assert path.read_bytes() == original.read_bytes()
    assert load_judge("basic_pitch", weights=path).checksum == NETWORKS["basic_pitch"].sha256
    result = CliRunner().invoke(features, ["verify", "basic_pitch", "--weights", str(tmp_path / "cache")])
    assert result.exit_code == 0, result.output
    assert "checksum" in result.output


def test_it_is_fetched_as_it_is(weights_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From an address that stands in for the publisher's: checked, opened, put where `load_judge` looks."""
    row = NETWORKS["basic_pitch"]
    address = (weights_dir / "basic_pitch.onnx").as_uri()
    monkeypatch.setitem(NETWORKS, "basic_pitch", dataclasses.replace(row, url=address))
    path = fetch("basic_pitch", tmp_path)
    assert sha256_of(path) == row.sha256 == row.url_sha256
    monkeypatch.setitem(NETWORKS, "basic_pitch", dataclasses.replace(row, url=address, url_sha256="0" * 64))
    with pytest.raises(WeightsError, match="forged"):
        fetch("basic_pitch", tmp_path / "again")


def test_mistakes_are_told(judge: BasicPitch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MelMismatchError, match="22050 Hz, got shape"):
        judge.notes(np.zeros(100, dtype=np.float32))
    spoiled = np.zeros((3, 100), dtype=np.float32)
    spoiled[1, 5] = np.nan
    with pytest.raises(MelMismatchError, match="1 of 3 loops hold NaN"):
        judge.embed(spoiled)
    with pytest.raises(WeightsError, match="does not classify"):
        judge.probabilities(spoiled)
    assert judge.classes == ()
    for what in (build, build_embedder):
        from loopwright.config import LOOP16

        with pytest.raises(ConfigError, match="for judging only"):
            what("basic_pitch", LOOP16)
    with pytest.raises(ConfigError, match="for judging only"):
        load_judge("random:basic_pitch")
    monkeypatch.setenv("LOOPWRIGHT_WEIGHTS", str(tmp_path / "nowhere"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(WeightsError, match="features fetch basic_pitch"):
        load_judge("basic_pitch")


def test_other_graphs_and_broken_ones_are_refused(tmp_path: Path, weights_dir: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes((weights_dir / "basic_pitch.onnx").read_bytes()[:5000])
    with pytest.raises(WeightsError, match="not a whole ONNX graph"):
        import_weights(broken, tmp_path)
    onnx = pytest.importorskip("onnx", reason="makes a graph to be refused (extra: export)")
    ends = [onnx.helper.make_tensor_value_info(end, onnx.TensorProto.FLOAT, ["n", WINDOW, 1]) for end in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "other", ends[:1], ends[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(WeightsError, match="another graph than that of basic_pitch"):
        import_weights(tmp_path / "other.onnx", tmp_path)
    with pytest.raises(WeightsError, match=r"not read from \.onnx files"):
        import_weights(weights_dir / "basic_pitch.onnx", tmp_path, "yamnet")
    with pytest.raises(WeightsError, match="no file"):
        import_weights(tmp_path / "none.onnx", tmp_path)
    assert not (tmp_path / "basic_pitch.onnx").exists()
