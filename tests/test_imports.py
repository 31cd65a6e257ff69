"""Who may import whom (docs/architecture.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import loopwright

SRC = Path(__file__).resolve().parents[1] / "src" / "loopwright"
BASE = {"arrays", "audio", "config", "errors", "files", "settings_diff"}
MIDDLE = {"corpus", "data", "features", "models", "vocoder", "metrics"}
TRAINING = BASE | MIDDLE | {"training"}
MAY_IMPORT: dict[str, set[str]] = {
    "arrays": set(),
    "errors": set(),
    "config": {"errors"},
    "files": {"arrays", "errors"},
    "settings_diff": {"errors"},
    "audio": {"arrays", "config", "errors", "files"},
    **dict.fromkeys(MIDDLE, BASE),
    "training": BASE | MIDDLE,
    "making": TRAINING,
    "measuring": TRAINING | {"making"},
    "tasks": TRAINING | {"making", "measuring"},
    "study": TRAINING | {"making", "measuring", "tasks"},
    "cli": {"study", "tasks", "measuring", "making", "errors", "config", "studio"},
    "studio": {"arrays", "tasks", "measuring", "making", "errors", "config", "files", "audio"},
    "__init__": {"making", "measuring", "tasks"},
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


# Modules that are imported without torch, so that loops come soon and the command line answers at once.
TORCH_FREE = [
    "__init__",
    "audio.additive",
    "audio.drum_events",
    "audio.keys",
    "audio.midi",
    "audio.note_events",
    "audio.placing",
    "audio.io",
    "audio.loudness",
    "audio.melscale",
    "audio.pghi",
    "audio.png",
    "audio.resample",
    "audio.retime",
    "audio.seam",
    "audio.spectra",
    "audio.wavmeta",
    "cli",
    "cli.directions",
    "cli.explore",
    "cli.export",
    "cli.generate",
    "cli.models",
    "cli.pack",
    "cli.styles",
    "config",
    "errors",
    "files",
    "making",
    "making.bank",
    "making.bundled",
    "making.clip",
    "making.directions",
    "making.draws",
    "making.drumkit",
    "making.engines",
    "making.find",
    "making.loop",
    "making.model",
    "making.onnx_generator",
    "making.onnx_model",
    "making.onnx_session",
    "making.onnx_ring",
    "making.pack",
    "making.picture",
    "making.places",
    "making.speaker",
    "making.styles",
    "making.tonal",
    "models.config",
    "models.modelfile",
    "vocoder.griffinlim",
    "vocoder.modelfile",
    "vocoder.render",
]
NEEDS_TORCH = ["making.export", "making.graph_parts", "making.graphs", "making.heard", "making.project", "making.torch_model"]


def imported_with(module: str) -> set[str]:
    """Which of the heavy packages a fresh Python has loaded after importing a module of ours."""
    name = "loopwright" if module == "__init__" else f"loopwright.{module}"
    code = f"import sys, {name}; print(*{{'torch', 'onnx', 'matplotlib', 'onnxruntime'}} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(run.stdout.split())


def test_what_makes_loops_is_imported_without_torch() -> None:
    """All at once, which is quick; one by one, where that fails, to say which it is."""
    there = [name for name in TORCH_FREE if is_module(name)]
    code = f"import importlib, sys; [importlib.import_module(n) for n in {[dotted(n) for n in there]!r}]; "
    code += "sys.exit(bool({'torch', 'onnx', 'matplotlib', 'onnxruntime'} & set(sys.modules)))"
    if subprocess.run([sys.executable, "-c", code], check=False).returncode:
        wrong = {name: found for name in there if (found := imported_with(name))}
        pytest.fail("\n".join(f"{name} imports {', '.join(sorted(found))}" for name, found in wrong.items()))


def test_every_module_of_making_is_on_one_of_the_two_lists() -> None:
    found = {f"making.{path.stem}" for path in (SRC / "making").glob("*.py") if path.stem != "__init__"}
    listed = {name for name in [*TORCH_FREE, *NEEDS_TORCH] if name.startswith("making.")}
    assert found - listed == set(), "say whether it needs torch"
    assert "torch" in imported_with("making.torch_model"), "the test sees torch where it is"


def is_module(name: str) -> bool:
    path = SRC.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def dotted(name: str) -> str:
    return "loopwright" if name == "__init__" else f"loopwright.{name}"


def modules_of(path: Path) -> set[str]:
    """Modules of loopwright that a file imports, in full."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    found = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.removeprefix("loopwright.") for name in found if name.startswith("loopwright.")}


def test_engines_never_import_each_other_and_only_one_file_imports_both() -> None:
    def kind(module: str) -> str | None:
        if module == "making.torch_model":
            return "torch"
        return "onnx" if module.startswith("making.onnx_") else None

    both = []
    for path in sorted(SRC.rglob("*.py")):
        name = ".".join(path.relative_to(SRC).with_suffix("").parts)
        engines = {kind(module) for module in [*modules_of(path), name]} - {None}
        if engines == {"torch", "onnx"}:
            both.append(name)
    assert both == ["making.engines"]
    for path in (SRC / "making").glob("onnx_*.py"):
        assert not {module.split(".")[0] for module in modules_of(path)} & {"training", "features"}, path.name


def test_the_public_names_are_there_and_cost_nothing_until_they_are_used() -> None:
    assert sorted(loopwright.__all__) == ["Loop", "Model", "__version__", "evaluate", "load", "prepare", "train"]
    for name in loopwright.__all__:
        assert getattr(loopwright, name) is not None
    assert loopwright.load.__module__ == "loopwright.making.engines"
    assert loopwright.Model.__module__ == "loopwright.making.model"
    with pytest.raises(AttributeError, match="no attribute 'generate'"):
        _ = loopwright.generate
    code = "import sys, loopwright; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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
