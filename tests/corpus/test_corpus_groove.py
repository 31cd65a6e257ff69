"""Performances cut into bars: MIDI written by mido, facts of the real data set from its documentation."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from corpus_material import write_midi

from loopwright.corpus.bar import BAR_SAMPLES
from loopwright.corpus.groove import ROLES, Phrase, cut_phrases, make_phrase, read_groove, read_hits
from loopwright.errors import InputError

ROLE = {36: "kick", 38: "snare", 42: "hat_closed"}


def cut(path: Path, bars: int = 1) -> list[Phrase]:
    hits, ticks = read_hits(path)
    return cut_phrases(hits, ticks, ROLE, style="rock", source="x", performer="drummer1", bars=bars)


def test_hits_keep_their_place_and_velocity(tmp_path: Path) -> None:
    """Tick t of 1920 is sample 50 t of 96,000: the tempo plays no part."""
    hits = [(3, 36, 100), (485, 38, 90), (960, 36, 80), (1447, 38, 70), (1447, 42, 20)]
    write_midi(tmp_path / "a.mid", hits)
    (bar,) = cut(tmp_path / "a.mid")
    assert bar.position.tolist() == [150, 24_250, 48_000, 72_350, 72_350]
    assert [ROLES[r] for r in bar.role] == ["kick", "snare", "kick", "snare", "hat_closed"]
    assert bar.velocity.tolist() == [100, 90, 80, 70, 20]


def test_an_early_downbeat_stays_with_its_own_bar_at_the_end_of_the_circle(tmp_path: Path) -> None:
    one = [(0, 36, 100), (480, 38, 90), (960, 36, 80), (1440, 38, 70)]
    write_midi(tmp_path / "a.mid", one + [(1920 + t - 12 * (t == 0), p, v) for t, p, v in one])
    first, second = cut(tmp_path / "a.mid")
    assert first.position.tolist() == [0, 24_000, 48_000, 72_000]
    assert second.position.tolist() == [24_000, 48_000, 72_000, BAR_SAMPLES - 600]
    assert first.key == second.key  # rounded to 1/16 they are the same bar


def test_sparse_and_unfinished_bars_are_left_out(tmp_path: Path) -> None:
    full = [(0, 36, 100), (480, 38, 90), (960, 36, 80), (1440, 38, 70)]
    sparse = [(1920, 36, 100), (1920 + 1440, 38, 90)]
    unfinished = [(3840 + t, 42, 80) for t in (0, 120, 240, 360, 480)]
    write_midi(tmp_path / "a.mid", full + sparse + unfinished)
    assert len(cut(tmp_path / "a.mid")) == 1


def test_phrases_are_bars_in_a_row_on_one_circle(tmp_path: Path) -> None:
    """Five bars make two phrases of two; in a phrase the second bar's early downbeat is no longer at the end of the circle."""
    one = [(0, 36, 100), (480, 38, 90), (960, 36, 80), (1440, 38, 70)]
    write_midi(tmp_path / "a.mid", [(1920 * bar + t - 12 * (bar > 0 and t == 0), p, v) for bar in range(5) for t, p, v in one])
    singles, pairs = cut(tmp_path / "a.mid"), cut(tmp_path / "a.mid", bars=2)
    assert len(singles) == 5
    assert [(p.bars, p.samples) for p in pairs] == [(2, 2 * BAR_SAMPLES)] * 2
    beats = [0, 24_000, 48_000, 72_000]
    assert pairs[0].position.tolist() == [*beats, BAR_SAMPLES - 600, *(BAR_SAMPLES + b for b in beats[1:])]
    assert pairs[1].position.tolist()[-1] == 2 * BAR_SAMPLES - 600  # its own first downbeat, early
    assert pairs[0].keys == (singles[0].key, singles[1].key)


def test_a_phrase_with_a_sparse_bar_is_left_out(tmp_path: Path) -> None:
    full = [(t, 36, 100) for t in (0, 480, 960, 1440)]
    write_midi(tmp_path / "a.mid", full + [(1920, 36, 100), (3360, 36, 100)] + [(t + 3840, p, v) for t, p, v in full])
    assert len(cut(tmp_path / "a.mid")) == 2
    assert cut(tmp_path / "a.mid", bars=2) == []


def test_pads_without_a_role_are_ignored(tmp_path: Path) -> None:
    write_midi(tmp_path / "a.mid", [(t, 99, 100) for t in range(0, 1900, 100)])
    assert cut(tmp_path / "a.mid") == []


def test_only_four_four_is_used_and_styles_are_joined(mini_groove: Path) -> None:
    bars = read_groove(mini_groove)
    assert Counter(b.split for b in bars) == {"train": 36, "validation": 12, "test": 12, "locked": 12}
    assert {b.style for b in bars if b.split == "train"} == {"rock", "funk"}  # punk is rock here
    assert all(b.source.startswith("groove/d/s/") for b in bars)


@pytest.mark.parametrize("content", [b"", b"MThd", b"not a midi file at all", None])
def test_a_broken_or_missing_performance_is_reported_and_the_rest_read(
    mini_groove: Path, tmp_path: Path, content: bytes | None
) -> None:
    folder = tmp_path / "mit Umläuten und Leerzeichen"
    shutil.copytree(mini_groove, folder)
    victim = folder / "d/s/1.mid"
    victim.unlink()
    if content is not None:
        victim.write_bytes(content)
    skipped: list[str] = []
    bars = read_groove(folder, on_skip=skipped.append)
    assert len(bars) == 60
    assert len(skipped) == 1
    assert "1.mid" in skipped[0]


def test_a_truncated_performance_is_reported(mini_groove: Path, tmp_path: Path) -> None:
    folder = tmp_path / "g"
    shutil.copytree(mini_groove, folder)
    data = (folder / "d/s/0.mid").read_bytes()
    (folder / "d/s/0.mid").write_bytes(data[: len(data) // 2])
    skipped: list[str] = []
    read_groove(folder, on_skip=skipped.append)
    assert len(skipped) == 1


def test_a_folder_that_is_not_groove_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file .*pitch_map\.csv"):
        read_groove(tmp_path)
    (tmp_path / "pitch_map.csv").write_text("pitch,role\n36,kick\n")
    (tmp_path / "info.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"info\.csv has no column"):
        read_groove(tmp_path)
    (tmp_path / "pitch_map.csv").write_text("pitch,role\n36,gong\n")
    with pytest.raises(InputError, match="unknown roles"):
        read_groove(tmp_path)


def test_positions_go_round_and_velocities_stay_in_range() -> None:
    bar = make_phrase([(-100, "kick", 300, 0), (96_010, "snare", -5, 0)], style="s", split="train", source="x")
    assert bar.position.tolist() == [10, 95_900]
    assert bar.velocity.tolist() == [1, 127]


@pytest.mark.shared
@pytest.mark.slow
def test_the_real_data_set_gives_the_documented_bars(real_bars: list[Phrase]) -> None:
    """Its documentation counts bars by drummer in beats: 5461, 1360, 698, 135, 3921, 639, 2447, 5000, 444, 504; with fills and
    by another rule for the last bar ours are a few more. Every far side has two performers."""
    counts = Counter(bar.performer for bar in real_bars)
    documented = {1: 5461, 2: 1360, 3: 698, 4: 135, 5: 3921, 6: 639, 7: 2447, 8: 5000, 9: 444, 10: 504}
    for drummer, number in documented.items():
        assert number - 5 <= counts[f"drummer{drummer}"] <= 1.15 * number
    sides = defaultdict(set)
    for bar in real_bars:
        sides[bar.split].add(bar.performer)
    assert {side: len(who) for side, who in sides.items()} == {"train": 4, "validation": 2, "test": 2, "locked": 2}
    assert sum(map(len, sides.values())) == 10  # nobody on two sides
    far = Counter(bar.split for bar in real_bars)
    assert min(far.values()) > 900
    # human time: hits are near the grid but seldom on it
    position = np.concatenate([b.position for b in real_bars])
    off = np.abs((position + 3000) % 6000 - 3000) / 48
    assert 5 < np.median(off) < 40  # ms at 120 BPM
