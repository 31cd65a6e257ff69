"""The drum renderer against plain loops, and its promises: split by kit and performer, circular, no clipping."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from loopwright.config import SPLITS
from loopwright.corpus.bar import BAR_SAMPLES
from loopwright.corpus.drums import DrumRenderer, loop_rng, render, setup_of
from loopwright.corpus.groove import ROLES, Phrase, make_phrase, read_groove
from loopwright.corpus.hits import FADE_SAMPLES, Layer, Setup, choose_part, events_of, hit_sound, mix_hits, stop_samples
from loopwright.corpus.kits import FAMILIES, LAST_RESORT, STAND_INS, OneShots
from loopwright.corpus.phrases import write_phrase
from loopwright.corpus.plan import plan_drums
from loopwright.corpus.rooms import Rooms
from loopwright.corpus.sides import KIT_SIDES, side_of
from loopwright.errors import InputError


def plain(setup: Setup, **changes: object) -> Setup:
    """The setup without what is processed after the mix."""
    return dataclasses.replace(setup, **{**dict.fromkeys(("squeeze", "crush", "sweep", "noise")), **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rooms() -> Rooms:
    return Rooms(0)


@pytest.fixture(scope="module")
def bars(mini_groove: Path) -> list[Phrase]:
    return read_groove(mini_groove)


def test_the_mix_is_a_plain_loop_over_hits_and_samples(library: OneShots, bars: list[Phrase], rooms: Rooms) -> None:
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
def test_a_bar_played_later_is_the_same_loop_rolled(library: OneShots, bars: list[Phrase], rooms: Rooms, shift: int) -> None:
    """Nothing in the renderer knows where the bar begins: the seam is like any other place."""
    bar = bars[3]
    setup = plain(setup_of(library, bar, rooms, loop_rng(2, 5)), send=rooms.responses[7], drive=2.0)
    later = dataclasses.replace(bar, position=(bar.position + shift) % BAR_SAMPLES)
    np.testing.assert_allclose(render(library, later, setup), np.roll(render(library, bar, setup), shift), atol=2e-5)


def test_tails_go_on_at_the_start_of_the_loop(library: OneShots, rooms: Rooms) -> None:
    """A lone snare just before the end rings over the wrap."""
    bar = make_phrase([(BAR_SAMPLES - 480, "snare", 127, 0)], style="rock", split="train", source="x")
    whole = np.full(len(ROLES), np.inf, np.float32)
    setup = dataclasses.replace(setup_of(library, bar, rooms, loop_rng(0, 0)), decay_s=whole, layers={})
    _, rest = mix_hits(library, bar, setup)
    assert np.abs(rest[:2000]).max() > 0.05 * np.abs(rest).max()
    assert np.abs(rest[20_000:90_000]).max() == 0.0


def test_hats_cut_open_hats_round_the_bar_and_others_ring() -> None:
    bar = make_phrase(
        [(90_000, "hat_open", 100, 46), (1_000, "hat_closed", 80, 44), (5_000, "ride", 90, 51), (50_000, "kick", 90, 36)],
        style="rock", split="train", source="x",
    )  # fmt: skip
    stops = dict(zip([ROLES[r] for r in bar.role], stop_samples(bar).tolist(), strict=True))
    assert stops["hat_open"] == 7_000  # 6,000 to the end and 1,000 on
    assert stops["kick"] == BAR_SAMPLES  # only its own return cuts a lone kick
    assert stops["ride"] > 100 * BAR_SAMPLES


def test_louder_hits_use_higher_layers_and_are_louder(library: OneShots, rooms: Rooms) -> None:
    (voice,) = library.voices["muldjord", "snare"]
    assert [voice.layer(v / 127) for v in (1, 42, 43, 85, 127)] == [0, 0, 1, 2, 2]
    bar = make_phrase([(0, "snare", 100, 38)], style="rock", split="train", source="x")
    setup = dataclasses.replace(setup_of(library, bar, rooms, loop_rng(0, 1)), grit=np.zeros(len(ROLES), np.float32))
    part = library.choose("snare", "muldjord", np.random.default_rng(0))[0]
    peaks = [np.abs(hit_sound(library, setup, ROLES.index("snare"), part, v, {})).max() for v in range(20, 128, 12)]
    assert all(np.diff(peaks) > 0)


def test_a_pedal_hat_and_a_bell_are_used_where_the_kit_has_them(shared_dir: Path) -> None:
    library = OneShots(shared_dir / "data" / "oneshots")
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
    library = OneShots(shared_dir / "data" / "oneshots")
    rng = np.random.default_rng(0)
    for side in SPLITS:
        bases = library.bases(side)
        assert len(bases) >= 3
        assert {FAMILIES.get(kit, "electronic") for kit in bases} >= {"acoustic", "electronic"}
        assert any(library.has(kit, "ride") for kit in library.kits if side_of(kit, KIT_SIDES) == side)
        for kit in bases:
            for role in ROLES:
                for swap in (0.0, 1.0):
                    parts = library.choose(role, kit, rng, swap=swap)
                    assert parts, (kit, role)
                    assert {side_of(p.voice.kit, KIT_SIDES) for p in parts} == {side}
                    allowed = (*STAND_INS[role], *LAST_RESORT.get(role, ()))
                    assert {p.voice.role for p in parts} <= {role, *(name for name, _ in allowed)}
                over = library.second(role, kit, rng)
                assert over is None or (side_of(over.voice.kit, KIT_SIDES) == side and over.voice.kit != kit)
    gogodze = {side_of(kit, KIT_SIDES) for kit in library.kits if kit.startswith("gogodze")}
    assert len(gogodze) == 1  # one kit under three microphones
    assert set(KIT_SIDES) <= set(library.kits)


@pytest.mark.slow
@pytest.mark.parametrize("n_bars", [1, 2, 4])
def test_loops_use_kits_of_their_side_only_and_never_clip(mini_groove: Path, mini_oneshots: Path, n_bars: int) -> None:
    plan = plan_drums(read_groove(mini_groove, bars=n_bars), 60 // n_bars, 3, n_bars)
    renderer = DrumRenderer(plan, mini_oneshots, 3, n_bars)
    sounds = set()
    for number, phrase in enumerate(plan):
        setup = setup_of(renderer.library, phrase, renderer.rooms, loop_rng(3, number))
        voices = [part.voice for parts in setup.parts.values() for part in parts] + [
            x.part.voice for x in setup.layers.values()
        ]
        assert {side_of(voice.kit, KIT_SIDES) for voice in voices} == {phrase.split}
        x = renderer.loop(number).render()
        assert x.shape == (n_bars * BAR_SAMPLES,)
        assert x.dtype == np.float32
        assert np.isfinite(x).all()
        assert 10 ** (-6.01 / 20) <= np.abs(x).max() <= 10 ** (-0.99 / 20)
        sounds.add(x.tobytes())
    assert len(sounds) == len(plan)


def test_events_say_what_is_heard_and_when(library: OneShots, rooms: Rooms) -> None:
    """A lone hit: the first sample that sounds is at the event's place, and a harder event is louder."""
    peaks = []
    for velocity in (40, 90):
        phrase = make_phrase([(30_000, "snare", velocity, 0)], style="rock", split="train", source="x")
        setup = setup_of(library, phrase, rooms, loop_rng(0, 0))
        ((role, start, loud),) = events_of(phrase, setup)
        assert (role, loud) == ("snare", pytest.approx(velocity / 127, abs=1e-3))
        _, rest = mix_hits(library, phrase, setup)
        assert abs(int(np.flatnonzero(rest)[0]) - round(start * BAR_SAMPLES)) < 48
        peaks.append(np.abs(rest).max())
    assert peaks[0] < peaks[1]


def test_a_lifted_kick_is_as_loud_in_the_events_as_in_the_mix(library: OneShots, rooms: Rooms) -> None:
    phrase = make_phrase([(0, "kick", 50, 0), (48_000, "kick", 25, 0)], style="house", split="train", source="x")
    setup = setup_of(library, phrase, rooms, loop_rng(0, 0))
    loud = [event[2] for event in events_of(phrase, setup)]
    assert loud[0] >= 95 / 127 - 0.01
    assert loud[1] == pytest.approx(loud[0] / 2, abs=2e-3)
    silent = dataclasses.replace(setup, parts={})
    assert events_of(phrase, silent) == []


def test_a_layer_is_added_to_the_sound_under_it(library: OneShots, rooms: Rooms) -> None:
    phrase = make_phrase([(0, "snare", 127, 0)], style="rock", split="train", source="x")
    bare = dataclasses.replace(
        setup_of(library, phrase, rooms, loop_rng(0, 0)), layers={}, grit=np.zeros(len(ROLES), np.float32)
    )
    over = library.second("snare", "uzu", np.random.default_rng(0))
    assert over is not None
    snare = ROLES.index("snare")
    layered = dataclasses.replace(bare, layers={snare: Layer(over, 0.5, np.inf)})
    alone = dataclasses.replace(bare, decay_s=np.full(len(ROLES), np.inf, np.float32))
    part = bare.parts[snare][0]
    got, under = hit_sound(library, layered, snare, part, 127, {}), hit_sound(library, bare, snare, part, 127, {})
    top = 0.5 * hit_sound(library, alone, snare, over, 127, {})
    want = np.zeros(len(got))
    want[: len(under)] += under
    want[: len(top)] += top
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_licence_and_credits_name_what_was_used(library: OneShots, bars: list[Phrase], rooms: Rooms) -> None:
    bar = write_phrase("house", 0, "test", 0)
    setup = setup_of(library, bar, rooms, loop_rng(0, 0))  # far kits of the miniature are CC0
    assert setup.licence(groove=False) == "CC0-1.0"
    assert setup.licence(groove=True) == "CC-BY-4.0"
    assert "Groove MIDI Dataset" in setup.credits(groove=True)
    train = make_phrase([(0, "ride", 90, 0), (9000, "snare", 90, 0)], style="rock", split="train", source="x")
    setup = setup_of(library, train, rooms, loop_rng(0, 0))  # only muldjord (CC BY) has a ride on this side
    assert setup.licence(groove=False) == "CC-BY-4.0"
    assert "Muldjord" in setup.credits(groove=False)


def test_a_folder_of_oneshots_that_cannot_be_used_says_why(tmp_path: Path, mini_oneshots: Path) -> None:
    with pytest.raises(InputError, match=r"no file .*index\.csv"):
        OneShots(tmp_path)
    text = (mini_oneshots / "index.csv").read_text()
    (tmp_path / "index.csv").write_text("\n".join(line for line in text.splitlines() if "snare" not in line) + "\n")
    with pytest.raises(InputError, match="no kit with kick, snare and hats for train, validation, test, locked"):
        OneShots(tmp_path)
    (tmp_path / "index.csv").write_text(text.replace(",kick,", ",gong,", 1))
    with pytest.raises(InputError, match="unknown role 'gong'"):
        OneShots(tmp_path)
    (tmp_path / "index.csv").write_text(text)
    with pytest.raises(InputError, match="not readable as audio"):
        assert OneShots(tmp_path).samples
