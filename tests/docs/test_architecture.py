"""Names in docs/architecture.md exist in the code, and every room has its row and its tests."""

from __future__ import annotations

import ast
import re
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
SRC = REPO / "src" / "loopwright"
PAGE = (REPO / "docs" / "architecture.md").read_text(encoding="utf-8")
TICKED = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", PAGE, flags=re.M | re.S))
ROOMS = sorted(path.parent.name for path in SRC.glob("*/__init__.py"))


def defined() -> dict[str, set[str]]:
    """Names that a module defines at its top or in its classes, by module: `audio.io` -> {read_audio, Audio, ...}."""
    out = {}
    for path in SRC.rglob("*.py"):
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(node.name)
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        out[".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")] = names
    return out


DEFINED = defined()
EVERYTHING = set().union(*DEFINED.values())


def unknown(name: str) -> bool:
    """Whether `name` looks like a file, a class or a function of ours and is none."""
    if re.fullmatch(r"(docs|scripts|tests)/[\w/.-]+", name):
        return not (REPO / name).exists()
    if re.fullmatch(r"[a-z_]+(/[\w]+)*(\.py|/)", name):  # audio/png.py, audio/
        return not (SRC / name).exists()
    if match := re.match(r"([a-z_]+(?:\.[a-z_0-9]+)*)\.([A-Za-z_]\w*)\(", name):  # audio.io.read_audio(...)
        module, function = match.groups()
        return function not in DEFINED.get(module, set())
    if match := re.fullmatch(r"(?:[a-z_]+\.)*([A-Z][a-z0-9]+[A-Za-z0-9]*)(?:\.(\w+))?(?:\(.*\))?", name):
        return match[1] not in EVERYTHING or bool(match[2] and match[2] not in EVERYTHING)
    if match := re.fullmatch(r"(\w+)\(.*\)", name) if not name.startswith("round(") else None:  # level_to(...)
        return match[1] not in EVERYTHING
    return False


def test_names_on_the_page_exist() -> None:
    assert len(TICKED) > 60
    assert [name for name in TICKED if unknown(name)] == []


WRONG = ["audio/sound.py", "studio/none/", "NoSuchClass", "audio.io.read_sound(path)", "PreparedData.shut()", "tests/none.py"]
RIGHT = ["audio/png.py", "audio/", "PreparedData", "PreparedData.open(path)", "audio.io.read_audio(path)", "float32 (B, M, T)"]


def test_the_check_knows_a_wrong_name_from_a_right_one() -> None:
    assert [unknown(name) for name in WRONG + RIGHT] == [True] * len(WRONG) + [False] * len(RIGHT)


def test_every_room_has_a_row_on_the_page_and_a_folder_of_tests() -> None:
    missing = [room for room in ROOMS if f"| `{room}/` |" not in PAGE]
    untested = [room for room in ROOMS if not list((REPO / "tests" / room).glob("test_*.py"))]
    assert (missing, untested) == ([], [])


def test_no_file_is_too_long() -> None:
    code = [*SRC.rglob("*.py"), *SRC.rglob("*.js"), *(REPO / "scripts").glob("*.py"), *(REPO / "benchmarks").glob("*.py")]
    lines = {str(path.relative_to(REPO)): path.read_text(encoding="utf-8").count("\n") for path in code}
    assert {name: count for name, count in lines.items() if count > 350} == {}
