"""Which side of the split everything belongs to that a loop can be made of: kits, performers, waveforms, instruments.

No two sides share any of it. What is not named here trains. `locked` is a second test that no choice ever looks at.
"""

from __future__ import annotations

from collections.abc import Sequence

from loopwright.config import SPLITS

SHARES = {"train": 0.76, "validation": 0.08, "test": 0.08, "locked": 0.08}
ROUND = 25  # loops in which the shares come out as whole numbers


def _sides(**names: str) -> dict[str, str]:
    return {name: side for side, text in names.items() for name in text.split()}


# The three gogodze are one kit under three microphones. Each far side has an acoustic kit, two machines and a ride.
KIT_SIDES = _sides(
    validation="sonicpi_acoustic minimal_cc0 freesound_electro",
    test="pearl_master house_dwsd sonicpi_electric cajon_bobobo minimal_by",
    locked="gogodze_close gogodze_room gogodze_retro tr909_noisecollector nord_menegass freesound_mixed",
)
PERFORMER_SIDES = _sides(
    validation="drummer2 drummer4",
    test="drummer3 drummer9",
    locked="drummer6 drummer10",
)
# Each side has plain, analogue, played and odd waveforms.
GROUP_SIDES = _sides(
    validation="0005 0015 aguitar bw_sawrounded ebass fmsynth piano flute vgamebasic",
    test="0010 0016 eguitar bw_squrounded dbass overtone epiano clavinet cello hvoice",
    locked="0003 0019 bw_sawgap linear c604 theremin violin oboe stringbox symetric snippets",
)
INSTRUMENT_SIDES = _sides(validation="sonicpi_bass", test="synth_bass_lead")
# Two-operator FM by the modulator's multiple of the note. The carrier is the note itself, or another pitch would be heard.
FM_SIDES = {
    **dict.fromkeys((1, 2, 4, 6, 8, 12), "train"),
    **dict.fromkeys((3, 9), "validation"),
    **dict.fromkeys((5, 10), "test"),
    **dict.fromkeys((7, 11), "locked"),
}


def side_of(name: str, table: dict[str, str]) -> str:
    """The side of a name; "train" if the table does not have it."""
    return table.get(name, "train")


def counts_of(n: int) -> dict[str, int]:
    """How many of n loops each side gets; what rounding leaves goes to training."""
    counts = {side: round(n * share) for side, share in SHARES.items()}
    counts["train"] += n - sum(counts.values())
    return counts


def turns() -> Sequence[str]:
    """Sides of ROUND loops in a row, the far ones spread among the others."""
    out = ["train"] * ROUND
    for i, side in enumerate(SPLITS[1:]):
        out[4 + 4 * i], out[16 + 3 * i] = side, side
    return out
