"""What the measures are called in tables and charts, which way is better, and how many decimals they deserve."""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """Heading, "up" or "down" for what is better ("" for neither), decimals."""

    title: str
    better: str
    decimals: int


BY_JUDGE = {
    "is": Column("IS", "up", 2),
    "is10": Column("IS in ten splits", "up", 2),
    "fad": Column("FAD", "down", 3),
    "fad_inf": Column("FAD-inf", "down", 3),
    "kad": Column("KAD", "down", 3),
    "precision": Column("precision", "up", 3),
    "recall": Column("recall", "up", 3),
    "density": Column("density", "up", 3),
    "coverage": Column("coverage", "up", 3),
    "pairs": Column("pair distance / real", "", 3),
    "ndb": Column("NDB/k", "down", 3),
    "jsd": Column("JSD", "down", 3),
}
LOOP_MEASURES = {
    "click_share": Column("clicks at the wrap", "", 3),
    "wrap": Column("wrap step (rank)", "", 3),
    "seam": Column("seam flux, log2", "", 2),
    "end_db": Column("end level, dB", "", 1),
    "beat": Column("beat period", "", 3),
    "half_bar": Column("half-bar period", "", 3),
    "grid": Column("grid", "", 3),
}
LOOP_DISTANCES = {
    "onset_jsd": Column("onset JSD", "down", 4),
    "ks_wrap": Column("wrap", "down", 3),
    "ks_seam": Column("seam", "down", 3),
    "ks_end_db": Column("end", "down", 3),
    "ks_beat": Column("beat", "down", 3),
    "ks_half_bar": Column("half-bar", "down", 3),
    "ks_grid": Column("grid", "down", 3),
}
# Medians over the loops they apply to, but for shares of loops and the spread.
MUSIC_NOTES = {
    "loops_with_notes": Column("loops with notes", "", 2),
    "note_share": Column("frames with a note", "", 2),
    "notes": Column("notes a frame", "", 2),
    "tuning_r": Column("R on the semitone grid", "", 2),
    "cents_off": Column("cents off A440", "", 1),
    "in_key": Column("share in key", "", 2),
    "entropy": Column("pitch-class entropy, bits", "", 2),
}
MUSIC_SOUND = {
    "rise_db": Column("rise in 5 ms, dB", "", 1),
    "attack_db": Column("rise of every attack, dB", "", 1),
    "early": Column("energy in a hit's first 20 ms", "", 2),
    "pre_db": Column("before a hit, dB", "", 1),
    "crest_db": Column("crest, dB", "", 1),
    "level_db": Column("level, dB", "", 1),
    "level_spread_db": Column("spread of levels, dB", "", 1),
    "onsets": Column("onsets a bar", "", 1),
    "grid_ms": Column("off the grid, ms", "", 1),
    "swing": Column("swing, %", "", 1),
}
MUSIC_DISTANCES = {
    "ks_note_share": Column("frames with a note", "down", 2),
    "ks_notes": Column("notes", "down", 2),
    "ks_tuning_r": Column("R", "down", 2),
    "ks_tuning_offset": Column("cents off", "down", 2),
    "ks_in_key": Column("in key", "down", 2),
    "ks_entropy": Column("entropy", "down", 2),
    "ks_rise_db": Column("rise", "down", 2),
    "ks_crest_db": Column("crest", "down", 2),
    "ks_pre_db": Column("before a hit", "down", 2),
    "ks_level_db": Column("level", "down", 2),
    "ks_onsets": Column("onsets", "down", 2),
    "ks_grid_ms": Column("off the grid", "down", 2),
    "ks_swing": Column("swing", "down", 2),
}
