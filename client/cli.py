"""``fedgraft site ...``: what a hospital's IT types."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from fedgraft.client.check import check_site, exit_code
from fedgraft.client.keys import make_key_pair
from fedgraft.client.site import read_site_file
from fedgraft.client.supervisor import PATIENCE_SECONDS, run_site
from fedgraft.common.errors import SiteFileError
from fedgraft.common.processes import say
from fedgraft.common.ssh_keys import key_fingerprint

EPILOG = """\
a first time:
  fedgraft site init --name north --manifest /data/cohort/manifest.csv
  fedgraft site keygen --site site.yaml          send the .pub file to the coordinator, get ca.crt
  (edit site.yaml: the coordinator's address, and what may leave)
  fedgraft site check --site site.yaml
  fedgraft site start --site site.yaml           (a service; docs/deployment.md has a systemd unit)

The site opens no port to others; it connects to the coordinator over TLS. It runs the code that you
installed, never code that the coordinator sends, and site.yaml wins over whatever a plan asks for.
"""
TEMPLATE = """\
# This site's own file. It wins over every plan: what it does not allow does not leave.
# Relative paths are relative to this file.

name: {name}                 # letters, digits, - and _; the coordinator registers you under it
manifest: {manifest}         # CSV: path, label, patient, and row, group, split if you have them
state: {state}         # private to this site: local tensors, the log of what left, programs' logs
device: auto                 # a GPU if there is one; or cpu, cuda:0
# threads: 2                 # for computing; by default one per core
# workers: 1                 # processes that decode files ahead; by default chosen by the kind of files
# batch: 32                  # images at once through the network; by default chosen by their size

# What may leave besides the shared tensors and the number of training cases.
release:
  train_loss: true
  evaluation: true           # counts and score histograms of the validation and test cases: each case's score to
                             # a quarter of a percent, without saying whose
  class_counts: true         # only if every count is 0 or at least min_count
  statistics: true           # of a table: sums and categories of at least min_count training cases
  min_count: 5

# Packages, besides fedgraft, from which a plan may use parts here. Leave it empty if in doubt.
allow: []

coordinator:
  address: coordinator.example.org:8443   # as the coordinator told you: host:port, no https://
  ca: ca.crt                              # the coordinator's certificate authority: a file it gives you
  key: {key}                              # made by `fedgraft site keygen`; never leaves this machine
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one site command; returns the exit code."""
    given = _parser().parse_args(argv)
    code: int = given.command(given)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fedgraft site",
        description="Take part in a federation: describe your cohort, make a key, connect.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    init = commands.add_parser("init", help="write a first, commented site.yaml")
    init.add_argument("--name", required=True, help="letters, digits, - and _; tell the coordinator")
    init.add_argument("--manifest", type=Path, required=True, help="the cohort's CSV file (it may come later)")
    init.add_argument("--out", type=Path, default=Path("site.yaml"), help="where to write (default: %(default)s)")
    init.set_defaults(command=_init)
    keygen = commands.add_parser(
        "keygen",
        help="make the key pair by which the coordinator knows this site",
        description="Writes coordinator.key and its .pub half, which you send to the coordinator. Nothing is "
        "overwritten: a site with a new key must be registered again.",
    )
    keygen.set_defaults(command=_keygen)
    check = commands.add_parser(
        "check",
        help="is everything in place? exit code 1 if there is a problem",
        description="One line each for the site file, the cohort's files, folders, versions, key and "
        "coordinator: ok, warning or problem. No line names a patient or a file of a case.",
    )
    check.set_defaults(command=_check)
    start = _add_start(commands)
    for command in (keygen, check, start):
        command.add_argument("--site", type=Path, default=Path("site.yaml"), help="(default: %(default)s)")
    return parser


def _add_start(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    start = commands.add_parser(
        "start",
        help="connect and answer runs, in the foreground; Ctrl-C or SIGTERM stops it",
        description="Exit code 0: stopped by a signal; 1: gave up, the last line says why; 2: not started.",
    )
    start.add_argument(
        "--patience",
        type=float,
        default=PATIENCE_SECONDS,
        metavar="SECONDS",
        help="how long to go on trying when the coordinator is away (default: %(default).0f)",
    )
    start.set_defaults(command=lambda given: run_site(given.site, given.patience))
    return start


def _init(given: argparse.Namespace) -> int:
    if given.out.exists():
        raise SiteFileError(f"--out {given.out} exists and is not overwritten; edit it, or name another file")
    text = TEMPLATE.format(
        name=json.dumps(given.name),
        manifest=json.dumps(str(given.manifest.resolve()), ensure_ascii=False),
        state=json.dumps(f"{given.name}-state"),
        key=json.dumps(f"{given.name}.key"),
    )
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(text, encoding="utf-8")
    try:
        read_site_file(given.out)
    except SiteFileError:
        given.out.unlink()
        raise
    say(f"wrote {given.out}; next: edit its `coordinator` section, then `fedgraft site keygen`")
    return 0


def _keygen(given: argparse.Namespace) -> int:
    site = read_site_file(given.site)
    if site.coordinator is None:
        raise SiteFileError(f"{given.site} has no `coordinator` section, which names the key file")
    public = make_key_pair(site.coordinator.key, site.name)
    say(f"made {site.coordinator.key} (keep it here) and {public} (send this one to the coordinator)")
    say(f"its fingerprint, to compare by telephone: {key_fingerprint(public)}")
    return 0


def _check(given: argparse.Namespace) -> int:
    findings = []
    for finding in check_site(given.site):
        say(str(finding))
        findings.append(finding)
    return exit_code(findings)
