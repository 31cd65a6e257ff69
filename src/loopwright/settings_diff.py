"""One refusal for everything that was begun with other settings: run folders, checkpoints, records, corpora, prepared folders.

Beneath all parts, since data, training and studies all need it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from loopwright.errors import ConfigError, LoopwrightError

SHOWN = 6  # differences that a message names
LONGEST = 48  # characters of a value that it shows


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted keys.

    >>> flat({"train": {"batch": 8}, "name": "tiny"})
    {'train.batch': 8, 'name': 'tiny'}
    """
    out: dict[str, Any] = {}
    for key, value in values.items():
        out |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {prefix + key: value}
    return out


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], *, may_change: Collection[str] = ()
) -> dict[str, tuple[Any, Any]]:
    """Dotted keys whose values differ, with both values, as JSON has them; what is absent is None.

    >>> differences({"lr": 0.1, "sizes": [1, 2]}, {"lr": 0.2, "sizes": (1, 2), "steps": 9}, may_change={"steps"})
    {'lr': (0.1, 0.2)}
    """
    have, want = (flat(json.loads(json.dumps(values))) for values in (before, now))
    keys = [key for key in dict.fromkeys([*want, *have]) if key not in may_change]
    return {key: (have.get(key), want.get(key)) for key in keys if have.get(key) != want.get(key)}


def refuse_other_settings(
    what: object,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    *,
    instead: str,
    may_change: Collection[str] = (),
    error: type[LoopwrightError] = ConfigError,
) -> None:
    """Raise `error`, naming the differences, if `what` was begun with settings `before` that are not those of `now`.

    `instead` ends the message: what the user can do. Keys in `may_change` (dotted) are not looked at.
    """
    found = differences(before, now, may_change=may_change)
    if not found:
        return
    shown = [f"{key}: {_short(old)} -> {_short(new)}" for key, (old, new) in found.items()]
    more = f", and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    raise error(f"{what} was begun with other settings ({', '.join(shown[:SHOWN])}{more}). {instead}")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
