"""The two ways in which adversarial training fails, seen from a tick's numbers (the poster's cases A and B).

* collapse: the generator makes few things. Its bars lie closer together than half the distance of real ones, or (where it
  was measured) cover under a tenth of held-out ones although fakes look real enough to be near some.
* dominance: the discriminator has won. Nearly all its logits lie beyond the hinge's margin, so nothing pulls at it any
  more, and what the generator gets is no longer about sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NARROW = 0.5  # share of real bars' mean distance
SATURATED = 0.9  # share of logits beyond the margin
COVERED, DENSE = 0.1, 0.3


def collapse(row: Mapping[str, Any]) -> bool:
    """Whether a tick's row looks like mode collapse."""
    fake, real = row.get("pairwise/fake"), row.get("pairwise/real")
    if fake is not None and real and fake < NARROW * real:
        return True
    judges = [key.removeprefix("coverage/") for key in row if key.startswith("coverage/")]
    return any(row[f"coverage/{j}"] < COVERED and row.get(f"density/{j}", 0.0) > DENSE for j in judges)


def dominance(row: Mapping[str, Any]) -> bool:
    """Whether a tick's row looks like a discriminator that has won."""
    return row.get("saturation", 0.0) > SATURATED
