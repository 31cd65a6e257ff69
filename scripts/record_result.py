"""Keep a result as a record in docs/results/records, with the commit and the machine that gave it.

    python scripts/record_result.py OUT/evaluation.json drums --data "test split of corpus drums ..." --command "loopwright ..."
    python scripts/record_result.py OUT/check.json check-drums --command "python scripts/check_bundled.py drums -n 1000 ..."

FILE is what `loopwright evaluate` or `scripts/check_bundled.py --json` wrote. Then `python scripts/results_page.py` brings the
pages up to it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import re
import subprocess
from pathlib import Path

from loopwright.files import write_text
from loopwright.measuring.results import Evaluation

REPO = Path(__file__).resolve().parents[1]


def head_commit() -> str:
    """What is checked out."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=REPO, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def machine() -> str:
    """Processor and number of cores."""
    info = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", info.read_text(encoding="utf-8")) if info.exists() else []
    return f"{models[0].strip()}, {len(models)} cores" if models else platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("name")
    parser.add_argument("--command", required=True, help="what made FILE, as another would type it")
    parser.add_argument("--data", default="", help="which loops, and the commit that rendered them")
    parser.add_argument("--commit", help="what measured; else what is checked out")
    args = parser.parse_args()
    found = json.loads(args.file.read_text(encoding="utf-8"))
    kind = "evaluation" if args.file.name == "evaluation.json" else "check"
    if kind == "evaluation":
        if not args.data:
            parser.error("an evaluation needs --data: a number without it is worth nothing")
        found = Evaluation.read(args.file.parent).to_json()
    record = {
        "name": args.name,
        "command": args.command,
        "commit": args.commit or head_commit(),
        "data": args.data,
        "machine": machine(),
        "date": datetime.date.today().isoformat(),
        kind: found,
    }
    path = REPO / "docs" / "results" / "records" / f"{args.name}.json"
    write_text(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    print(path)


if __name__ == "__main__":
    main()
