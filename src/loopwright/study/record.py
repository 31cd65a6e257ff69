"""A record of a study: what a later session or another machine needs to go on, without the weights.

One small JSON file for each finished run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from loopwright.errors import ConfigError
from loopwright.files import write_json
from loopwright.measuring.results import FILE, Estimate, Evaluation
from loopwright.settings_diff import flat
from loopwright.study.config import RowConfig, StudyConfig, folder_name
from loopwright.study.results import Curve
from loopwright.training.recipe import Recipe, parse_recipe
from loopwright.training.runs import RunFolder


class Recorded(BaseModel, frozen=True, extra="forbid"):
    """One run in a record."""

    recipe: dict[str, Any]
    env: dict[str, Any]
    ticks: list[dict[str, Any]]
    real: dict[str, float | str]
    final: dict[str, dict[str, Estimate]]
    failure: str


def write_record(record: Path, row: RowConfig, curve: Curve) -> None:
    """Keep a finished run, or the reason why there is none."""
    kept = Recorded(**{name: getattr(curve, name) for name in Recorded.model_fields})
    write_json(record / "runs" / f"{folder_name(row, curve.seed)}.json", kept.model_dump(mode="json", exclude_none=True))


def read_record(record: Path, number: int, row: RowConfig, seed: int) -> Curve | None:
    """The run as a record has it, or None. Raises ConfigError if it cannot be read."""
    path = record / "runs" / f"{folder_name(row, seed)}.json"
    if not path.exists():
        return None
    try:
        kept = Recorded.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(f"{path} is not a recorded run ({error}). Remove it to train this run again.") from error
    return Curve(number, row.label, row.name, seed, **{name: getattr(kept, name) for name in Recorded.model_fields})


def check_recipe(recorded: Curve, recipe: Recipe) -> None:
    """A record may come from another machine or version, but not from another recipe. Raises ConfigError if it does."""
    have = flat(parse_recipe(recorded.recipe, f"of the recorded row {recorded.label}").model_dump(mode="json"))
    want = flat(recipe.model_dump(mode="json"))
    differ = [k for k in sorted(have.keys() | want.keys()) if have.get(k) != want.get(k) and k != "train.bf16"]
    if differ and recorded.recipe:
        shown = ", ".join(f"{k}: {have.get(k)} -> {want.get(k)}" for k in differ[:6])
        raise ConfigError(
            f"the record has row {recorded.label}, seed {recorded.seed}, with other settings ({shown}). "
            "Use another --record, or remove that run from it."
        )


def run_in(folder: Path) -> Path | None:
    """The run in a row's folder, if it was begun."""
    found = sorted(p.parent for p in folder.glob("*/config.json"))
    return found[-1] if found else None


def read_run(folder: Path, number: int, row: RowConfig, seed: int) -> Curve:
    """What lies in the folder of a row and seed, as far as it came."""
    curve = Curve(number, row.label, row.name, seed)
    run = run_in(folder)
    if run is not None:
        files = RunFolder(run)
        curve.ticks = files.read_metrics()
        curve.recipe = _json(files.config)["recipe"]
        curve.env, curve.real = _json(run / "env.json"), _json(run / "baseline.json")
        if (run / "evaluation" / FILE).exists():
            curve.final = {one.kind: one.values for one in Evaluation.read(run / "evaluation").rows}
    failure = folder / "failure.txt"
    if failure.exists():
        curve.failure = failure.read_text(encoding="utf-8").strip()
    return curve


def _json(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return values


def keep_settings(path: Path, study: StudyConfig) -> None:
    """A folder holds one study: settings may not change under its runs, but seeds, rows, budget and titles may.

    Raises ConfigError if they did.
    """
    keep = study.model_dump(mode="json")
    if path.exists():
        before = _json(path)
        changed = [key for key in ("set", "baseline", "judge") if before.get(key) != keep[key]]
        old = {row["label"]: row for row in before.get("row", [])}
        changed += [
            f"row {row['label']}"
            for row in keep["row"]
            if row["label"] in old and old[row["label"]] | {"title": row["title"]} != row
        ]
        if changed:
            raise ConfigError(
                f"{path.parent} holds this study with another {', '.join(changed)}. Choose another --out, or put it back."
            )
    write_json(path, keep)
