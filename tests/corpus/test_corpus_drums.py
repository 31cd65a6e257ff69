"""The drum renderer against plain loops, and its promises: split by kit and performance, circular, no clipping."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from loopwright.corpus.drums import (
    FADE_SAMPLES,
    choose_part,
    hit_sound,
    loop_rng,
    mix_hits,
    plan_drums,
    render,
    setup_of,
    stop_samples,
)
from loopwright.corpus.groove import BAR_SAMPLES, ROLES, Bar, make_bar, read_groove
from loopwright.corpus.kits import FAMILIES, HELD_OUT_KITS, STAND_INS, Library
from loopwright.corpus.patterns import GRAMMARS, euclid, steps, write_pattern
from loopwright.corpus.rooms import Rooms
from loopwright.errors import InputError


@pytest.fixture(scope="module")
def rooms() -> Rooms:
    return Rooms(0)


@pytest.fixture(scope="module")
def bars(mini_groove: Path) -> list[Bar]:
    return read_groove(mini_groove)


def test_the_mix_is_a_plain_loop_over_hits_and_samples(library: Library, bars: list[Bar], rooms: Rooms) -> None:
    """The slow version knows nothing of slices or wraps: it counts samples one by one, modulo the bar."""
    bar = bars[0]
    setup = setup_of(library, bar, rooms, loop_rng(1, 0))
    want = np.zeros(BAR_SAMPLES)
    hats = {ROLES.index("hat_closed"), ROLES.index("hat_open")}
    kick = ROLES.index("kick")
    for i, role in enumerate(bar.role.tolist()):
        part = choose_part(setup.parts[role], int(bar.pitch[i]), int(setup.turn[i]))
        sound = hit_sound(library, setup, role, part, int(bar.velocity[i]), {})
        stop = None
        if role in hats or role == kick:  # walk forward round the circle until the next hit of the group
            group = hats if role in hats else {kick}
            others = {int(p) for p, r in zip(bar.position, bar.role, strict=True) if r in group}
            stop = 1
            while (int(bar.position[i]) + stop) % BAR_SAMPLES not in others:
                stop += 1
        for k in range(len(sound)):
            gain = 1.0
            if stop is not None and k >= stop:
                if k >= stop + FADE_SAMPLES:
                    break
                gain = 1 - (k - stop) / (FADE_SAMPLES - 1)
            want[(int(bar.position[i]) + k) % BAR_SAMPLES] += gain * float(sound[k]) * float(setup.jitter[i])
    kick_bus, rest = mix_hits(library, bar, setup)
    np.testing.assert_allclose(kick_bus + rest, want, atol=1e-5)


@pytest.mark.parametrize("shift", [1, 6_000, 95_999])
def test_a_bar_played_later_is_the_same_loop_rolled(library: Library, bars: list[Bar], rooms: Rooms, shift: int) -> None:
    """Nothing in the renderer knows where the bar begins: the seam is like any other place."""
    bar = bars[3]
    setup = dataclasses.replace(setup_of(library, bar, rooms, loop_rng(2, 5)), send=rooms.responses[7], drive=2.0)
    later = dataclasses.replace(bar, position=(bar.position + shift) % BAR_SAMPLES)
    np.testing.assert_allclose(render(library, later, setup), np.roll(render(library, bar, setup), shift), atol=2e-5)


def test_tails_go_on_at_the_start_of_the_loop(library: Library, rooms: Rooms) -> None:
    """A lone snare just before the end rings over the wrap."""
    bar = make_bar([(BAR_SAMPLES - 480, "snare", 127, 0)], style="rock", split="train", source="x")
    setup = dataclasses.replace(setup_of(library, bar, rooms, loop_rng(0, 0)), decay_s=np.full(len(ROLES), np.inf, np.float32))
    _, rest = mix_hits(library, bar, setup)
    assert np.abs(rest[:2000]).max() > 0.05 * np.abs(rest).max()
    assert np.abs(rest[20_000:90_000]).max() == 0.0


def test_hats_cut_open_hats_round_the_bar_and_others_ring() -> None:
    bar = make_bar(
        [(90_000, "hat_open", 100, 46), (1_000, "hat_closed", 80, 44), (5_000, "ride", 90, 51), (50_000, "kick", 90, 36)],
        style="rock", split="train", source="x",
    )  # fmt: skip
    stops = dict(zip([ROLES[r] for r in bar.role], stop_samples(bar).tolist(), strict=True))
    assert stops["hat_open"] == 7_000  # 6,000 to the end and 1,000 on
    assert stops["kick"] == BAR_SAMPLES  # only its own return cuts a lone kick
    assert stops["ride"] > 100 * BAR_SAMPLES


def test_louder_hits_use_higher_layers_and_are_louder(library: Library, rooms: Rooms) -> None:
    (voice,) = library.voices["muldjord", "snare"]
    assert [voice.layer(v / 127) for v in (1, 42, 43, 85, 127)] == [0, 0, 1, 2, 2]
    bar = make_bar([(0, "snare", 100, 38)], style="rock", split="train", source="x")
    setup = setup_of(library, bar, rooms, loop_rng(0, 1))
    part = library.choose("snare", "muldjord", np.random.default_rng(0))[0]
    peaks = [np.abs(hit_sound(library, setup, ROLES.index("snare"), part, v, {})).max() for v in range(20, 128, 12)]
    assert all(np.diff(peaks) > 0)


def test_a_pedal_hat_and_a_bell_are_used_where_the_kit_has_them(shared_dir: Path) -> None:
    library = Library(shared_dir / "data" / "oneshots")
    rng = np.random.default_rng(0)
    for _ in range(10):
        hats = library.choose("hat_closed", "gogodze_close", rng)
        assert choose_part(hats, 44, 0).voice.articulation == "pedal"
        assert choose_part(hats, 42, 0).voice.articulation != "pedal"
        ride = library.choose("ride", "muldjord", rng)
        assert choose_part(ride, 53, 0).voice.articulation == "bell"
        assert choose_part(ride, 51, 0).voice.articulation != "bell"


@pytest.mark.shared
def test_every_role_is_played_in_every_kit_and_from_its_own_side(shared_dir: Path) -> None:
    library = Library(shared_dir / "data" / "oneshots")
    rng = np.random.default_rng(0)
    for held_out in (False, True):
        bases = library.bases(held_out=held_out)
        assert len(bases) >= 6
        assert {FAMILIES.get(kit, "electronic") for kit in bases} == {"acoustic", "percussion", "electronic"}
        for kit in bases:
            for role in ROLES:
                for swap in (0.0, 1.0):
                    parts = library.choose(role, kit, rng, swap=swap)
                    assert parts, (kit, role)
                    assert {(p.voice.kit in HELD_OUT_KITS) for p in parts} == {held_out}
                    assert {p.voice.role for p in parts} <= {role, *(name for name, _ in STAND_INS[role])}
    gogodze = {kit for kit in library.kits if kit.startswith("gogodze")}
    assert len(gogodze) == 3
    assert gogodze <= HELD_OUT_KITS or not gogodze & HELD_OUT_KITS


def test_the_plan_shares_bars_and_keeps_performances_and_patterns_on_their_side(bars: list[Bar]) -> None:
    plan = plan_drums(bars, 100, seed=0)
    sources, keys = defaultdict(set), defaultdict(set)
    for bar in plan:
        sources[bar.source].add(bar.split)
        if bar.source.startswith("pattern/"):
            keys[bar.key].add(bar.split)
    assert len(plan) == 100
    assert {s: sum(b.split == s for b in plan) for s in ("train", "validation", "test")} == {
        "train": 80,
        "validation": 10,
        "test": 10,
    }
    assert all(len(splits) == 1 for splits in sources.values())
    assert all(len(splits) == 1 for splits in keys.values())
    written = [b for b in plan if b.source.startswith("pattern/")]
    assert len({b.key for b in written}) == len(written) == 40
    assert {b.style for b in written} == set(GRAMMARS)
    played = [b for b in plan if not b.source.startswith("pattern/") and b.split == "train"]
    available = {(b.split, b.key) for b in bars if b.split == "train"}
    assert len({b.key for b in played}) == min(len(played), len(available))  # none twice while there are others


def test_the_plan_is_a_function_of_the_seed(bars: list[Bar]) -> None:
    one, two, other = plan_drums(bars, 60, 0), plan_drums(bars, 60, 0), plan_drums(bars, 60, 1)
    assert [b.source for b in one] == [b.source for b in two]
    assert [b.source for b in one] != [b.source for b in other]


def test_loops_use_kits_of_their_side_only_and_never_clip(library: Library, bars: list[Bar], rooms: Rooms) -> None:
    sounds = set()
    for number, bar in enumerate(plan_drums(bars, 40, seed=3)):
        setup = setup_of(library, bar, rooms, loop_rng(3, number))
        for parts in setup.parts.values():
            assert {(p.voice.kit in HELD_OUT_KITS) for p in parts} == {bar.split != "train"}
        x = render(library, bar, setup)
        assert x.shape == (BAR_SAMPLES,)
        assert x.dtype == np.float32
        assert np.isfinite(x).all()
        assert 10 ** (-6.01 / 20) <= np.abs(x).max() <= 10 ** (-0.99 / 20)
        sounds.add(x.tobytes())
    assert len(sounds) == 40


def test_licence_and_credits_name_what_was_used(library: Library, bars: list[Bar], rooms: Rooms) -> None:
    bar = write_pattern("house", 0, "test", 0)
    setup = setup_of(library, bar, rooms, loop_rng(0, 0))  # held-out kits of the miniature are CC0
    assert setup.licence(groove=False) == "CC0-1.0"
    assert setup.licence(groove=True) == "CC-BY-4.0"
    assert "Groove MIDI Dataset" in setup.credits(groove=True)
    train = make_bar([(0, "ride", 90, 0), (9000, "snare", 90, 0)], style="rock", split="train", source="x")
    setup = setup_of(library, train, rooms, loop_rng(0, 0))  # only muldjord (CC BY) has a ride on this side
    assert setup.licence(groove=False) == "CC-BY-4.0"
    assert "Muldjord" in setup.credits(groove=False)


@pytest.mark.parametrize("style", list(GRAMMARS))
def test_written_patterns_have_the_marks_of_their_style(style: str) -> None:
    bars = [write_pattern(style, k, "train", 0) for k in range(60)]
    assert len({b.key for b in bars}) >= 40
    on = np.zeros((len(ROLES), 16))
    for bar in bars:
        step = ((bar.position + 3000) // 6000) % 16
        on[bar.role, step] += 1
    kick, back = on[0], on[1] + on[2] + on[3]
    assert kick[0] >= 55
    if style in ("house", "techno"):
        assert (kick[[0, 4, 8, 12]] >= 55).all()
    elif style == "trap":
        assert back[8] >= 55
        assert back[4] < 20
    elif style == "dembow":
        assert (back[[3, 6, 11, 14]] >= 50).all()
    else:
        assert (back[[4]] >= 50).all()


def test_euclid_and_step_strings() -> None:
    """Three in eight is the tresillo; here 3 of 16 and 4 of 16 have closed forms."""
    assert sorted(int(h[0]) for h in euclid(4, 2, "rim", 80)) == [2, 6, 10, 14]
    assert sorted(int(h[0]) for h in euclid(3, 0, "rim", 80)) == [0, 5, 10]
    assert steps("X..o............", "kick") == [(0.0, "kick", 118), (3.0, "kick", 46)]


def test_a_folder_of_oneshots_that_cannot_be_used_says_why(tmp_path: Path, mini_oneshots: Path) -> None:
    with pytest.raises(InputError, match=r"no file .*index\.csv"):
        Library(tmp_path)
    text = (mini_oneshots / "index.csv").read_text()
    (tmp_path / "index.csv").write_text("\n".join(line for line in text.splitlines() if "snare" not in line) + "\n")
    with pytest.raises(InputError, match="no kit with kick, snare and hats"):
        Library(tmp_path)
    (tmp_path / "index.csv").write_text(text.replace(",kick,", ",gong,", 1))
    with pytest.raises(InputError, match="unknown role 'gong'"):
        Library(tmp_path)
    (tmp_path / "index.csv").write_text(text)
    with pytest.raises(InputError, match="not readable as audio"):
        assert Library(tmp_path).samples


@pytest.mark.shared
@pytest.mark.slow
def test_real_material_gives_ten_thousand_distinct_bars_and_clean_splits(shared_dir: Path, real_bars: list[Bar]) -> None:
    plan = plan_drums(real_bars, 15_000, seed=0)
    assert len({bar.key for bar in plan if bar.split == "train"}) >= 10_000
    styles = {bar.style for bar in plan}
    assert 12 <= len(styles) <= 18
    assert all(sum(b.style == style and b.split == "train" for b in plan) >= 150 for style in styles)
    sources = defaultdict(set)
    for bar in plan:
        sources[bar.source].add(bar.split)
    assert all(len(s) == 1 for s in sources.values())
