"""Which phrases a drum corpus has: shares, sides, distinct bars; and the written ones."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from loopwright.config import SPLITS
from loopwright.corpus.drums import DRUM_STYLES
from loopwright.corpus.groove import ROLES, Phrase, read_groove
from loopwright.corpus.patterns import GRAMMARS, euclid, steps
from loopwright.corpus.phrases import FILLS, write_phrase
from loopwright.corpus.plan import WRITTEN_SHARE, plan_drums
from loopwright.corpus.sides import PERFORMER_SIDES, SHARES, counts_of, side_of, turns


@pytest.fixture(scope="module")
def bars(mini_groove: Path) -> list[Phrase]:
    return read_groove(mini_groove)


def test_shares_are_those_documented_and_turns_give_them_exactly() -> None:
    assert {side: round(100 * share) for side, share in SHARES.items()} == {
        "train": 76,
        "validation": 8,
        "test": 8,
        "locked": 8,
    }
    assert counts_of(103) == {"train": 79, "validation": 8, "test": 8, "locked": 8}
    assert {side: list(turns()).count(side) for side in SPLITS} == {"train": 19, "validation": 2, "test": 2, "locked": 2}


@pytest.mark.parametrize("n_bars", [1, 2])
def test_the_plan_shares_bars_and_keeps_performers_performances_and_bars_on_their_side(mini_groove: Path, n_bars: int) -> None:
    phrases = read_groove(mini_groove, bars=n_bars)
    plan = plan_drums(phrases, 100, 0, n_bars)
    sources, keys, performers = defaultdict(set), defaultdict(set), defaultdict(set)
    for phrase in plan:
        assert phrase.bars == n_bars
        sources[phrase.source].add(phrase.split)
        performers[phrase.performer].add(phrase.split)
        for key in phrase.keys:
            keys[key].add(phrase.split)
    assert Counter(p.split for p in plan) == {"train": 76, "validation": 8, "test": 8, "locked": 8}
    assert all(len(splits) == 1 for splits in sources.values())
    assert all(len(splits) == 1 for splits in keys.values())
    assert performers.pop("") == set(SPLITS)  # written
    assert performers == {"drummer1": {"train"}, "drummer2": {"validation"}, "drummer3": {"test"}, "drummer6": {"locked"}}
    written = [p for p in plan if p.source.startswith("pattern/")]
    assert len({p.key for p in written}) == len(written) == 34 + 3 * 5
    assert {p.style for p in written} == set(GRAMMARS)
    played = [p for p in plan if not p.source.startswith("pattern/") and p.split == "train"]
    far = {key for p in plan if p.split != "train" for key in p.keys}
    available = {p.key for p in phrases if p.split == "train" and far.isdisjoint(p.keys)}
    assert len({p.key for p in played}) == min(len(played), len(available))  # none twice while there are others


def test_the_plan_is_a_function_of_the_seed(bars: list[Phrase]) -> None:
    one, two, other = plan_drums(bars, 60, 0), plan_drums(bars, 60, 0), plan_drums(bars, 60, 1)
    assert [b.source for b in one] == [b.source for b in two]
    assert [b.source for b in one] != [b.source for b in other]


@pytest.mark.parametrize("style", list(GRAMMARS))
def test_written_patterns_have_the_marks_of_their_style(style: str) -> None:
    bars = [write_phrase(style, k, "train", 0) for k in range(60)]
    assert len({b.key for b in bars}) >= 40
    on = np.zeros((len(ROLES), 16))
    for bar in bars:
        step = ((bar.position + 3000) // 6000) % 16
        on[bar.role, step] += 1
    kick, back = on[0], on[1] + on[2] + on[3]
    assert kick[0] >= 55
    if style in ("house", "techno", "minimal"):
        assert (kick[[0, 4, 8, 12]] >= 55).all()
    elif style == "footwork":
        assert (kick[[0, 3]] >= 55).all()
        assert back[12] >= 55
    elif style in ("trap", "dubstep"):
        assert back[8] >= 55
        assert back[4] < 20
    elif style == "dembow":
        assert (back[[3, 6, 11, 14]] >= 50).all()
    else:
        assert (back[[4]] >= 50).all()


@pytest.mark.parametrize("style", list(GRAMMARS))
@pytest.mark.parametrize("n_bars", [2, 4])
def test_longer_patterns_repeat_their_first_bar_and_end_in_a_fill(style: str, n_bars: int) -> None:
    """A-A-A-B: what the bars before the last have in common is most of them; the last differs from the first at its end."""
    alike, ends = [], []
    for number in range(30):
        keys = [set(np.frombuffer(key, np.int16).tolist()) for key in write_phrase(style, number, "train", 0, n_bars).keys]
        alike += [len(keys[0] & key) / len(keys[0] | key) for key in keys[1:-1]]
        ends.append({k for k in keys[0] ^ keys[-1] if k // 16 >= 8})
    assert not alike or np.mean(alike) > 0.85
    assert np.mean([bool(end) for end in ends]) > 0.8


@pytest.mark.parametrize("fill", FILLS)
def test_fills_stay_between_their_start_and_the_end_of_the_bar(fill: Callable[..., list[tuple[float, str, int]]]) -> None:
    for seed in range(50):
        for at, role, velocity in fill(np.random.default_rng(seed), 12):
            assert 12 <= at < 16
            assert role in ROLES
            assert 1 <= velocity <= 127


def test_euclid_and_step_strings() -> None:
    """Three in eight is the tresillo; here 3 of 16 and 4 of 16 have closed forms."""
    assert sorted(int(h[0]) for h in euclid(4, 2, "rim", 80)) == [2, 6, 10, 14]
    assert sorted(int(h[0]) for h in euclid(3, 0, "rim", 80)) == [0, 5, 10]
    assert steps("X..o............", "kick") == [(0.0, "kick", 118), (3.0, "kick", 46)]


@pytest.mark.shared
@pytest.mark.slow
def test_real_material_gives_ten_thousand_distinct_bars_and_clean_splits(shared_dir: Path, real_bars: list[Phrase]) -> None:
    plan = plan_drums(real_bars, 15_000, seed=0)
    assert len({bar.key for bar in plan if bar.split == "train"}) >= 10_000
    styles = {bar.style for bar in plan}
    assert styles == set(DRUM_STYLES)
    assert all(sum(b.style == style and b.split == "train" for b in plan) >= 150 for style in styles)
    keys, performers = defaultdict(set), defaultdict(set)
    for bar in plan:
        keys[bar.key].add(bar.split)
        performers[bar.performer].add(bar.split)
    assert all(len(s) == 1 for s in keys.values())
    assert all(s == {side_of(who, PERFORMER_SIDES)} for who, s in performers.items() if who)
    for side, share in WRITTEN_SHARE.items():
        own = [bar for bar in plan if bar.split == side]
        assert sum(not bar.performer for bar in own) == pytest.approx(share * len(own), abs=1)
        assert len({bar.key for bar in own}) > 0.9 * len(own)  # enough distinct material on the far sides
    sources = defaultdict(set)
    for bar in plan:
        sources[bar.source].add(bar.split)
    assert all(len(s) == 1 for s in sources.values())
