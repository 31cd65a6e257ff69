"""Which rows train, validate and test: whole sources, drawn by a hash of their name, so that more files move none."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

FEW_SOURCES = 400  # up to here the shares are met exactly by rank; above, by a threshold
FEWEST_SOURCES = 10  # with fewer folders than this, files are the unit
HELD_OUT = 20  # validation rows that training measures itself against, if there are so many ...
MOST_HELD_OUT = 0.2  # ... and never more than this share

Record = dict[str, Any]


def share_of(source: str, seed: int) -> float:
    """A number in [0, 1) that depends on the source's name and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{source}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def make_splitter(
    records: Iterable[Record], *, test_share: float, validation_share: float, seed: int = 0
) -> Callable[[Record], str]:
    """A function record -> "train", "validation" or "test" for records without a split of their own.

    Rows of one `source` stay together. If there are fewer than 10 sources, each file is one (a single folder would otherwise be
    all of a split). With up to 400 units the shares are met by rank, at least one unit each if there are three;
    with more, by a threshold, which needs no memory. A small folder gives validation more than its share: units until there
    are 20 rows, or a fifth of all.
    """
    sources: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for record in records:
        if record.get("split"):
            continue
        sources[str(record["source"])] += 1
        if len(sources) <= FEWEST_SOURCES and len(files) <= FEW_SOURCES:
            files[str(record["file"])] += 1
        if len(sources) > FEW_SOURCES:
            break
    field = "file" if len(sources) < FEWEST_SOURCES < len(files) or len(sources) < 3 <= len(files) else "source"
    units = files if field == "file" else sources
    ranked: dict[str, str] = {}
    if len(units) <= FEW_SOURCES:
        order = sorted(units, key=lambda unit: (share_of(unit, seed), unit))
        shares = {"test": test_share, "validation": validation_share}
        counts = {name: max(round(share * len(order)), 1 if share > 0 else 0) for name, share in shares.items()}
        if len(order) < 3:  # too few to give any away
            counts = dict.fromkeys(counts, 0)
        elif counts["validation"]:
            counts["validation"] = _enough(units, order[counts["test"] :], counts["validation"])
        names = ["test"] * counts["test"] + ["validation"] * counts["validation"]
        ranked = dict(zip(order, names + ["train"] * (len(order) - len(names)), strict=True))

    def split_of(record: Record) -> str:
        unit = str(record[field])
        if ranked:
            return ranked[unit]
        value = share_of(unit, seed)
        if value < test_share:
            return "test"
        return "validation" if value < test_share + validation_share else "train"

    return split_of


def _enough(rows: Mapping[str, int], order: list[str], least: int) -> int:
    """How many of the units from the front make up enough validation rows, at least `least` of them."""
    wanted, most = HELD_OUT, MOST_HELD_OUT * sum(rows.values())
    held, count = 0, 0
    for unit in order:
        if count >= least and (held >= wanted or held + rows[unit] > most):
            break
        held, count = held + rows[unit], count + 1
    return count
