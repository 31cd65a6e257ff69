"""Synth loops: notes against music theory, the oscillator against closed forms, splits, bad input."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import special

from loopwright.config import SPLITS
from loopwright.corpus.effects import saturate
from loopwright.corpus.groove import BAR_SAMPLES, STEP_SAMPLES
from loopwright.corpus.notes import MAJOR, MINOR, led, parse_numeral, voicing
from loopwright.corpus.parts import PARTS, gate_samples, note_events, rhythm
from loopwright.corpus.rooms import Rooms
from loopwright.corpus.sides import FM_SIDES, GROUP_SIDES, INSTRUMENT_SIDES
from loopwright.corpus.sources import Sources, sounds_at_its_pitch
from loopwright.corpus.synthesis import (
    RATE_HZ,
    TABLE,
    TOP_HZ,
    Envelope,
    Timbre,
    analog_harmonics,
    frequency,
    harmonics_of,
    play,
    tables,
)
from loopwright.corpus.synths import SYNTH_STYLES, SynthPlan, SynthRenderer, events_of, mix_notes, place_of, plan_synth
from loopwright.errors import InputError
from loopwright.pipeline.corpus import make_synth

FLAT = Envelope(0.001, 0.1, 1.0, 0.01)
OPEN = Timbre(harmonics=analog_harmonics("saw"), amp=FLAT, filter_env=FLAT, cutoff_hz=24_000, env_octaves=0, track=0)


@pytest.mark.parametrize(
    ("text", "mode", "root", "intervals"),
    [
        ("I", "major", 0, (0, 4, 7)),
        ("vi", "major", 9, (0, 3, 7)),
        ("VI", "minor", 8, (0, 4, 7)),
        ("iv", "minor", 5, (0, 3, 7)),
        ("ii7", "major", 2, (0, 3, 7, 10)),
        ("Idom7", "major", 0, (0, 4, 7, 10)),
        ("Vsus2", "major", 7, (0, 2, 7)),
        ("bVIIM", "modal", 10, (0, 4, 7)),
        ("bIIM7", "modal", 1, (0, 4, 7, 11)),
        ("Im", "modal", 0, (0, 3, 7)),
        ("viidim", "major", 11, (0, 3, 6)),
    ],
)
def test_roman_numerals(text: str, mode: str, root: int, intervals: tuple[int, ...]) -> None:
    assert parse_numeral(text, mode) == (root, intervals)


@pytest.mark.parametrize("text", ["", "H", "Iwhat", "viii"])
def test_unknown_numerals_are_errors(text: str) -> None:
    with pytest.raises(ValueError, match=r"numeral|quality"):
        parse_numeral(text, "major")


def test_a_voicing_has_the_notes_of_its_chord_above_the_lowest() -> None:
    notes = voicing((7, (0, 4, 7)), 2, 48)  # G over tonic D is A major: A, C sharp, E
    assert {n % 12 for n in notes} == {9, 1, 4}
    assert all(48 <= n < 60 for n in notes)


def test_rhythm_strings() -> None:
    assert rhythm("x---x-..x.......") == [(0.0, 4.0), (4.0, 2.0), (8.0, 1.0)]


@pytest.mark.parametrize("style", list(PARTS))
@pytest.mark.parametrize("bars", [1, 2, 4])
def test_parts_stay_in_the_loop_and_near_the_chord(style: str, bars: int) -> None:
    chords = [(0, (0, 4, 7)), (5, (0, 4, 7))]
    inside = total = 0
    for seed in range(30):
        notes = PARTS[style](np.random.default_rng(seed), chords, 3, MAJOR, bars)
        assert notes
        for note in notes:
            assert 0 <= note.at < 16 * bars + 1  # a strum may end after the bar line; it goes round
            assert note.length > 0
            assert 20 <= note.midi <= 112
            assert 0 < note.velocity <= 1
            total += 1
            inside += (note.midi - 3) % 12 in MAJOR
        for _, start, duration, _, part in note_events(notes, "x", bars):
            assert 0 <= start < bars
            assert 0 < duration <= bars
            assert part == "x"
    assert inside / total > (0.75 if style == "bass" else 0.99)


def test_voice_leading_moves_less_than_root_positions() -> None:
    """I vi IV V and back: in root position the voices move by 26 + 11 + 6 + 21 = 64 semitones."""
    chords = [(0, (0, 4, 7)), (9, (0, 3, 7)), (5, (0, 4, 7)), (7, (0, 4, 7))]
    for seed in range(20):
        voiced = [sorted(notes) for notes in led(chords, 0, 48, np.random.default_rng(seed))]
        for notes, (root, intervals) in zip(voiced, chords, strict=True):
            assert {n % 12 for n in notes} == {(root + i) % 12 for i in intervals}
        pairs = zip(voiced, voiced[1:] + voiced[:1], strict=True)
        assert sum(abs(a - b) for x, y in pairs for a, b in zip(x, y, strict=True)) < 0.7 * 64


def spectrum_of(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    power = np.abs(np.fft.rfft(x * np.blackman(len(x)))) ** 2
    return np.fft.rfftfreq(len(x), 1 / RATE_HZ), power


def away_db(x: np.ndarray, f0: float, width: float = 0.0005, width_hz: float = 8.0) -> float:
    """Power outside the harmonics of f0 below TOP_HZ, a share `width` of it and `width_hz` to both sides, in dB of all."""
    hz, power = spectrum_of(x)
    order = np.maximum(np.round(hz / f0), 1)
    near = (np.abs(hz - order * f0) < width * order * f0 + width_hz) & (order * f0 <= TOP_HZ * 1.01)
    return float(10 * np.log10(power[~near].sum() / power.sum()))


KINDS = {
    "filter": OPEN,
    "swept": dataclasses.replace(OPEN, cutoff_hz=2000, sweep_octaves=2.0, resonance=1.0),
    "stack": dataclasses.replace(OPEN, voices=7, detune_cents=20.0),
    "fm": dataclasses.replace(OPEN, moves="fm", modulator=3, index=(6.0, 6.0)),
    "fm moving": dataclasses.replace(OPEN, moves="fm", modulator=5, index=(0.0, 8.0), sweep_octaves=1.0),
    "pluck": dataclasses.replace(OPEN, moves="pluck", damping_s=0.5),
}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("midi", [60, 91, 108])
def test_no_kind_of_oscillator_aliases(kind: str, midi: int) -> None:
    """All power lies at whole multiples of the note below 20 kHz: detuned ones within their 20 cents, moving ones within
    the side bands of the movement."""
    tone = play(KINDS[kind], midi, 2 * RATE_HZ, 1.0, np.random.default_rng(0))[4800 : 4800 + 76_800]
    moving = kind in ("swept", "fm moving")
    assert away_db(tone, frequency(midi), 0.013 if kind == "stack" else 0.0005, 80.0 if moving else 8.0) < -50


def test_an_alias_would_be_seen() -> None:
    """The same measure on a saw that is not band-limited."""
    naive = 2 * ((frequency(91) / RATE_HZ * np.arange(76_800)) % 1.0) - 1
    assert away_db(naive, frequency(91), 0.0005, 80.0) > -30


def test_oversampled_saturation_keeps_aliases_down() -> None:
    """A loop with whole cycles: what tanh adds beyond 24 kHz must not come back in between."""
    cycles = 2 * 4400
    x = (0.9 * np.sin(2 * np.pi * cycles * np.arange(BAR_SAMPLES) / BAR_SAMPLES)).astype(np.float32)

    def between_db(y: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(y)) ** 2
        power[::cycles] = 0
        return float(10 * np.log10(power.sum() / np.sum(np.abs(np.fft.rfft(y)) ** 2)))

    assert between_db(saturate(x, 5.0, oversample=4)) < -70 < -35 < between_db(saturate(x, 5.0))
    np.testing.assert_allclose(saturate(x * 0.01, 0.01, oversample=4), saturate(x * 0.01, 0.01), atol=1e-5)


def test_fm_has_the_bessel_spectrum() -> None:
    """sin(t + I sin(m t)) = sum over k of J_k(I) sin((1 + k m) t) (Chowning 1973)."""
    index, midi = 2.5, 57
    timbre = dataclasses.replace(
        OPEN, moves="fm", modulator=2, index=(index, index + 1e-9), amp=Envelope(0.001, 0.1, 1.0, 0.01)
    )
    x = play(timbre, midi, RATE_HZ, 1.0, np.random.default_rng(0))[4800 : 4800 + RATE_HZ * 4 // 5].astype(np.float64)
    time = np.arange(len(x)) / RATE_HZ
    got = [np.abs(np.mean(x * np.hanning(len(x)) * np.exp(-2j * np.pi * 220 * h * time))) * 2 for h in (1, 3, 5, 7)]
    lines = {1: special.jv(0, index) - special.jv(-1, index) * 1.0}  # 1 + 2 (-1) = -1: folded, with its sign turned
    lines |= {1 + 2 * k: special.jv(k, index) - special.jv(-(k + 1), index) for k in (1, 2, 3)}
    want = np.abs([lines[h] for h in (1, 3, 5, 7)])
    np.testing.assert_allclose(np.array(got) / got[0], want / want[0], rtol=0.02, atol=0.005)


def test_cycles_that_sound_at_another_pitch_are_told_apart() -> None:
    turn = 2 * np.pi * np.arange(600) / 600
    saw = sum(np.sin(h * turn) / h for h in range(1, 40))
    assert sounds_at_its_pitch(saw)
    assert sounds_at_its_pitch(sum(np.sin(h * turn) / h for h in range(1, 40, 2)))  # a square: odd harmonics alone
    assert not sounds_at_its_pitch(saw[(2 * np.arange(600)) % 600])  # two periods: an octave up
    assert not sounds_at_its_pitch(saw[(3 * np.arange(600)) % 600])  # a twelfth up
    assert not sounds_at_its_pitch(np.sin(9 * turn) + 0.1 * np.sin(turn))
    assert not sounds_at_its_pitch(np.zeros(600))


def test_a_plucked_string_loses_its_high_harmonics_first_and_stays_in_tune() -> None:
    x = play(dataclasses.replace(KINDS["pluck"], damping_s=0.4), 60, RATE_HZ, 1.0, np.random.default_rng(0))
    f0 = frequency(60)

    def level(h: int, at_s: float) -> float:
        segment = x[int(at_s * RATE_HZ) :][:4800]
        tone = np.exp(-2j * np.pi * h * f0 * np.arange(4800) / RATE_HZ)
        return float(20 * np.log10(np.abs(np.mean(segment * np.hanning(4800) * tone))))

    fall = [level(h, 0.05) - level(h, 0.25) for h in (1, 10)]
    assert fall[1] - fall[0] == pytest.approx(60 * 0.2 / 0.4, abs=3)


def test_a_slide_begins_at_the_other_note_and_ends_on_its_own() -> None:
    timbre = dataclasses.replace(OPEN, harmonics=analog_harmonics("sine"), glide_s=0.05)
    x = play(timbre, 57, RATE_HZ, 1.0, np.random.default_rng(0), slide=-12)
    crossings = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0)).astype(float)
    exact = crossings + x[crossings.astype(int)] / (x[crossings.astype(int)] - x[crossings.astype(int) + 1])
    hz = RATE_HZ / np.diff(exact)
    middle_s = (exact[:-1] + exact[1:]) / 2 / RATE_HZ
    np.testing.assert_allclose(hz, 220 * 2 ** -np.exp(-middle_s / 0.05), rtol=5e-3)
    assert 110 < hz[0] < 130
    assert hz[-5:] == pytest.approx(220, rel=1e-4)


def test_vibrato_swings_about_the_note_by_its_depth() -> None:
    timbre = dataclasses.replace(OPEN, harmonics=analog_harmonics("sine"), vibrato_cents=20.0, vibrato_hz=5.0)
    x = play(timbre, 69, 2 * RATE_HZ, 1.0, np.random.default_rng(0))[RATE_HZ // 2 : 2 * RATE_HZ - RATE_HZ // 10]
    crossings = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
    exact = crossings + x[crossings] / (x[crossings] - x[crossings + 1])
    cents = 1200 * np.log2(RATE_HZ / np.diff(exact) / 440)
    assert cents.max() == pytest.approx(20, abs=2)
    assert cents.min() == pytest.approx(-20, abs=2)
    assert abs(cents.mean()) < 1


def test_harmonics_of_a_saw_fall_as_one_over_k() -> None:
    cycle = 1 - 2 * np.arange(600) / 600
    a = np.abs(harmonics_of(cycle))[:20]
    np.testing.assert_allclose(a / a[0], 1 / np.arange(1, 21), rtol=0.01)
    np.testing.assert_allclose(np.abs(analog_harmonics("saw"))[:20] / np.abs(analog_harmonics("saw"))[0], 1 / np.arange(1, 21))
    square = np.abs(analog_harmonics("square"))
    np.testing.assert_allclose(square[1:20:2], 0, atol=1e-12)
    assert not harmonics_of(np.zeros(600)).any()


def test_a_waveform_played_back_is_the_waveform() -> None:
    """With the filter open, one cycle of the table is the cycle we gave, up to its mean and scale."""
    cycle = np.random.default_rng(0).standard_normal(600)
    smooth = np.fft.irfft(np.fft.rfft(cycle) * (np.arange(301) < 40), 600)
    table = tables(harmonics_of(smooth), 100.0, np.array([1e9]), 0.0, 2.0)[0]
    want = smooth - smooth.mean()
    got = np.interp(np.arange(600) / 600, np.arange(TABLE + 1) / TABLE, table)
    assert np.corrcoef(want, got)[0, 1] > 0.9999


def test_the_filter_takes_off_what_is_above_its_cutoff() -> None:
    closed = dataclasses.replace(OPEN, cutoff_hz=300, slope=4.0)

    def high(t: Timbre) -> float:
        x = play(t, 45, RATE_HZ, 0.8, np.random.default_rng(0))[:RATE_HZ]
        s = np.abs(np.fft.rfft(x)) ** 2
        return float(s[3000:].sum() / s.sum())

    assert high(closed) < 1e-4 < high(OPEN)


def test_an_envelope_rises_holds_and_ends_at_zero() -> None:
    curve = Envelope(0.01, 0.05, 0.5, 0.1).curve(RATE_HZ // 2)
    assert curve[0] == 0
    assert curve.max() == pytest.approx(1.0, abs=0.02)
    assert curve[RATE_HZ // 2 - 10] == pytest.approx(0.5, abs=0.01)
    assert curve[-1] == pytest.approx(0.0, abs=1e-3)
    assert np.abs(np.diff(curve)).max() < 0.01  # no clicks


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
    keys = defaultdict(Counter)
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


def heard_cents(x: np.ndarray, events: list[tuple[float, ...]]) -> list[float]:
    """How far partials lie from whole multiples of the notes that are said to play there (A4 = 440 Hz), in cents.

    Each note is cut out of the loop and looked at alone, so nothing here knows how it was made.
    """
    found = []
    for midi, start, duration, *_ in events:
        length = int(min(duration * BAR_SAMPLES, RATE_HZ))
        if length < 4800:
            continue
        segment = np.take(x, int(start * BAR_SAMPLES) + np.arange(length), mode="wrap") * np.hanning(length)
        power = np.log(np.abs(np.fft.rfft(segment, 1 << 18)) + 1e-9)
        for h in (1, 2, 3, 4):
            want = 440 * 2 ** ((midi - 69) / 12) * h
            low, high = (round(want * 2 ** (c / 1200) * (1 << 18) / RATE_HZ) for c in (-45, 45))
            k = low + int(power[low:high].argmax())
            if k in (low, high - 1) or power[k] < power.max() - 3.5:  # no peak of its own, or 30 dB below the loudest
                continue
            a, b, c = power[k - 1 : k + 2]
            found.append(float(1200 * np.log2((k + 0.5 * (a - c) / (a - 2 * b + c)) * RATE_HZ / (1 << 18) / want)))
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
        found += heard_cents(loop.render(), [(event[0] + 0.2, *event[1:]) for event in loop.events])
    assert np.median(found) == pytest.approx(-20, abs=3)


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
        assert soundfile.info(tmp_path / "one" / row["file"]).frames == 4 * RATE_HZ
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
