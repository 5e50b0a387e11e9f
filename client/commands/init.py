"""``fedgraft site init``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedgraft.client.site.first_file import first_file
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.errors import SiteFileError
from fedgraft.common.runtime.processes import say

DESCRIPTION = "Writes a first, commented site.yaml (`fedgraft site join` writes one that is complete)."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--name", required=True, help="letters, digits, - and _; tell the coordinator")
    parser.add_argument("--manifest", type=Path, required=True, help="the cohort's CSV file (it may come later)")
    parser.add_argument("--out", type=Path, default=Path("site.yaml"), help="where to write (default: %(default)s)")


def run(given: argparse.Namespace) -> int:
    """Write the file."""
    if given.out.exists():
        raise SiteFileError(f"--out {given.out} exists and is not overwritten; edit it, or name another file")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(first_file(given.name, given.manifest.resolve()), encoding="utf-8")
    try:
        read_site_file(given.out)
    except SiteFileError:
        given.out.unlink()
        raise
    say(f"wrote {given.out}; next: edit its `coordinator` section, then `fedgraft site keygen`")
    return 0
