"""Who may import whom (docs/architecture.md)."""

from __future__ import annotations

import ast
from pathlib import Path

SRC = Path(__file__).resolve().parents[1] / "src" / "loopwright"
BASE = {"audio", "config", "errors", "files", "settings_diff"}
MIDDLE = {"corpus", "data", "features", "models", "vocoder", "metrics"}
TRAINING = BASE | MIDDLE | {"training"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "config": {"errors"},
    "files": {"errors"},
    "settings_diff": {"errors"},
    "audio": {"config", "errors", "files"},
    **dict.fromkeys(MIDDLE, BASE),
    "training": BASE | MIDDLE,
    "making": TRAINING,
    "measuring": TRAINING | {"making"},
    "tasks": TRAINING | {"making", "measuring"},
    "study": TRAINING | {"making", "measuring", "tasks"},
    "cli": {"study", "tasks", "measuring", "making", "errors", "config", "studio"},
    "studio": {"tasks", "measuring", "making", "errors", "config", "files", "audio"},
    "__init__": {"making"},
    "__main__": {"cli"},
}


def imports_of(path: Path) -> set[str]:
    """Top-level parts of loopwright that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{a.name}" for a in node.names] if node.module == "loopwright" else [node.module]
        found |= {name.split(".")[1] for name in names if name.startswith("loopwright.")}
    return found


def test_imports_point_down_only() -> None:
    wrong = []
    for path in sorted(SRC.rglob("*.py")):
        part = path.relative_to(SRC).parts[0].removesuffix(".py")
        for other in imports_of(path) - {part} - MAY_IMPORT[part]:
            wrong.append(f"{path.relative_to(SRC)} imports loopwright.{other}")
    assert not wrong, "\n".join(wrong)


def test_cli_and_studio_never_touch_a_tensor() -> None:
    heavy = {"torch", "matplotlib"}
    wrong = []
    for part in ("cli", "studio"):
        for path in sorted((SRC / part).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module:
                    names = [node.module]
                wrong += [f"{path.name} imports {n}" for n in names if n.split(".")[0] in heavy]
    assert not wrong, "\n".join(wrong)
