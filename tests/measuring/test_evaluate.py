"""The evaluation from end to end, on small folders."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from measuring_material import JUDGE, QUICK, folder, loop

from loopwright import metrics
from loopwright.cli.evaluate import evaluate as command
from loopwright.data.prepared import PreparedData
from loopwright.errors import InputError, LoopwrightError, WeightsError
from loopwright.features import Judge, load_judge
from loopwright.measuring.evaluate import evaluate
from loopwright.measuring.page import to_markdown
from loopwright.measuring.report import TAUGHT
from loopwright.measuring.results import Evaluation, JudgeFacts
from loopwright.measuring.rows import halves
from loopwright.measuring.sides import FolderSide


@pytest.mark.slow
def test_every_number_is_the_metric_of_the_embeddings(real: Path, fake: Path, tmp_path: Path) -> None:
    """The table against the short way: read the files, embed, call the metric."""
    got = evaluate(real, fake, tmp_path, dataclasses.replace(QUICK, pictures=True))
    judge = load_judge(JUDGE)
    side = FolderSide(real)
    reference, held = halves(side, np.arange(20), seed=QUICK.seed, notes=[])
    assert len(reference) == len(held) == 10
    a, b, c = (
        judge.embed(np.stack([soundfile.read(p, dtype="float32")[0] for p in paths]))
        for paths in ([side.paths[i] for i in reference], [side.paths[i] for i in held], sorted(fake.iterdir()))
    )
    rows = {row.row: row.values for row in got.rows}
    assert list(rows) == ["real against real", "generated"]
    for name, x in (("real against real", b), ("generated", c)):
        assert rows[name][f"fad/{JUDGE}"].value == pytest.approx(metrics.fad(a, x), rel=1e-6)
        assert rows[name][f"kad/{JUDGE}"].value == pytest.approx(metrics.kad(a, x), rel=1e-6)
        expected = metrics.prdc(a, x, 2)
        for key in ("precision", "recall", "density", "coverage"):
            assert rows[name][f"{key}/{JUDGE}"].value == pytest.approx(getattr(expected, key))
        for key, value in rows[name].items():
            assert value.low <= value.value <= value.high or "density" in key or "coverage" in key, key
    assert got.n == 10
    assert got.judges == (JudgeFacts(name=JUDGE, dim=1024, rate_hz=16_000, checksum=judge.checksum),)
    assert Evaluation.read(tmp_path) == got
    page = (tmp_path / "evaluation.md").read_text()
    assert "N = 10 loops in every row" in page
    assert "| real against real |" in page
    for name in ("evaluation.png", "neighbours.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
    assert any("does not fill the 1024 x 1024 covariance" in w for w in got.warnings)
    assert not (tmp_path / "work").exists()


def test_same_seed_same_table(real: Path, fake: Path, tmp_path: Path) -> None:
    quick = dataclasses.replace(QUICK, metrics=("kad", "loops"))
    one, two = evaluate(real, fake, tmp_path / "1", quick), evaluate(real, fake, tmp_path / "2", quick)
    assert one == two
    other = evaluate(real, fake, tmp_path / "3", dataclasses.replace(quick, seed=1))
    assert other.rows != one.rows  # another half of the real side is the reference


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
    notes = "\n".join(got.warnings)
    assert "16000 Hz, 44100 Hz resampled to 16000 Hz" in notes
    assert "2 different lengths (2.000 s, 2.500 s)" in notes
    assert "1 files were left out; first: broken.wav" in notes


def test_the_same_folder_on_both_sides_is_said_to_be_that(real: Path, tmp_path: Path) -> None:
    got = evaluate(real, real, tmp_path, dataclasses.replace(QUICK, metrics=("kad",)))
    assert any("are, sample for sample, real ones" in w for w in got.warnings)


def test_a_run_is_measured_with_its_vocoder_and_knows_its_training_set(
    prepared: PreparedData, run: Path, tmp_path: Path
) -> None:
    settings = dataclasses.replace(QUICK, metrics=("kad", "loops", "novelty"), vocoder="griffinlim")
    got = evaluate(prepared.path, run, tmp_path, settings)
    assert [row.row for row in got.rows] == ["test against test", "training bars", "vocoded test bars", "generated"]
    assert got.n == 6  # half of the twelve test bars, and as many in every row
    assert {row.set.loops for row in got.rows} == {6}
    assert got.fake.vocoder == "griffinlim"
    assert got.fake.training is not None
    assert got.fake.training["kimg"] == 1.0
    assert got.novelty is not None
    assert got.novelty.training == "tiny, 30 training loops"
    assert got.novelty.real == "test against test"
    assert got.real.reference == "half of split test, by source"
    assert got.reference.sources == 3
    assert got.reference.drawn == "sources"
    values = {row.kind: row.values[f"kad/{JUDGE}"].value for row in got.rows}
    assert values["generated"] > values["vocoded"]  # an untrained generator is worse than a vocoder
    assert list((tmp_path).glob("work/*")) == []


def test_a_judge_that_taught_is_marked_beside_its_scores_alone(prepared: PreparedData, run: Path, tmp_path: Path) -> None:
    settings = dataclasses.replace(QUICK, metrics=("kad",), vocoder="griffinlim")
    got = evaluate(prepared.path, run, tmp_path, settings)
    assert got.fake.taught_by == (JUDGE,)  # as recipe tiny says
    marked = [line for line in to_markdown(got).splitlines() if TAUGHT in line]
    assert len(marked) == 2
    assert marked[0].startswith(f"| generated {TAUGHT} |")
    assert marked[1].startswith(f"{TAUGHT} by a network that taught the model ({JUDGE})")
    other = got.model_copy(update={"fake": got.fake.model_copy(update={"taught_by": ("yamnet", "mel")})})
    assert TAUGHT not in to_markdown(other)  # other weights of the same network


def test_music_is_measured_without_any_judge(real: Path, fake: Path, tmp_path: Path) -> None:
    """Against the metric itself, file by file."""
    got = evaluate(real, fake, tmp_path, dataclasses.replace(QUICK, judges=(), metrics=("music", "loops")))
    assert got.judges == ()
    assert got.kits is None
    waves = np.stack([soundfile.read(p, dtype="float32")[0] for p in sorted(fake.iterdir())])
    expected = metrics.summarise_music(metrics.musical_features(waves, 16_000, 1))
    values = got.values_of("generated")
    for key in ("rise_db", "crest_db", "onsets", "grid_ms", "level_db"):
        assert values[f"music/{key}"].value == pytest.approx(expected[key], rel=1e-4), key
    assert "music/ks_rise_db" in values
    page = (tmp_path / "evaluation.md").read_text()
    assert "## Music: attacks, level, pattern" in page
    assert "Judge" not in page


def test_what_applies_to_no_loop_has_no_figure(real: Path, fake: Path, tmp_path: Path) -> None:
    """Noise bursts have no notes: with a transcriber there is no tuning and no key, and no zero in their place."""
    try:
        load_judge("basic_pitch")
    except WeightsError:
        pytest.skip("the transcriber's file is not on this machine")
    got = evaluate(real, fake, tmp_path, dataclasses.replace(QUICK, judges=(), metrics=("music",)))
    values = got.values_of("generated")
    assert values["music/loops_with_notes"].value == 0.0
    assert not {"music/tuning_r", "music/cents_off", "music/in_key", "music/entropy"} & set(values)
    assert got.reference_music is not None
    assert "in_key" not in got.reference_music
    assert "tuning_r" not in got.reference_music


def test_a_nan_embedding_names_its_file(real: Path, fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "embed", lambda self, x, **kw: np.full((len(x), 4), np.nan, np.float32))
    with pytest.raises(InputError, match=r"gives NaN for 10 of 10 loops of reference \(first: loop"):
        evaluate(real, fake, tmp_path, QUICK)


def test_a_file_of_nan_is_left_out_and_named(real: Path, tmp_path: Path) -> None:
    some = folder(tmp_path / "some", range(500, 510))
    soundfile.write(some / "nan.wav", np.full(32_000, np.nan, np.float32), 16_000, subtype="FLOAT")
    soundfile.write(some / "silence.wav", np.zeros(32_000, np.float32), 16_000, subtype="FLOAT")
    got = evaluate(real, some, tmp_path / "out", dataclasses.replace(QUICK, judges=(), metrics=("music", "loops")))
    assert any("1 files were left out; first: nan.wav" in note for note in got.warnings)


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
    with pytest.raises(InputError, match="kad: all need a judge"):
        evaluate(real, fake, out, dataclasses.replace(QUICK, judges=(), metrics=("kad",)))
    with pytest.raises(InputError, match="a judge is named twice"):
        evaluate(real, fake, out, dataclasses.replace(QUICK, judges=(JUDGE, JUDGE)))
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


def test_the_loop_classifier_gives_the_inception_score_and_the_tagger_none(real: Path, fake: Path, tmp_path: Path) -> None:
    try:
        judge = load_judge("scnn_loop")
    except WeightsError:
        pytest.skip("the bundled loop classifier is not in this checkout")
    settings = dataclasses.replace(QUICK, judges=("scnn_loop", JUDGE), metrics=("is", "kad"))
    got = evaluate(real, fake, tmp_path, settings)
    values = {row.row: row.values for row in got.rows}
    clips = np.stack([soundfile.read(p, dtype="float32")[0] for p in sorted(fake.iterdir())])
    expected = metrics.inception_score(judge.probabilities(clips), splits=1).mean
    assert expected > 1.05
    assert values["generated"]["is/scnn_loop"].value == pytest.approx(expected, rel=1e-5)
    assert values["generated"]["is10/scnn_loop"].value == pytest.approx(expected, rel=1e-5)  # ten loops make one part
    assert "is/scnn_loop" in values["real against real"]
    assert f"is/{JUDGE}" not in values["generated"]
    assert "| IS ↑ |" in (tmp_path / "evaluation.md").read_text()


def test_the_command_takes_no_judge_and_measures_music(real: Path, fake: Path, tmp_path: Path) -> None:
    args = [str(real), str(fake), "-o", str(tmp_path / "out"), "--judge", "none", "-k", "2", "--repeats", "2", "--no-cache"]
    got = CliRunner().invoke(command, [*args, "--no-pictures"], catch_exceptions=False)
    assert got.exit_code == 0
    assert "rise in 5 ms, dB" in got.stdout
    assert "Judge" not in got.stdout


def test_the_panel_is_of_all_judges_at_hand(real: Path, fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but what is in the box: styles and random weights are two families."""
    monkeypatch.setenv("LOOPWRIGHT_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = dataclasses.replace(QUICK, judges=("panel",), metrics=("kad",))
    got = evaluate(real, fake, tmp_path / "out", settings)
    assert {"scnn_loop", "scnn_loop_synth", "random:yamnet"} <= {judge.name for judge in got.judges}
    page = (tmp_path / "out" / "evaluation.md").read_text()
    assert "## Panel of judges" in page
    assert "| style classifier and random |" in page
