"""Pages and comments stand by themselves: what they point to is in the repository."""

from __future__ import annotations

import re
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
OUTSIDE = re.compile(r"\bDESIGN\b|\bMUSIC\.md|\bSTYLE\.md|\b[Ii]ssues? \d|\b[Tt]he issue\b|(?<!\.\./)(?<!\w)shared/|/work/")


def texts() -> list[Path]:
    folders = ["src", "docs", "scripts", "benchmarks", "tests"]
    kinds = {".py", ".md", ".toml", ".sh", ".js", ".html", ".css"}
    found = [path for folder in folders for path in (REPO / folder).rglob("*") if path.suffix in kinds]
    return [path for path in found if path != Path(__file__).resolve()] + [REPO / "README.md", REPO / "pyproject.toml"]


def test_nothing_points_outside_the_repository() -> None:
    wrong = []
    for path in texts():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if found := OUTSIDE.search(line):
                wrong.append(f"{path.relative_to(REPO)}:{number}: {found[0]}")
    assert not wrong, "\n".join(wrong)


def test_links_between_pages_lead_somewhere() -> None:
    wrong = []
    for path in [REPO / "README.md", *(REPO / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
            if "://" not in target and not target.startswith("#") and not (path.parent / target.split("#")[0]).exists():
                wrong.append(f"{path.relative_to(REPO)}: {target}")
    assert not wrong, "\n".join(wrong)
