"""Synth loops: sides, balance, tuning as heard, circularity, bad input."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from loopwright.config import SPLITS
from loopwright.corpus.bar import BAR_SAMPLES, CORPUS_RATE_HZ
from loopwright.corpus.groove import STEP_SAMPLES
from loopwright.corpus.notes import MAJOR, MINOR
from loopwright.corpus.parts import gate_samples
from loopwright.corpus.rooms import Rooms
from loopwright.corpus.sides import FM_SIDES, GROUP_SIDES, INSTRUMENT_SIDES
from loopwright.corpus.sources import Sources, sounds_at_its_pitch
from loopwright.corpus.synthesis import play
from loopwright.corpus.synths import SYNTH_STYLES, SynthPlan, SynthRenderer, events_of, mix_notes, place_of, plan_synth
from loopwright.errors import InputError
from loopwright.tasks.corpus import make_synth


@pytest.fixture(scope="module")
def mini(mini_synth: Path) -> Sources:
    return Sources(mini_synth, mini_synth, mini_synth)


@pytest.fixture(scope="module")
def sources(shared_dir: Path) -> Sources:
    data = shared_dir / "data"
    return Sources(data / "waveforms", data / "tonal", data / "chords")


def test_styles_sides_and_keys_are_even() -> None:
    """6,000 loops: styles 1,200 each, sides 76/8/8/8, and in every style and side all 24 keys within one of each other."""
    places = [place_of(number) for number in range(6000)]
    assert set(Counter(style for style, _, _ in places).values()) == {1200}
    assert Counter(side for _, side, _ in places) == {"train": 4560, "validation": 480, "test": 480, "locked": 480}
    keys: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for style, side, key in places:
        keys[style, side][key] += 1
    assert len(keys) == 20
    assert all(len(c) == 24 and max(c.values()) - min(c.values()) <= 1 for c in keys.values())


def test_any_run_of_loops_is_near_even_too() -> None:
    counts = Counter(side for _, side, _ in map(place_of, range(125)))
    assert counts == {"train": 95, "validation": 10, "test": 10, "locked": 10}


def check_sides(sources: Sources, n: int) -> list[SynthPlan]:
    """What n loops are made of: each group, ratio, instrument and progression on one side, its own."""
    kits, progressions = defaultdict(set), defaultdict(set)
    plans = [plan_synth(sources, number, 0)[0] for number in range(n)]
    for number, plan in enumerate(plans):
        for part in plan.parts:
            kits[part.kit].add(plan.split)
        progressions[plan.source.rsplit("/", 1)[1]].add(plan.split)
        assert (plan.style, plan.split) == place_of(number)[:2]
    named = {**GROUP_SIDES, **INSTRUMENT_SIDES, **{f"fm-{times}": side for times, side in FM_SIDES.items()}}
    assert all(sides == {named.get(kit, "train")} for kit, sides in kits.items())
    assert all(len(sides) == 1 for sides in progressions.values())
    assert {side for sides in kits.values() for side in sides} == set(SPLITS)
    return plans


def test_sources_stay_on_their_side(mini: Sources) -> None:
    check_sides(mini, 500)


@pytest.mark.shared
def test_real_sources_stay_on_their_side_and_every_kind_of_sound_comes(sources: Sources) -> None:
    plans = check_sides(sources, 1500)
    assert len({plan.key for plan in plans}) == 24
    timbres = [part.timbre for plan in plans for part in plan.parts if part.timbre]
    assert {t.moves for t in timbres} == {"filter", "fm", "pluck"}
    assert min(np.mean([bool(flag) for flag in flags]) for flags in zip(*(
        (t.moves == "fm", t.moves == "pluck", t.voices >= 5, t.sweep_octaves, t.vibrato_cents) for t in timbres
    ), strict=True)) > 0.05  # fmt: skip
    assert 0.05 < np.mean([any(note.slide for part in plan.parts for note in part.notes) for plan in plans]) < 0.3
    assert {len(plan.parts) for plan in plans} == {1, 2}
    groups = {side: len(groups) for side, groups in sources.groups.items()}
    assert min(groups.values()) >= 9
    progressions = {side: len(found) for side, found in sources.progressions.items()}
    assert min(progressions.values()) >= 10


@pytest.mark.parametrize("bars", [1, 2])
def test_the_dry_loop_is_a_plain_sum_of_notes_round_the_circle(mini: Sources, bars: int) -> None:
    compared = 0
    for number in range(12):
        plan, _ = plan_synth(mini, number, 1, bars)
        for part in plan.parts:
            if part.timbre is None:
                continue
            timbre = dataclasses.replace(part.timbre, voices=1, noise=0.0)  # unison and noise draw: leave them out to compare
            part, rng = dataclasses.replace(part, timbre=timbre), np.random.default_rng(0)
            got = mix_notes(mini, part, plan.samples, rng)
            want = np.zeros(plan.samples)
            for note in part.notes:
                place = round(note.at * STEP_SAMPLES)
                loud = round(note.velocity * 12) / 12
                x = play(
                    timbre, note.midi, gate_samples(note), loud, rng,
                    slide=note.slide, place=place / plan.samples, samples=plan.samples,
                )  # fmt: skip
                np.add.at(want, (place + np.arange(len(x))) % plan.samples, x)
            np.testing.assert_allclose(got, want, atol=2e-4)
            compared += 1
    assert compared >= 8


@pytest.mark.slow
@pytest.mark.parametrize("bars", [1, 4])
def test_synth_loops_are_whole_distinct_seeded_and_do_not_clip(mini_synth: Path, bars: int) -> None:
    n = 15
    one, two = (SynthRenderer(n, mini_synth, mini_synth, mini_synth, seed, bars) for seed in (0, 1))
    seen = set()
    for number in range(n):
        loop, again, other = one.loop(number), one.loop(number), two.loop(number)
        x = loop.render()
        assert x.shape == (bars * BAR_SAMPLES,)
        assert np.isfinite(x).all()
        assert 10 ** (-6.01 / 20) <= np.abs(x).max() <= 10 ** (-0.99 / 20)
        if number < 5:
            assert x.tobytes() == again.render().tobytes() != other.render().tobytes()
            assert loop.events == again.events
        assert loop.row["kind"] == "synth"
        seen.add(x.tobytes())
    assert len(seen) == n


def heard_cents(x: np.ndarray, events: Sequence[Sequence[Any]]) -> list[float]:
    """How far partials lie from whole multiples of the notes that are said to play there (A4 = 440 Hz), in cents.

    Each note is cut out of the loop and looked at alone, so nothing here knows how it was made.
    """
    found = []
    for midi, start, duration, *_ in events:
        length = int(min(duration * BAR_SAMPLES, CORPUS_RATE_HZ))
        if length < 4800:
            continue
        segment = np.take(x, int(start * BAR_SAMPLES) + np.arange(length), mode="wrap") * np.hanning(length)
        power = np.log(np.abs(np.fft.rfft(segment, 1 << 18)) + 1e-9)
        for h in (1, 2, 3, 4):
            want = 440 * 2 ** ((midi - 69) / 12) * h
            low, high = (round(want * 2 ** (c / 1200) * (1 << 18) / CORPUS_RATE_HZ) for c in (-45, 45))
            k = low + int(power[low:high].argmax())
            if k in (low, high - 1) or power[k] < power.max() - 3.5:  # no peak of its own, or 30 dB below the loudest
                continue
            a, b, c = power[k - 1 : k + 2]
            found.append(float(1200 * np.log2((k + 0.5 * (a - c) / (a - 2 * b + c)) * CORPUS_RATE_HZ / (1 << 18) / want)))
    return found


def check_tuning(renderer: SynthRenderer, numbers: range) -> None:
    by_style: dict[str, list[float]] = defaultdict(list)
    for number in numbers:
        plan, _ = plan_synth(renderer.sources, number, renderer.seed, renderer.bars)
        meant = any(note.slide for part in plan.parts for note in part.notes) or any(
            part.timbre and part.timbre.vibrato_cents for part in plan.parts
        )
        cents = [] if meant else heard_cents(renderer.loop(number).render(), events_of(plan))
        if cents:
            by_style[plan.style].append(float(np.median(cents)))
    assert set(by_style) == set(SYNTH_STYLES)
    for style, medians in by_style.items():
        assert len(medians) >= 4, style
        assert abs(np.median(medians)) < 1.5, style
        assert np.median(np.abs(medians)) < 3, style


@pytest.mark.slow
def test_partials_lie_where_the_events_say(mini_synth: Path) -> None:
    check_tuning(SynthRenderer(100, mini_synth, mini_synth, mini_synth, 0), range(100))


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("bars", [1, 4])
def test_real_material_is_in_tune(shared_dir: Path, bars: int) -> None:
    data = shared_dir / "data"
    renderer = SynthRenderer(120, data / "waveforms", data / "tonal", data / "chords", 1, bars)
    check_tuning(renderer, range(120 if bars == 1 else 60))


def test_a_detuned_loop_would_be_heard(mini_synth: Path) -> None:
    """The measure itself: the same loops said to be 20 cents higher are found 20 cents low."""
    renderer = SynthRenderer(20, mini_synth, mini_synth, mini_synth, 0)
    found = []
    for number in range(20):
        loop = renderer.loop(number)
        found += heard_cents(loop.render(), [(float(event[0]) + 0.2, *event[1:]) for event in loop.events])
    assert np.median(found) == pytest.approx(-20, abs=3)


@pytest.mark.slow
def test_a_synth_folder_is_what_its_tables_say_and_the_same_bytes_each_time(mini_synth: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert make_synth(mini_synth, mini_synth, mini_synth, tmp_path / name, n=12, seed=0, bars=2) == 12
    for path in (tmp_path / "one").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
    with (tmp_path / "one" / "loops.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    lines = [json.loads(line) for line in (tmp_path / "one" / "events.jsonl").read_text().splitlines()]
    for row, line in zip(rows, lines, strict=True):
        assert (row["file"], row["bars"]) == (line["file"], "2")
        assert soundfile.info(tmp_path / "one" / row["file"]).frames == 4 * CORPUS_RATE_HZ
        assert {event[4] for event in line["events"]} <= {"bass", "chord", "arp", "lead", "pad"}
        assert all(0 <= start < 2 and 0 < duration <= 2 for _, start, duration, _, _ in line["events"])


@pytest.mark.shared
def test_scales_hold_the_notes_of_their_chords(sources: Sources) -> None:
    for progressions in sources.progressions.values():
        for progression in progressions:
            if progression.mode == "modal":
                assert {(r + i) % 12 for r, ints in progression.chords for i in ints} <= set(progression.scale)
            else:
                assert progression.scale == (MINOR if progression.minor else MAJOR)


def test_cycles_that_sound_at_another_pitch_are_told_apart() -> None:
    turn = 2 * np.pi * np.arange(600) / 600
    saw, square = (np.sum([np.sin(h * turn) / h for h in range(1, 40, step)], axis=0) for step in (1, 2))
    assert sounds_at_its_pitch(saw)
    assert sounds_at_its_pitch(square)  # a square: odd harmonics alone
    assert not sounds_at_its_pitch(saw[(2 * np.arange(600)) % 600])  # two periods: an octave up
    assert not sounds_at_its_pitch(saw[(3 * np.arange(600)) % 600])  # a twelfth up
    assert not sounds_at_its_pitch(np.sin(9 * turn) + 0.1 * np.sin(turn))
    assert not sounds_at_its_pitch(np.zeros(600))


def test_broken_sources_say_what_is_wrong(mini_synth: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file .*akwf_600\.npy"):
        Sources(tmp_path, mini_synth, mini_synth)
    shutil.copy(mini_synth / "akwf_600.csv", tmp_path)
    (tmp_path / "akwf_600.npy").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="not a NumPy array"):
        Sources(tmp_path, mini_synth, mini_synth)
    np.save(tmp_path / "akwf_600.npy", np.zeros((3, 600), np.int16))
    with pytest.raises(InputError, match=r"is not in akwf_600\.npy"):
        Sources(tmp_path, mini_synth, mini_synth)
    (tmp_path / "progressions.csv").write_text("group,chords\nmajor,I Q\n")
    with pytest.raises(InputError, match="row 1: not a Roman numeral"):
        Sources(mini_synth, mini_synth, tmp_path)
    (tmp_path / "progressions.csv").write_text("group,chords\nmajor,I V\nminor,i v\n")
    with pytest.raises(InputError, match="the validation side has none"):
        Sources(mini_synth, mini_synth, tmp_path)
    text = (mini_synth / "akwf_600.csv").read_text()
    (tmp_path / "akwf_600.csv").write_text("\n".join(line for line in text.splitlines() if "_0003" not in line) + "\n")
    shutil.copy(mini_synth / "akwf_600.npy", tmp_path)
    with pytest.raises(InputError, match="no waveform group for the locked side"):
        Sources(tmp_path, mini_synth, mini_synth)


def test_rooms_are_the_same_for_a_seed() -> None:
    assert np.array_equal(Rooms(3).responses[5], Rooms(3).responses[5])
