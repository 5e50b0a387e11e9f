"""What only looks can be asked for as JSON, for scripts (docs/console.md)."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def add_folder_and_json(parser: argparse.ArgumentParser) -> None:
    """Declare the coordinator's folder, and ``--json``."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument(
        "--json", action="store_true", help="print JSON instead, for scripts (its keys: docs/console.md)"
    )


def print_json(found: Any) -> None:
    """Print what a script reads."""
    print(json.dumps(found, indent=2))
