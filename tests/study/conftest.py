"""Finds study_material.py here, and cheap.py beside the tests of training."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[1] / "training")]
