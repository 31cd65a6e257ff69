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
    "fad": Column("FAD", "down", 3),
    "fad_inf": Column("FAD-inf", "down", 3),
    "kad": Column("KAD", "down", 3),
    "precision": Column("precision", "up", 3),
    "recall": Column("recall", "up", 3),
    "density": Column("density", "up", 3),
    "coverage": Column("coverage", "up", 3),
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
