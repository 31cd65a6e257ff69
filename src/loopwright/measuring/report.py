"""The one writer of tables: cells of values with their error, and Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from loopwright.measuring.results import Estimate

NOTHING = "–"  # not measured
TAUGHT = "†"  # beside a score by a network that taught the model
TAUGHT_LATEX = r"$\dagger$"
ARROWS = {"up": "↑", "down": "↓"}


def cell(value: Estimate | None, decimals: int, *, single: bool = False, error: bool = True, plus_minus: str = "±") -> str:
    """`1.23 [1.10, 1.36]`, `1.23 ± 0.13` over seeds, or a dash. No zero has a sign.

    `single`: brackets of no width say nothing and are left out. `error`: print it at all.
    """
    if value is None:
        return NOTHING
    text = f"{value.value:z.{decimals}f}"
    if not error:
        return text
    if value.spread is not None:
        return f"{text} {plus_minus} {value.spread:.{decimals}f}"
    if value.low is None or value.high is None or (single and value.low == value.high):
        return text
    return f"{text} [{value.low:z.{decimals}f}, {value.high:z.{decimals}f}]"


def number(value: float | None, suffix: str = "") -> str:
    """Three digits, or a dash."""
    return NOTHING if value is None else f"{value:.3g}{suffix}"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """A table with its first `left` columns to the left, the others to the right."""
    rule = ["---"] * left + ["--:"] * (len(head) - left)
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(rule) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def taught(judge: str, networks: Sequence[str]) -> bool:
    """Whether a judge is among the networks that taught a model. The same weights teach through a bridge or directly."""
    return judge in {name.removeprefix("direct:") for name in networks}


def taught_note(judges: Sequence[str], *, sign: str = TAUGHT) -> str:
    """The line under a table with such scores; "" for no judges."""
    if not judges:
        return ""
    return (
        f"{sign} by a network that taught the model ({', '.join(judges)}): it was trained to please it. Believe the others.\n"
    )
