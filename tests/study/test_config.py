"""Studies of the package, and mistakes in others by their text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from study_material import STUDY

from loopwright.errors import ConfigError
from loopwright.study.config import load_study, only_rows, study_names


def test_studies_of_the_package_load_and_their_recipes_exist() -> None:
    assert {"mini", "paper-cpu"} <= set(study_names())
    for name in study_names():
        study = load_study(name)
        assert study.baseline in [row.label for row in study.row]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"baseline": "Z"}, "baseline 'Z' is no row. Rows: B, R, early, C"),
        ({"epochs": 3}, "epochs: Extra inputs are not permitted"),
        ({"row": []}, "row: Tuple should have at least 1 item"),
        ({"row": [{"label": "B", "recipe": "house"}, {"label": "B", "recipe": "tiny"}]}, "label 'B' is used twice"),
        ({"row": [{"label": "B", "recipe": "hause"}]}, "no recipe 'hause'"),
        ({"row": [{"label": "B", "recipe": "tiny", "against": "A"}]}, "row B: against 'A' is no row. Rows: B"),
        ({"row": [{"label": "B*", "recipe": "tiny"}, {"label": "Bp", "recipe": "tiny"}]}, "give the same folder name"),
        ({"set": {"train": {"batsch": 3}}}, "train.batsch: Extra inputs are not permitted"),
    ],
)
def test_mistakes_in_a_study(change: dict[str, Any], text: str, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(STUDY)
    with pytest.raises(ConfigError) as error:
        load_study(str(tmp_path / "small.toml"), change)
    assert text in str(error.value)


def test_study_or_row_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"no study 'mega'. There are: .*paper-cpu"):
        load_study("mega")
    with pytest.raises(ConfigError, match="has no row 'Q'"):
        only_rows(load_study("mini"), ["B", "Q"])
