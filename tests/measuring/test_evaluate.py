"""The evaluation from end to end, on small folders, with a judge of random weights: no files from outside are needed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from random_model import random_model

from loopwright import metrics
from loopwright.audio.mel import LogMel
from loopwright.cli.evaluate import evaluate as command
from loopwright.config import LOOP16
from loopwright.data.prepared import PreparedData
from loopwright.data.prepared_writer import PreparedWriter
from loopwright.errors import InputError, LoopwrightError, WeightsError
from loopwright.features import Judge, load_judge
from loopwright.files import write_json
from loopwright.measuring.cache import EmbeddingCache, content_hash
from loopwright.measuring.evaluate import Settings, _split, band_edges, evaluate
from loopwright.measuring.report import cell
from loopwright.measuring.sides import FolderSide, Loop, ModelSide, PreparedSide, VocodedSide, guess_bars, open_side
from loopwright.models.modelfile import make_header
from loopwright.training.recipe import load_recipe

JUDGE = "random:yamnet"
QUICK = Settings(judges=(JUDGE,), k=2, repeats=4, bins=4, pictures=False)


def loop(seed: int, rate_hz: int = 16_000, seconds: float = 2.0) -> np.ndarray:
    """Some noise bursts of different colour on the sixteenths, wrapped round."""
    rng = np.random.default_rng(seed)
    n = round(rate_hz * seconds)
    out = np.zeros(n)
    for step in rng.choice(16, 6, replace=False):
        burst = np.convolve(rng.normal(size=n // 20), np.ones(rng.integers(1, 12)), "same")
        burst *= np.exp(-np.arange(len(burst)) / (n / 60))
        np.add.at(out, (step * n // 16 + np.arange(len(burst))) % n, burst)
    return (0.5 * out / np.abs(out).max()).astype(np.float32)


def folder(path: Path, seeds: range, rate_hz: int = 16_000) -> Path:
    path.mkdir(parents=True)
    for seed in seeds:
        soundfile.write(path / f"loop{seed:03d}.wav", loop(seed, rate_hz), rate_hz, subtype="FLOAT")
    return path


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("a") / "real", range(20))


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("b") / "fake", range(100, 110))


def test_every_number_is_the_metric_of_the_embeddings(real: Path, fake: Path, tmp_path: Path) -> None:
    """The table against the short way: read the files, embed, call the metric."""
    got = evaluate(real, fake, tmp_path, dataclasses.replace(QUICK, pictures=True))
    judge = load_judge(JUDGE)
    side = FolderSide(real)
    reference, held, _ = _split(side, QUICK, whole=False)
    assert len(reference) == len(held) == 10
    a, b, c = (
        judge.embed(np.stack([soundfile.read(p, dtype="float32")[0] for p in paths]))
        for paths in ([side.paths[i] for i in reference], [side.paths[i] for i in held], sorted(fake.iterdir()))
    )
    rows = {row["row"]: row["values"] for row in got["rows"]}
    assert list(rows) == ["held-out real", "generated"]
    for name, x in (("held-out real", b), ("generated", c)):
        assert rows[name][f"fad/{JUDGE}"]["value"] == pytest.approx(metrics.fad(a, x), rel=1e-6)
        assert rows[name][f"kad/{JUDGE}"]["value"] == pytest.approx(metrics.kad(a, x), rel=1e-6)
        expected = metrics.prdc(a, x, 2)
        for key in ("precision", "recall", "density", "coverage"):
            assert rows[name][f"{key}/{JUDGE}"]["value"] == pytest.approx(getattr(expected, key))
        for key, value in rows[name].items():
            assert value["low"] <= value["value"] <= value["high"] or "density" in key or "coverage" in key, key
    assert got["n"] == 10
    assert got["judges"] == [{"name": JUDGE, "dim": 1024, "rate_hz": 16_000, "checksum": judge.checksum}]
    assert json.loads((tmp_path / "evaluation.json").read_text()) == got
    page = (tmp_path / "evaluation.md").read_text()
    assert "N = 10 loops in every row" in page
    assert "| held-out real |" in page
    for name in ("evaluation.png", "neighbours.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
    assert any("does not fill the 1024 x 1024 covariance" in w for w in got["warnings"])
    assert not (tmp_path / "work").exists()


def test_same_seed_same_table(real: Path, fake: Path, tmp_path: Path) -> None:
    quick = dataclasses.replace(QUICK, metrics=("kad", "loops"))
    one, two = evaluate(real, fake, tmp_path / "1", quick), evaluate(real, fake, tmp_path / "2", quick)
    assert one == two
    other = evaluate(real, fake, tmp_path / "3", dataclasses.replace(quick, seed=1))
    assert other["rows"] != one["rows"]  # another half of the real side is the reference


def test_the_second_run_embeds_nothing_and_an_interrupted_one_goes_on(
    real: Path, fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = dataclasses.replace(QUICK, metrics=("kad",))
    cache = tmp_path / "cache.sqlite"
    asked: list[int] = []
    plain = Judge.embed

    def counted(self: Judge, waveforms: np.ndarray, **kw: int) -> np.ndarray:
        asked.append(len(waveforms))
        return plain(self, waveforms, **kw)

    monkeypatch.setattr(Judge, "embed", counted)

    def stop(what: str, done: int, total: int) -> None:
        if what == "generated":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(real, fake, tmp_path / "out", quick, cache=cache, progress=stop)
    assert sum(asked) == 20
    first = evaluate(real, fake, tmp_path / "out", quick, cache=cache)
    assert sum(asked) == 30  # only the generated ones were missing
    assert evaluate(real, fake, tmp_path / "out", quick, cache=cache) == first
    assert sum(asked) == 30


def test_rates_and_lengths_may_differ_and_are_said(real: Path, tmp_path: Path) -> None:
    mixed = folder(tmp_path / "mixed", range(200, 210), rate_hz=44_100)
    soundfile.write(mixed / "long.wav", loop(300, 44_100, 2.5), 44_100)
    (mixed / "broken.wav").write_bytes(b"RIFF no audio here")
    got = evaluate(real, mixed, tmp_path / "out", dataclasses.replace(QUICK, n=10, metrics=("kad", "loops")))
    notes = "\n".join(got["warnings"])
    assert "44100 Hz resampled to 16000 Hz" in notes
    assert "2 different lengths (2.000 s, 2.500 s)" in notes
    assert "1 files were left out; first: broken.wav" in notes


def test_the_same_folder_on_both_sides_is_said_to_be_that(real: Path, tmp_path: Path) -> None:
    got = evaluate(real, real, tmp_path, dataclasses.replace(QUICK, metrics=("kad",)))
    assert any("are, sample for sample, real ones" in w for w in got["warnings"])


def test_copies_are_found_though_rolled_and_quieter(real: Path, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    for seed in range(10):
        soundfile.write(copies / f"{seed}.wav", 0.5 * np.roll(loop(seed), 3000 * seed), 16_000, subtype="FLOAT")
    got = evaluate(real, copies, tmp_path / "out", dataclasses.replace(QUICK, metrics=("novelty",)))
    assert got["novelty"]["values"]["copied"]["value"] == 1.0
    assert got["novelty"]["values"]["fake"]["value"] > 0.95
    fresh = folder(tmp_path / "fresh", range(400, 410))
    got = evaluate(real, fresh, tmp_path / "out", dataclasses.replace(QUICK, metrics=("novelty",)))
    assert got["novelty"]["values"]["copied"]["value"] < 0.4


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """30 training and 12 test rows of LOOP16."""
    log_mel = LogMel(LOOP16)
    writer = PreparedWriter(tmp_path_factory.mktemp("c") / "tiny", LOOP16, 1)
    for seed in range(42):
        x = loop(seed)
        split = "train" if seed < 30 else "test"
        with torch.no_grad():
            picture = log_mel(torch.from_numpy(x)).numpy()
        writer.add(picture, x, {"file": f"{seed}.wav", "bar": 0, "split": split, "source": f"s{seed // 2}"})
    return writer.finish()


@pytest.fixture(scope="module")
def run(prepared: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder whose model never trained."""
    path = tmp_path_factory.mktemp("d") / "00000-tiny"
    told = load_recipe("tiny").model_dump(mode="json")
    header = make_header(told, LOOP16, prepared.bars, prepared.stats.to_json(), {"kimg": 1.0, "seconds": 60.0})
    random_model(path / "checkpoints" / "best.safetensors", header=header)
    write_json(path / "config.json", {"recipe": header["recipe"], "data": str(prepared.path)})
    return path


def test_a_run_is_measured_with_its_vocoder_and_knows_its_training_set(
    prepared: PreparedData, run: Path, tmp_path: Path
) -> None:
    settings = dataclasses.replace(QUICK, metrics=("kad", "loops", "novelty"), n=6, vocoder="griffinlim")
    got = evaluate(prepared.path, run, tmp_path, settings)
    assert [row["row"] for row in got["rows"]] == ["held-out real", "vocoded real", "generated"]
    assert got["fake"]["vocoder"] == "griffinlim"
    assert got["fake"]["training"]["kimg"] == 1.0
    assert got["novelty"]["training"] == "tiny, 30 training loops"
    assert got["real"]["reference"].startswith("splits test and validation")
    values = {row["row"]: row["values"][f"kad/{JUDGE}"]["value"] for row in got["rows"]}
    assert values["generated"] > values["vocoded real"]  # an untrained generator is worse than a vocoder
    assert list((tmp_path).glob("work/*")) == []


def test_model_loops_depend_on_their_number_alone(run: Path, tmp_path: Path) -> None:
    few = open_side(run, count=3, seed=5, vocoder="griffinlim")
    more = open_side(run, count=20, seed=5, vocoder="griffinlim", keep=tmp_path)
    assert isinstance(few, ModelSide)
    np.testing.assert_array_equal(few.read(2, 16_000).samples, more.read(2, 16_000).samples)
    kept = list(tmp_path.glob("*.npy"))
    assert len(kept) == 1
    again = open_side(run, count=20, seed=5, vocoder="griffinlim", keep=tmp_path)
    assert (again.read(2, 16_000).samples == more.read(2, 16_000).samples).all()
    assert not np.allclose(few.read(2, 16_000).samples, open_side(run, count=3, seed=6).read(2, 16_000).samples)


def test_vocoded_side_keeps_length_and_order(prepared: PreparedData) -> None:
    from loopwright.vocoder import load as load_vocoder

    side = PreparedSide(prepared.path)
    vocoded = VocodedSide(side, [4, 2], load_vocoder("griffinlim", LOOP16))
    assert [x.name for x in vocoded.loops] == ["4.wav#0", "2.wav#0"]
    out, original = vocoded.read(1, 16_000).samples, side.read(2, 16_000).samples
    assert out.shape == original.shape
    log_mel = LogMel(LOOP16)
    gap = (log_mel(torch.from_numpy(out)) - log_mel(torch.from_numpy(original))).abs().mean()
    shuffled = (log_mel(torch.from_numpy(vocoded.read(0, 16_000).samples)) - log_mel(torch.from_numpy(original))).abs().mean()
    assert gap < 0.3 < shuffled


def test_vocoding_is_kept_while_an_evaluation_runs(prepared: PreparedData, tmp_path: Path) -> None:
    class Counting:
        name, mel, calls = "counting", LOOP16, 0

        def __call__(self, log_mel: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return torch.full((len(log_mel), LOOP16.bar_samples), float(log_mel.mean()))

    vocoder = Counting()
    for _ in range(2):  # the second time as after an interruption
        side = VocodedSide(PreparedSide(prepared.path), [4, 2], vocoder, keep=tmp_path / "work")  # type: ignore[arg-type]
        first, second = side.read(0, 16_000).samples, side.read(1, 16_000).samples
        assert not np.allclose(first, second)
    assert vocoder.calls == 2
    assert len(list((tmp_path / "work").iterdir())) == 2


def test_bars_come_from_the_table_then_the_file_then_the_length(tmp_path: Path) -> None:
    from loopwright.audio.io import write_wav
    from loopwright.audio.wavmeta import loop_chunks

    x = np.zeros(64_000, np.float32)
    x[0] = 0.5
    write_wav(tmp_path / "said.wav", x, 16_000)
    write_wav(tmp_path / "acid.wav", x, 16_000, chunks=loop_chunks(64_000, 16_000, 60.0, 4, {}))
    write_wav(tmp_path / "unknown.wav", x, 16_000)
    (tmp_path / "loops.csv").write_text("file,bars,source,split\nsaid.wav,4,pack one,test\n")
    side = FolderSide(tmp_path)
    assert {loop.name: side.read(i, 16_000).bars for i, loop in enumerate(side.loops)} == {
        "said.wav": 4,
        "acid.wav": 1,
        "unknown.wav": 2,
    }
    assert side.loops[1] == Loop("said.wav", 4, "pack one", "test")


@pytest.mark.parametrize(("seconds", "bars"), [(2.0, 1), (1.4, 1), (2.7, 1), (3.2, 2), (8.0, 4), (16.0, 8)])
def test_guessed_bars_put_the_tempo_near_120(seconds: float, bars: int) -> None:
    assert guess_bars(seconds) == bars
    assert 80 < 240 * bars / seconds < 175


def test_sources_stay_on_one_side_of_the_split(prepared: PreparedData) -> None:
    side = PreparedSide(prepared.path)
    side.loops = [dataclasses.replace(x, split="") for x in side.loops]
    a, b, how = _split(side, QUICK, whole=False)
    assert not {side.loops[i].source for i in a} & {side.loops[i].source for i in b}
    assert len(a) + len(b) == len(side)
    assert "by source" in how


def test_band_edges_lie_where_they_should() -> None:
    from loopwright.audio.mel import mel_filterbank

    low, high = band_edges()
    bank = mel_filterbank(LOOP16).numpy()
    centres = bank.argmax(axis=1) * 16_000 / 1024
    assert centres[low - 1] < 220 < centres[low] + 100
    assert centres[high - 1] < 2100
    assert centres[high] > 1900


def test_a_nan_embedding_names_its_file(real: Path, fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "embed", lambda self, x, **kw: np.full((len(x), 4), np.nan, np.float32))
    with pytest.raises(InputError, match=r"gives NaN for 10 of 10 loops of reference \(first: loop"):
        evaluate(real, fake, tmp_path, QUICK)


def test_bad_input_is_named(real: Path, fake: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    out = tmp_path / "out"
    with pytest.raises(InputError, match="holds no audio files"):
        evaluate(real, empty, out, QUICK)
    with pytest.raises(InputError, match="needs at least 12 loops in each"):
        evaluate(real, fake, out, dataclasses.replace(QUICK, k=5))
    with pytest.raises(InputError, match="no metric fid"):
        evaluate(real, fake, out, dataclasses.replace(QUICK, metrics=("fid",)))
    with pytest.raises(InputError, match="no judge given"):
        evaluate(real, fake, out, dataclasses.replace(QUICK, judges=()))
    with pytest.raises(InputError, match="no loops of split 'test'"):
        evaluate(real, fake, out, dataclasses.replace(QUICK, split="test"))
    with pytest.raises(LoopwrightError, match="no feature network 'nobody'"):
        evaluate(real, fake, out, dataclasses.replace(QUICK, judges=("nobody",)))
    broken = tmp_path / "broken"
    broken.mkdir()
    for i in range(9):
        (broken / f"{i}.wav").write_bytes(b"nothing")
    with pytest.raises(InputError, match="none of the 9 loops of broken can be read"):
        evaluate(real, broken, out, QUICK)


def test_a_judge_without_weights_is_said_before_any_work(
    real: Path, fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOOPWRIGHT_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        load_judge("vggish")
    except WeightsError:
        with pytest.raises(WeightsError, match="vggish"):
            evaluate(real, fake, tmp_path / "out", dataclasses.replace(QUICK, judges=("vggish",)))
        assert not (tmp_path / "out").exists()
    else:
        pytest.skip("this machine has VGGish's weights in its usual places")


def test_the_command(real: Path, fake: Path, tmp_path: Path) -> None:
    args = [
        str(real),
        str(fake),
        "-o",
        str(tmp_path / "out"),
        "--judge",
        JUDGE,
        "-k",
        "2",
        "--repeats",
        "2",
        "--no-cache",
        "--no-pictures",
    ]
    got = CliRunner().invoke(command, [*args, "--metrics", "kad,loops"], catch_exceptions=False)
    assert got.exit_code == 0
    assert "# fake against real" in got.stdout
    assert "KAD" in got.stdout
    assert (tmp_path / "out" / "evaluation.json").is_file()


def test_cache_keeps_vectors_by_space_and_survives_damage(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    cache = EmbeddingCache(path)
    x = np.arange(5, dtype=np.float32)
    cache.put("a", {"k": x})
    assert (cache.get("a", ["k", "other"])["k"] == x).all()
    assert cache.get("b", ["k"]) == {}
    cache.close()
    again = EmbeddingCache(path)
    assert list(again.get("a", ["k"])) == ["k"]
    again.close()
    path.write_bytes(b"this is not a database" * 100)
    damaged = EmbeddingCache(path)
    assert "damaged" in damaged.note
    damaged.put("a", {"k": x})
    assert (damaged.get("a", ["k"])["k"] == x).all()
    damaged.close()
    assert content_hash(x) == content_hash(x.copy()) != content_hash(x + 1)


def test_the_loop_classifier_gives_the_inception_score_and_the_tagger_none(real: Path, fake: Path, tmp_path: Path) -> None:
    try:
        judge = load_judge("scnn_loop")
    except WeightsError:
        pytest.skip("the bundled loop classifier is not in this checkout")
    settings = dataclasses.replace(QUICK, judges=("scnn_loop", JUDGE), metrics=("is", "kad"))
    got = evaluate(real, fake, tmp_path, settings)
    values = {row["row"]: row["values"] for row in got["rows"]}
    clips = np.stack([soundfile.read(p, dtype="float32")[0] for p in sorted(fake.iterdir())])
    expected = metrics.inception_score(judge.probabilities(clips), splits=1).mean
    assert expected > 1.05
    assert values["generated"]["is/scnn_loop"]["value"] == pytest.approx(expected, rel=1e-5)
    assert "is/scnn_loop" in values["held-out real"]
    assert f"is/{JUDGE}" not in values["generated"]
    assert "| IS ↑ |" in (tmp_path / "evaluation.md").read_text()


def test_no_zero_in_a_table_has_a_sign() -> None:
    assert cell({"value": 0.0, "low": 0.0, "high": -1e-17}, 2) == "0.00 [0.00, 0.00]"
    assert cell({"value": -0.5, "low": -1.0, "high": 0.001}, 2) == "-0.50 [-1.00, 0.00]"
