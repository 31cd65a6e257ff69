"""Which loops make which row: halves by source, training bars, the locked split, too little of anything."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile
from measuring_material import QUICK, folder, loop

from loopwright.errors import InputError
from loopwright.measuring.evaluate import evaluate
from loopwright.measuring.rows import Plan, halves, plan
from loopwright.measuring.settings import Settings
from loopwright.measuring.sides import FolderSide


def table(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    """A folder of loops with a table: (source, split, kit) of each."""
    path.mkdir(parents=True)
    lines = ["file,bars,source,split,kit"]
    for i, row in enumerate(rows):
        soundfile.write(path / f"{i:03d}.wav", loop(i), 16_000, subtype="FLOAT")
        lines.append(",".join([f"{i:03d}.wav", "1", *row]))
    (path / "loops.csv").write_text("\n".join(lines) + "\n")
    return path


def planned(real: Path, fake: Path, tmp_path: Path, **changes: object) -> Plan:
    settings = dataclasses.replace(QUICK, **changes)  # type: ignore[arg-type]
    return plan(real, fake, settings, held_out=None, training=None, work=tmp_path / "work")


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve training, eight validation, sixteen test and twelve locked loops, two to four of a source."""
    rows = [(f"train{i // 3}", "train", "a") for i in range(12)] + [(f"val{i // 2}", "validation", "b") for i in range(8)]
    rows += [(f"test{i // 4}", "test", f"kit{i // 8}") for i in range(16)] + [
        (f"lock{i // 4}", "locked", "z") for i in range(12)
    ]
    return table(tmp_path_factory.mktemp("split") / "split", rows)


def names(found: Plan, kind: str) -> set[str]:
    (row,) = (row for row in found.rows if row.kind == kind)
    return {row.side.entries[i].source for i in row.rows}


def test_no_training_bar_stands_as_real_and_rows_are_equal(split: Path, fake: Path, tmp_path: Path) -> None:
    found = planned(split, fake, tmp_path)
    assert [row.title for row in found.rows] == ["reference", "test against test", "training bars", "generated"]
    reference, real = names(found, "reference"), names(found, "real")
    assert not reference & real
    assert all(name.startswith(("test", "val")) for name in reference | real)  # 16 test loops are few: validation joins
    assert "test alone has 16 loops" in found.how
    assert all(name.startswith("train") for name in names(found, "training"))
    assert {len(row.rows) for row in found.rows} == {10}


def test_locked_loops_are_used_by_name_only_and_then_it_is_said(split: Path, fake: Path, tmp_path: Path) -> None:
    for asked in (None, "test", "validation", "train"):
        found = planned(split, fake, tmp_path, split=asked, k=1)
        used = set().union(*(names(found, row.kind) for row in found.rows))
        assert not any(name.startswith("lock") for name in used), asked
    found = planned(split, fake, tmp_path, split="locked", k=1)
    assert all(name.startswith("lock") for name in names(found, "reference") | names(found, "real"))
    assert found.rows[1].title == "locked against locked"
    assert any("LOCKED" in note for note in found.notes)


def test_a_folder_whose_splits_are_locked_alone_has_its_other_loops_split(fake: Path, tmp_path: Path) -> None:
    rows = [(f"s{i}", "locked" if i < 4 else "", "") for i in range(24)]
    found = planned(table(tmp_path / "x", rows), fake, tmp_path)
    assert not {f"s{i}" for i in range(4)} & (names(found, "reference") | names(found, "real"))


def test_without_splits_and_training_the_row_of_copying_is_missing_and_said(real: Path, fake: Path, tmp_path: Path) -> None:
    found = planned(real, fake, tmp_path)
    assert [row.title for row in found.rows] == ["reference", "real against real", "generated"]
    assert any("so no row says what copying scores" in note for note in found.notes)


def test_training_given_makes_the_row(real: Path, fake: Path, tmp_path: Path) -> None:
    trained = folder(tmp_path / "trained", range(700, 708))
    found = plan(real, fake, QUICK, held_out=None, training=trained, work=tmp_path / "work")
    assert [row.title for row in found.rows][2] == "training bars"
    assert {len(row.rows) for row in found.rows} == {8}  # there are no more training bars
    assert any("N is 8" in note for note in found.notes)


def test_halves_share_no_source_and_are_as_equal_as_sources_allow(tmp_path: Path) -> None:
    rows = [("big", "", "")] * 9 + [(f"s{i}", "", "") for i in range(11)]
    side = FolderSide(table(tmp_path / "x", rows))
    for seed in range(5):
        a, b = halves(side, np.arange(20), seed=seed, notes=[])
        assert not {side.entries[i].source for i in a} & {side.entries[i].source for i in b}
        assert len(a) + len(b) == 20
        assert abs(len(a) - len(b)) <= 9


def test_one_source_only_has_no_intervals_and_it_is_said(fake: Path, tmp_path: Path) -> None:
    side = table(tmp_path / "one", [("one", "", "")] * 20)
    got = evaluate(side, fake, tmp_path / "out", dataclasses.replace(QUICK, metrics=("kad", "loops", "novelty")))
    assert any("All real loops are of one source" in note for note in got.warnings)
    assert all(x.low is None for key, x in got.values_of("real").items())
    assert got.values_of("real")["kad/random:yamnet"].value < 5


def test_models_are_measured_with_a_thousand_loops_where_there_are_as_many(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopwright.measuring.rows.LEADING_N", 12)
    real = folder(tmp_path / "real", range(30))
    assert len(planned(real, run, tmp_path, vocoder="griffinlim").rows[0].rows) == 12
    assert len(planned(real, run, tmp_path, vocoder="griffinlim", n=14).rows[0].rows) == 14
    fakes = folder(tmp_path / "fakes", range(30, 60))
    assert len(planned(real, fakes, tmp_path).rows[0].rows) == 15


def test_a_split_that_is_not_there_is_named(split: Path, fake: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no loops of split 'dev' \\(its splits: locked, test, train, validation\\)"):
        planned(split, fake, tmp_path, split="dev")


def test_settings_know_their_fewest() -> None:
    assert Settings(k=5).fewest == 12


def test_kits_are_told_apart_and_kits_of_one_bar_left_out(tmp_path: Path) -> None:
    """Two kits whose bars are alike, one of them noise that is nothing like the generated bars; a third of one bar."""
    path = tmp_path / "kits"
    rows = [(f"s{i}", "", "near" if i % 2 else "far") for i in range(60)] + [("t", "", "single")]
    table(path, rows)
    rng = np.random.default_rng(0)
    for i in range(0, 60, 2):
        soundfile.write(path / f"{i:03d}.wav", rng.normal(size=32_000).astype(np.float32) * 0.1, 16_000, subtype="FLOAT")
    fakes = folder(tmp_path / "fakes", range(100, 130))
    got = evaluate(path, fakes, tmp_path / "out", dataclasses.replace(QUICK, metrics=("kad",)))
    assert got.kits is not None
    assert (got.kits.by, got.kits.kits) == ("kit", 2)
    spread = got.kits.values["generated"]["kad/random:yamnet"]
    assert (spread.nearest, spread.furthest) == ("near", "far")
    assert spread.min < spread.median < spread.max
    assert "## From kit to kit" in (tmp_path / "out" / "evaluation.md").read_text()
