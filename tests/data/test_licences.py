from __future__ import annotations

import pytest

from loopwright.data.licences import allowed, check_families, licence_family, normal_licence
from loopwright.errors import InputError


@pytest.mark.parametrize(
    ("text", "normal", "family"),
    [
        ("http://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0", "cc0"),
        ("https://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0", "cc-by"),
        ("http://creativecommons.org/licenses/by-nc/3.0/", "CC-BY-NC-3.0", "cc-by-nc"),
        ("http://creativecommons.org/licenses/sampling+/1.0/", "CC-Sampling+-1.0", "sampling+"),
        ("Creative Commons 0", "CC0", "cc0"),
        ("Attribution", "CC-BY", "cc-by"),
        ("cc by 4.0", "CC-BY-4.0", "cc-by"),
        ("CC0-1.0", "CC0-1.0", "cc0"),
        ('CC-BY (Freesound "Attribution")', 'CC-BY (Freesound "Attribution")', "cc-by"),
        ("All rights reserved", "All rights reserved", ""),
    ],
)
def test_licences_have_one_name(text: str, normal: str, family: str) -> None:
    assert normal_licence(text) == normal
    assert licence_family(text) == family


def test_the_filter() -> None:
    assert allowed("", ()) == ""
    assert allowed("", ("cc0",)) == "has no stated licence"
    assert allowed("CC-BY-4.0", ("cc0", "cc-by")) == ""
    assert allowed("CC-BY-NC-4.0", ("cc0", "cc-by")) == "licence CC-BY-NC-4.0 is not wanted"
    assert allowed("CC0-1.0 AND CC-BY-SA-4.0", ("cc0",)) == "licence CC-BY-SA-4.0 is not wanted"


def test_unknown_names_in_the_filter_are_refused() -> None:
    assert check_families((" CC0 ", "")) == ("cc0",)
    with pytest.raises(InputError, match=r"unknown licence 'gpl'. Known: cc0"):
        check_families(("gpl",))
