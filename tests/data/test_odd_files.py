"""A slice of benchmarks/odd_files.py: made-up files over all containers and faults, in one folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from odd_files import EXACT, LIES, WHOLE, faults_of, make

from loopwright.config import REPRESENTATIONS
from loopwright.data.settings import PrepareSettings
from loopwright.tasks.prepare import PrepareReport, dry_run, prepare

SETTINGS = PrepareSettings(mel=REPRESENTATIONS["loop16"])


@pytest.mark.slow
def test_none_ends_a_run_none_is_unsaid_and_stated_tempi_are_obeyed(tmp_path: Path) -> None:
    made = make(tmp_path / "in", 250, seed=1)
    report = PrepareReport()
    lines = list(dry_run(tmp_path / "in", SETTINGS, workers=1, report=report))
    assert faults_of(made, lines, report.said) == []
    assert sum(odd.left == WHOLE and odd.bpm is not None and odd.read for odd in made) > 100


def test_prepare_goes_through_and_says_the_same(tmp_path: Path) -> None:
    made = make(tmp_path / "in", 60, seed=2)
    report = prepare(tmp_path / "in", tmp_path / "out", SETTINGS, workers=1)
    assert report.files == sum(odd.read for odd in made)
    assert any("passed over" in line for line in report.said)


def test_the_check_can_fail(tmp_path: Path) -> None:
    made = make(tmp_path / "in", 30, seed=3)
    report = PrepareReport()
    lines = list(dry_run(tmp_path / "in", SETTINGS, workers=1, report=report))
    whole = {odd.name for odd in made if odd.left == WHOLE and odd.bpm}
    kept = next(line for line in lines if not line["reason"] and line["file"] in whole)
    wrong = [{**line, "bpm": line["bpm"] * 1.001} if line is kept else line for line in lines]
    assert len(faults_of(made, wrong, report.said)) == 1
    assert "passed over unsaid" in faults_of(made, [line for line in lines if line is not kept], report.said)[0]
    assert {container for container, _ in LIES.values()} <= set(EXACT)
