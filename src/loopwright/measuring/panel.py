"""A panel of judges over the rows of a table, as a page: ranks by family, without those that taught, and where all agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from loopwright import metrics
from loopwright.arrays import Float64
from loopwright.measuring.report import NOTHING, TAUGHT, markdown_table
from loopwright.measuring.results import Estimate

MEASURE = "kad"


def panel_page(rows: Mapping[str, Mapping[str, Estimate]], taught_by: Mapping[str, Sequence[str]]) -> str:
    """Ranks of rows by KAD, family by family, as Markdown; "" if fewer than two families judged or there is one row only.

    Args:
        rows: values of each row, in which "kad/yamnet" and so on count.
        taught_by: networks that taught a row; rows that are not named were taught by none.
    """
    judges = list(dict.fromkeys(key.split("/")[1] for values in rows.values() for key in values if key.startswith("kad/")))
    known = {name for names in metrics.FAMILIES.values() for name in names}
    judges = [judge for judge in judges if judge in known or judge.startswith("random:")]
    teachers = {
        row: [n for n in names if _plain(n) in known or _is_random(n)] for row, names in taught_by.items() if row in rows
    }
    if len(rows) < 2 or len({metrics.family_of(judge) for judge in judges}) < 2:
        return ""
    scores = np.array([[_value(values.get(f"{MEASURE}/{judge}")) for judge in judges] for values in rows.values()])
    panel = metrics.rank_by_families(scores, list(rows), judges, taught_by=teachers)
    return "\n".join([_ranks(panel, judges), _agreement(panel), _findings(panel)])


def _plain(network: str) -> str:
    return network.removeprefix("direct:")


def _is_random(network: str) -> bool:
    return _plain(network).startswith("random:")


def _value(estimate: Estimate | None) -> float:
    return np.nan if estimate is None else estimate.value


def _ranks(panel: metrics.Panel, judges: Sequence[str]) -> str:
    """Ranks by family; the mean over families that taught none of the rows compares all rows by the same witnesses."""
    impartial = [i for i in range(len(panel.families)) if not panel.taught[i].any()]
    lines = []
    for i, row in enumerate(panel.rows):
        cells = []
        for rank, by in zip(panel.ranks[:, i], panel.taught[:, i], strict=True):
            cells.append(NOTHING if np.isnan(rank) else f"{rank:g}{f' {TAUGHT}' if by else ''}")
        lines.append([row, *cells, _mean(panel.ranks[:, i]), _mean(panel.ranks[impartial, i])])
    by_family = {family: [j for j in judges if metrics.family_of(j) == family] for family in panel.families}
    who = "; ".join(f"{family}: {', '.join(names)}" for family, names in by_family.items())
    return (
        f"Ranks by KAD, 1 is nearest to the reference; they know no intervals. {who}.\n\n"
        + markdown_table(["", *panel.families, "mean rank", "mean rank, families that taught no row"], lines)
        + (f"\n{TAUGHT} this family taught the row.\n" if panel.taught.any() else "")
    )


def _mean(ranks: Float64) -> str:
    known = ranks[np.isfinite(ranks)]
    return f"{known.mean():.2f}" if len(known) else NOTHING


def _agreement(panel: metrics.Panel) -> str:
    """Kendall's tau between families."""
    lines = []
    for (a, b), found in panel.kendall.items():
        tau = NOTHING if np.isnan(found.tau) else f"{found.tau:z.2f}"
        lines.append([f"{a} and {b}", tau, NOTHING if np.isnan(found.p) else f"{found.p:.2g}", str(found.rows)])
    return markdown_table(["families", "Kendall's tau", "p", "rows"], lines)


def _findings(panel: metrics.Panel) -> str:
    """Orders of two rows that all families hold which taught neither, and which families these are."""
    if not panel.agreed:
        return "No order of two rows holds for every family that taught neither.\n"
    number = {row: i for i, row in enumerate(panel.rows)}
    lines = []
    for better, worse in panel.agreed:
        both = [number[better], number[worse]]
        names = [
            family
            for family, ranks, taught in zip(panel.families, panel.ranks, panel.taught, strict=True)
            if np.isfinite(ranks[both]).all() and not taught[both].any()
        ]
        lines.append(f"* {better} is nearer than {worse} ({len(names)} of {len(panel.families)}: {', '.join(names)})\n")
    return f"Orders that hold for every family that taught neither of the two:\n\n{''.join(lines)}"
