"""The commands ``fedgraft site withdraw`` and ``fedgraft site leave``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fedgraft.client.site.site_file import read_site_file
from fedgraft.client.withdrawal.withdraw import Withdrawal, readmit, withdraw
from fedgraft.common.errors import DataError
from fedgraft.common.runtime.processes import say

DESCRIPTION = """\
Patients opt out: from now on no run sees them, also if the manifest, or its next export, still names them; and what is
kept of cases (rows of pixels and features, thumbnails, the list of predictions) is removed, of all patients: the next
run computes those anew who stay. state/withdrawals.jsonl has a keyed digest of each, never the name, and the runs in
which they took part. What a trained model still holds: docs/withdrawal.md.

The patients are read from a file, one a line, or from what you type or pipe in; never from the command line, which
shells keep and other accounts see. Remove the file afterwards. Waits while a process of this site takes cases in.
Exit code 0: done; 2: nothing was changed.
"""
EXAMPLES = """\
examples:
  fedgraft site withdraw --by "Dr. Grey"                          asks for the patients, one a line; an empty line ends
  fedgraft site withdraw --by "Dr. Grey" --from opted-out.txt
  fedgraft site withdraw --by "Dr. Grey" --from opted-out.txt --unknown     the whole register, whoever may come
  fedgraft site withdraw --by "Dr. Grey" --from mistake.txt --undo
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.formatter_class, parser.epilog = argparse.RawDescriptionHelpFormatter, EXAMPLES
    parser.add_argument(
        "--from", dest="file", type=Path, metavar="FILE", help="patients as in the manifest, one a line"
    )
    parser.add_argument("--by", required=True, metavar="NAME", help="who does this, for the site's own log")
    parser.add_argument("--unknown", action="store_true", help="also those whom the manifest does not name now")
    parser.add_argument(
        "--undo", action="store_true", help="let patients take part again who were withdrawn by mistake"
    )


def run(given: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    site = read_site_file(given.site)
    patients = _given(given.file)
    if given.undo:
        count = readmit(site, patients, given.by)
        say(f"{count} patient(s) take part again, from the next message on")
        return 0
    for line in told(withdraw(site, patients, given.by, given.unknown), str(site.manifest)):
        say(line)
    return 0


def told(done: Withdrawal, manifest: str) -> Sequence[str]:
    """What a withdrawal did, line by line."""
    before = f" ({done.before} had been before)" if done.before else ""
    lines = [
        f"{done.patients} patient(s) are withdrawn{before}; state/withdrawals.jsonl has keyed digests, no names",
        f"removed {done.removed.files} file(s) with {done.removed.bytes:,} bytes of what was kept of cases; those who "
        "stay are computed again by the next run",
    ]
    if done.lines:
        lines.append(
            f"{manifest} still names them in {done.lines} line(s), which are left out from now on; remove them"
        )
    lines.append(
        f"they took part in run(s) {', '.join(done.runs)}: docs/withdrawal.md says what those models still hold"
        if done.runs
        else "they took part in no run that this site's account knows"
    )
    return lines


def _given(file: Path | None) -> list[str]:
    """The patients of a file, or of what is typed up to an empty line.

    Raises:
        DataError: the file can't be read.
    """
    if file is not None:
        try:
            return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"--from {file} can't be read as text ({type(error).__name__})") from None
    if sys.stdin.isatty():
        say("patients as the manifest names them, one a line; an empty line ends:")
    found: list[str] = []
    for line in sys.stdin:
        if not line.strip():
            break
        found.append(line.strip())
    return found
