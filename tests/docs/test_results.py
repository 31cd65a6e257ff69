"""Tables and numbers of the pages are those of the committed records, and no table of results stands on its own."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPO = Path(__file__).resolve().parents[2]
RECORDS = REPO / "docs" / "results" / "records"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("results_page", REPO / "scripts" / "results_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks for its own module
    spec.loader.exec_module(module)
    return module


def test_pages_are_those_of_the_records(script: ModuleType) -> None:
    different = [path.name for path, text in script.pages().items() if path.read_text(encoding="utf-8") != text]
    assert not different, f"{different} differ from docs/results: run python scripts/results_page.py"


@pytest.mark.parametrize("name", ["drums", "synth"])
def test_a_wrong_number_and_a_wrong_table_are_put_right(script: ModuleType, name: str) -> None:
    kept = json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))
    found = kept["evaluation"]
    row = next(row for row in found["rows"] if row["kind"] == "generated")
    kad = row["values"]["kad/musicnn"]
    shown = f"{kad['value']:.2f} [{kad['low']:.2f}, {kad['high']:.2f}]"
    assert script.filled(f"<!--= {name}/generated/kad/musicnn/2i -->9.99<!--/-->.") == (
        f"<!--= {name}/generated/kad/musicnn/2i -->{shown}<!--/-->."
    )
    table = script.filled(f"<!-- table: judges {name} -->\n| 9.99 |\n<!-- end -->\n")
    assert f"| musicnn | generated | {shown} |" in table
    assert "9.99" not in table
    assert table.count("\n| ") == 1 + len(found["judges"]) * len(found["rows"])
    assert script.filled(f"<!--= {name}/reference/music/rise_db/1 -->9<!--/-->") == (
        f"<!--= {name}/reference/music/rise_db/1 -->{found['reference_music']['rise_db']:.1f}<!--/-->"
    )


def test_scores_by_a_network_that_taught_are_marked(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = json.loads((RECORDS / "drums.json").read_text(encoding="utf-8"))
    kept["evaluation"]["fake"]["taught_by"] = ["direct:musicnn", "mel"]
    (tmp_path / "drums.json").write_text(json.dumps(kept), encoding="utf-8")
    monkeypatch.setattr(script, "RECORDS", tmp_path)
    table = script.judges_table("drums")
    assert "| musicnn | generated † |" in table
    assert table.count("†") == 2  # that row and the note
    assert "| musicnn † |" in script.short_table("drums")


def test_seeds_of_a_row_are_joined_to_their_mean_and_range(script: ModuleType) -> None:
    runs = json.loads((RECORDS / "paper-cpu-test.json").read_text(encoding="utf-8"))["runs"]
    low, high = sorted(runs[f"F-seed{seed}"]["kad/musicnn"] for seed in (0, 1))
    line = next(line for line in script.heldout_table("").splitlines() if line.startswith("| F |"))
    assert f"| {(low + high) / 2:.2f} [{low:.2f}, {high:.2f}] |" in line
    assert "†" not in line.split("|")[5]  # musicnn taught nobody
    assert "†" in line.split("|")[7]  # scnn_loop taught F


def test_an_unknown_number_is_refused(script: ModuleType) -> None:
    with pytest.raises(SystemExit, match="no such number in the records: drums/generated/kad/nobody/2"):
        script.filled("<!--= drums/generated/kad/nobody/2 -->1<!--/-->")


def test_no_table_of_results_stands_on_its_own() -> None:
    """On the page of results and the cards of models every table comes from a record."""
    for path in [REPO / "docs" / "results.md", *(REPO / "docs" / "cards").glob("model_*.md")]:
        left = re.sub(r"<!-- table: .*?<!-- end -->", "", path.read_text(encoding="utf-8"), flags=re.S)
        loose = [line for line in left.splitlines() if line.startswith("|")]
        assert not loose, f"{path.name}: {loose[:2]}"
