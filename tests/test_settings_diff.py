"""What is told of settings that differ, and what counts as the same."""

from __future__ import annotations

import pytest

from loopwright.errors import ConfigError, InputError
from loopwright.settings_diff import differences, flat, refuse_other_settings


def test_nested_settings_are_dotted_and_an_empty_part_is_a_value() -> None:
    assert flat({"a": {"b": {"c": 1}, "d": {}}, "e": None}) == {"a.b.c": 1, "a.d": {}, "e": None}


def test_what_json_makes_of_settings_is_what_counts() -> None:
    assert differences({"sizes": [1, 2], "rate": 1}, {"sizes": (1, 2), "rate": 1.0}) == {}
    assert differences({"a": 1, "old": 2}, {"a": 1, "new": None}) == {"old": (2, None)}  # absent and None are one


def test_the_message_names_what_where_and_what_to_do() -> None:
    before, now = {"train": {"lr": 0.1, "steps": 3}, "kind": "x"}, {"train": {"lr": 0.2, "steps": 9}, "kind": "x"}
    refuse_other_settings("runs/a", before, before, instead="")
    with pytest.raises(ConfigError) as error:
        refuse_other_settings("runs/a", before, now, instead="Use the same.", may_change={"train.steps"})
    assert str(error.value) == "runs/a was begun with other settings (train.lr: 0.1 -> 0.2). Use the same."
    with pytest.raises(InputError, match=r"\(train.lr: 0.1 -> 0.2, train.steps: 3 -> 9\)"):
        refuse_other_settings("runs/a", before, now, instead="", error=InputError)


def test_many_and_long_values_are_cut_short() -> None:
    before, now = {str(i): 0 for i in range(9)}, {str(i): 1 for i in range(9)}
    with pytest.raises(ConfigError, match=r"\(0: 0 -> 1, .*5: 0 -> 1, and 3 more\)"):
        refuse_other_settings("x", before, now, instead="")
    with pytest.raises(ConfigError) as error:
        refuse_other_settings("x", {"list": "a" * 1000}, {"list": "b"}, instead="")
    assert len(str(error.value)) < 120
