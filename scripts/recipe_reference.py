"""Write docs/recipes.md: every key of a recipe with its default and its comment, and every recipe of the package.

Run: python scripts/recipe_reference.py [--check]   (--check: exit 1 if the page is not up to date)
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

from loopwright.models import config
from loopwright.training import recipe as module

REPO = Path(__file__).resolve().parents[1]
PAGE = REPO / "docs" / "recipes.md"
RECIPES = REPO / "src" / "loopwright" / "recipes"
INTRO = """# Recipes

A recipe is a TOML file: what to train, and how. `loopwright train gan DATA --recipe NAME` takes the name of one below or a path
to your own. `base = "house"` begins from another recipe; unknown keys are errors; `--set train.batch=8` changes one key.
A run keeps its whole recipe; `train.kimg`, `train.tick_kimg` and `train.eval_kimg` may change when it is continued.

`discriminator.networks` may name `general`: the network that `discriminator.general` says, `yamnet` unless you bring VGGish
(`loopwright features import`) and set `general = "vggish"`. `random:` before a name gives it random weights.

This page is made by scripts/recipe_reference.py.
"""


def comments() -> dict[tuple[str, str], str]:
    """(class, field) -> the comment behind the field, and behind its following lines."""
    found = {}
    for file in (config, module):
        source = Path(str(file.__file__)).read_text(encoding="utf-8")
        lines = source.splitlines()
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef):
                for item in node.body:
                    if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                        line = lines[item.end_lineno - 1] if item.end_lineno else ""
                        found[node.name, item.target.id] = line.partition("  # ")[2]
    return found


def page() -> str:
    parts = [INTRO]
    notes = comments()
    for name, field in module.Recipe.model_fields.items():
        if name == "name":
            continue
        cls = field.annotation
        assert cls is not None
        parts.append(f"\n## [{name}]\n\n{(cls.__doc__ or '').strip()}\n\n| key | default | |\n|---|---|---|\n")
        defaults = cls().model_dump(mode="json")
        for key, value in defaults.items():
            parts.append(f"| `{key}` | `{json.dumps(value)}` | {notes.get((cls.__name__, key), '')} |\n")
    parts.append("\n## Recipes of the package\n\n| name | |\n|---|---|\n")
    for path in sorted(RECIPES.rglob("*.toml")):
        text = path.read_text(encoding="utf-8").splitlines()
        about = []
        for line in text:
            if not line.startswith("#"):
                break
            about.append(line.lstrip("# "))
        parts.append(f"| `{path.relative_to(RECIPES).with_suffix('')}` | {' '.join(about)} |\n")
    return "".join(parts)


def main() -> None:
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page() else 1)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
