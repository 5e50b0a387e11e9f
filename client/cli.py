"""``fedgraft site ...``: what a hospital's IT types."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fedgraft.common.commands import Program, run_program

EPILOG = """\
a first time:
  fedgraft site draft /data/films --out /data/cohort/manifest.csv      (fill in what it says)
  fedgraft site join LINE --manifest /data/cohort/manifest.csv         (the line that the coordinator gave you)

or, step by step, with files carried:
  fedgraft site init --name north --manifest /data/cohort/manifest.csv
  fedgraft site keygen --site site.yaml          send the .pub file to the coordinator, get ca.crt
  (edit site.yaml: the coordinator's address, and what may leave)
  fedgraft site check --site site.yaml
  fedgraft site start --site site.yaml           (a service; docs/deployment.md has a systemd unit)
  fedgraft site console --site site.yaml         (in a browser: what is asked, yes or no, what left)

The site opens no port to others; it connects to the coordinator over TLS. It runs the code that you
installed, never code that the coordinator sends, and site.yaml wins over whatever a plan asks for.
"""
_HERE, _REVIEW = "fedgraft.client.commands", "fedgraft.client.review"
COMMANDS = {
    "draft": (f"{_HERE}.draft", "make a first manifest from a folder of DICOM files, or from a folder per class"),
    "join": (
        "fedgraft.client.joining.command",
        "take an invitation up: key, site.yaml, check, connect; nothing carried",
    ),
    "init": (f"{_HERE}.init", "write a first, commented site.yaml"),
    "keygen": (f"{_HERE}.keygen", "make the key pair by which the coordinator knows this site"),
    "check": ("fedgraft.client.check.command", "is everything in place? exit code 1 if there is a problem"),
    "start": ("fedgraft.client.deployment.start_command", "connect and answer runs, in the foreground"),
    "service": (f"{_HERE}.service", "print a hardened systemd unit for `start`"),
    "pending": (f"{_REVIEW}.pending", "plans that came and wait for a person here to decide"),
    "review": (f"{_REVIEW}.reviewing", "what a plan would do and tell here"),
    "approve": (f"{_REVIEW}.approving", "say yes to a plan"),
    "refuse": (f"{_REVIEW}.refusing", "say no to a plan"),
    "revoke": (f"{_REVIEW}.revoking", "end an approval, also in the middle of a run"),
    "decisions": (f"{_REVIEW}.decided", "what was decided here, by whom; verifies the log"),
    "case": (
        "fedgraft.client.check.case_lookup",
        "which line of the manifest a case's name (case-3f9a0c21d4) stands for",
    ),
    "report": ("fedgraft.client.own_report.command", "this site's own page about the model that it evaluated last"),
    "console": ("fedgraft.client.console.command", "a web page: what is asked, approve or refuse, what left"),
    "status": ("fedgraft.client.overview.command", "is it connected, what waits for a decision, what left"),
    "privacy": ("fedgraft.client.privacy.command", "what was promised to patients in all runs, and what is left"),
    "deidentify": ("fedgraft.client.deidentification.command", "what may name a patient in notes: an assistant"),
    "audit": (f"{_HERE}.audit", "verify this site's logs; exit code 1 if a line was changed"),
    "withdraw": (
        "fedgraft.client.withdrawal.command",
        "patients opt out: no run sees them, nothing of theirs is kept",
    ),
    "rekey": ("fedgraft.client.membership.rekey_command", "a new key, while runs go on; nothing is carried"),
    "leave": ("fedgraft.client.membership.leave_command", "end this site's membership"),
    "fetch": (f"{_HERE}.fetch", "get a model that the coordinator published; without a name: list them"),
    "evaluate": (
        "fedgraft.client.prediction.evaluate_command",
        "figures of a model on all cases here; nothing is sent",
    ),
}
WITHOUT_SITE = frozenset(("draft", "init", "join", "start"))
"""Commands that need no ``site.yaml`` yet, or name it themselves."""


def add_site(word: str, parser: argparse.ArgumentParser) -> None:
    """Declare ``--site``."""
    if word not in WITHOUT_SITE:
        parser.add_argument("--site", type=Path, default=Path("site.yaml"), help="(default: %(default)s)")


PROGRAM = Program(
    "fedgraft site",
    "Take part in a federation: describe your cohort, make a key, connect.",
    EPILOG,
    COMMANDS,
    add_site,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one site command; returns the exit code."""
    return run_program(PROGRAM, argv)
