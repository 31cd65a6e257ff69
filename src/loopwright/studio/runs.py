"""Training runs to look at: curves and samples, read from their folders."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from loopwright.errors import InputError

SAMPLE = re.compile(r"[A-Za-z0-9._+-]{1,80}\.(png|wav)")
MOST_ROWS = 4000


class Runs:
    """The run folders under `root` (or one run folder itself). They are found by listing, never by a name from a request."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise InputError(f"no folder {root}. Give --runs the folder that your training writes to.")

    def _folders(self) -> dict[str, Path]:
        found = [path.parent for path in (*self.root.glob("config.json"), *self.root.glob("*/config.json"))]
        found += [path.parent for path in self.root.glob("*/*/config.json")]
        out: dict[str, Path] = {}
        for path in sorted(found):
            inside = path.relative_to(self.root).parts if path != self.root else (path.name,)
            out["~".join(inside)] = path
        return out

    def models(self) -> dict[str, Path]:
        """Run -> its best model, where there is one."""
        paths = {key: path / "checkpoints" / "best.safetensors" for key, path in self._folders().items()}
        return {key: path for key, path in paths.items() if path.is_file()}

    def _folder(self, run_id: str) -> Path:
        path = self._folders().get(run_id)
        if path is None:
            raise InputError(f"no run '{run_id[:80]}' here.")
        return path

    def listing(self) -> list[dict[str, Any]]:
        """All runs, newest first."""
        out = []
        for key, path in self._folders().items():
            metrics = path / "metrics.jsonl"
            changed = metrics.stat().st_mtime if metrics.exists() else path.stat().st_mtime
            rows = self._rows(path)
            out.append({"id": key, "changed": changed, "kimg": rows[-1].get("kimg", 0) if rows else 0, "rows": len(rows)})
        return sorted(out, key=lambda run: -run["changed"])

    def _rows(self, path: Path) -> list[dict[str, Any]]:
        try:
            lines = (path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        rows = []
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:  # the last line may be half written
                break
            if isinstance(row, dict):
                rows.append(_numbers(row))
        return rows

    def detail(self, run_id: str) -> dict[str, Any]:
        """Metrics (thinned evenly if there are thousands), baseline, names of samples. Raises InputError."""
        path = self._folder(run_id)
        rows = self._rows(path)
        step = -(-len(rows) // MOST_ROWS) if rows else 1
        samples = sorted(p.name for p in (path / "samples").glob("*") if SAMPLE.fullmatch(p.name))
        return {"id": run_id, "rows": rows[::step], "baseline": _json(path / "baseline.json"), "samples": samples[-2000:]}

    def sample(self, run_id: str, name: str) -> Path:
        """Path of one of the samples that `detail` lists. Raises InputError."""
        folder = self._folder(run_id) / "samples"
        names = {p.name: p for p in folder.glob("*") if SAMPLE.fullmatch(p.name)}
        if name not in names:
            raise InputError(f"no sample '{name[:80]}' in this run.")
        return names[name]


def _json(path: Path) -> dict[str, float]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return _numbers(value) if isinstance(value, dict) else {}


def _numbers(row: dict[str, Any]) -> dict[str, float]:
    """The finite numbers of a row: JSON has no others."""
    return {k: v for k, v in row.items() if isinstance(v, int | float) and math.isfinite(v)}
