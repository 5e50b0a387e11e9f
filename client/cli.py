"""``fedgraft site ...``: what a hospital's IT types."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from fedgraft.client.audit import command as audit_command
from fedgraft.client.check import case_lookup
from fedgraft.client.check import command as check_command
from fedgraft.client.cohort.draft import Draft, draft_manifest, write_draft
from fedgraft.client.console import command as console_command
from fedgraft.client.deidentification import command as deidentify_command
from fedgraft.client.deployment import fetching, start_command
from fedgraft.client.deployment.supervisor import require_coordinator
from fedgraft.client.joining import command as join_command
from fedgraft.client.membership import command as membership_command
from fedgraft.client.overview import command as status_command
from fedgraft.client.own_report import command as report_command
from fedgraft.client.prediction import evaluate_command
from fedgraft.client.privacy import command as privacy_command
from fedgraft.client.review import command as review_command
from fedgraft.client.site.first_file import first_file
from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.site_file import read_site_file
from fedgraft.client.withdrawal import command as withdraw_command
from fedgraft.common.errors import DataError, SiteFileError
from fedgraft.common.runtime.files import private_folder
from fedgraft.common.runtime.flower import module
from fedgraft.common.runtime.processes import say
from fedgraft.common.runtime.ssh_keys import key_fingerprint
from fedgraft.common.runtime.systemd import Service, unit_of

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

The site opens no port to others; it connects to the coordinator over TLS. It runs the code that you
installed, never code that the coordinator sends, and site.yaml wins over whatever a plan asks for.
"""
DRAFT = """\
DICOM files are known by their content, whatever they are called, and lie in any depth. Each gets a line; a folder
that holds just one series of CT, MR or PT slices gets one line. `patient` is the Patient ID; sex, age, modality,
scanner, body_part and view are columns for subgroups.

A folder per class (no DICOM file in it) has PNG, JPEG or TIFF files below /data/films/<class>/.

Nothing is overwritten, and nothing printed names a patient or a file. The manifest names both: it stays here.
"""
FILL_IN = {
    "label": ", with a class of the plan; or replace the column, for multilabel by one per finding (1, 0, or empty if "
    "unknown), for survival by `time` and `event` (1 or 0)",
    "patient": ", with any name that all cases of a patient share",
}
DRAFT_EXAMPLES = """\
examples:
  fedgraft site draft /data/films --out manifest.csv
  fedgraft site draft /data/films --label-from ViewPosition
  fedgraft site draft /data/pictures --patient-pattern 'P\\d+'          lesion/P17-left.png is of patient P17
  fedgraft site draft /data/pictures --patient-pattern '/([^/]+)/'    lesion/17/left.png is of patient 17
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
    _add_draft(commands)
    _add(commands, "join", "take an invitation up: key, site.yaml, check, connect; no file is carried", join_command)
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
    looks = _add_looks(commands)
    out = _add(commands, "withdraw", "patients opt out: no run sees them, nothing of theirs is kept", withdraw_command)
    _add_start(commands)
    service = commands.add_parser("service", help="print a hardened systemd unit for `start`")
    service.add_argument("--user", metavar="NAME", help="the account that it runs as (default: yours)")
    service.set_defaults(command=_service)
    approvals = review_command.add_commands(commands)
    members = membership_command.add_commands(commands)
    for command in (keygen, *looks, out, *members, service, *approvals, *_add_models(commands)):
        command.add_argument("--site", type=Path, default=Path("site.yaml"), help="(default: %(default)s)")
    return parser


class _Command(Protocol):
    """A module of a command."""

    DESCRIPTION: str

    def add_options(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, given: argparse.Namespace) -> int: ...


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, command: _Command
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=command.DESCRIPTION)
    command.add_options(parser)
    parser.set_defaults(command=command.run)
    return parser


def _add_looks(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> list[argparse.ArgumentParser]:
    """What shows something of this site, and changes nothing."""
    return [
        _add(commands, "check", "is everything in place? exit code 1 if there is a problem", check_command),
        _add(commands, "case", "which line of the manifest a case's name (case-3f9a0c21d4) stands for", case_lookup),
        _add(commands, "report", "this site's own page about the model that it evaluated last", report_command),
        _add(commands, "console", "a web page: what is asked, approve or refuse, what left", console_command),
        _add(commands, "status", "is it connected, what waits for a decision, what left", status_command),
        _add(
            commands,
            "privacy",
            "what was promised to patients in all runs, and what is left of the budget",
            privacy_command,
        ),
        _add(commands, "deidentify", "what may name a patient in notes: an assistant", deidentify_command),
        _add(commands, "audit", "verify this site's logs; exit code 1 if a line was changed", audit_command),
    ]


def _add_draft(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    draft = commands.add_parser(
        "draft",
        help="make a first manifest from a folder of DICOM files, or from a folder per class",
        description=DRAFT,
        epilog=DRAFT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    draft.add_argument("folder", type=Path, metavar="FOLDER", help="where the files lie")
    draft.add_argument("--out", type=Path, default=Path("manifest.csv"), help="the new file (default: %(default)s)")
    draft.add_argument(
        "--label-from",
        metavar="folder|KEYWORD",
        help="what becomes the label: `folder` = the first folder below FOLDER; or a DICOM keyword, for instance "
        "ViewPosition (default: empty, for you to fill in; `folder` if there are only pictures)",
    )
    draft.add_argument(
        "--patient-pattern",
        metavar="REGEX",
        help="finds the patient in a file's path below FOLDER: the first group, or else the whole match",
    )
    draft.set_defaults(command=_draft)


def _add_start(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    start = commands.add_parser("start", help=start_command.HELP, description=start_command.DESCRIPTION)
    start_command.add_options(start)
    start.set_defaults(command=start_command.run)


def _add_models(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> Iterator[argparse.ArgumentParser]:
    fetch = commands.add_parser(
        "fetch",
        help="get a model that the coordinator published; without a name: list them",
        description="Downloads the model over TLS, verifies the coordinator's signature and the SHA-256 of every file, "
        "and puts it into models/NAME of the site's state. A changed byte is refused.",
    )
    fetch.add_argument("name", nargs="?", metavar="NAME", help="the model's name")
    fetch.set_defaults(command=_fetch)
    yield fetch
    evaluate = commands.add_parser(
        "evaluate",
        help="figures of a model on all cases of this site's manifest (external validation); nothing is sent",
        description=evaluate_command.DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    evaluate_command.add_options(evaluate)
    evaluate.set_defaults(command=evaluate_command.run)
    yield evaluate


def _fetch(given: argparse.Namespace) -> int:
    if given.name is None:
        _, names = fetching.published(given.site)
        say("\n".join(names) or "the coordinator has published no model")
        return 0
    model = fetching.fetch(given.site, given.name)
    say(f"{model.path}: signed by the coordinator, and every file is as it was signed")
    say(f"next: fedgraft predict {model.path} --site {given.site} --manifest new.csv --out predictions.csv")
    return 0


def _draft(given: argparse.Namespace) -> int:
    if given.out.exists():
        raise DataError(f"--out {given.out} exists and is not overwritten; name another file")
    draft = draft_manifest(given.folder, given.label_from, given.patient_pattern)
    write_draft(draft, given.out)
    for line in _told(draft, given.out):
        say(line)
    return 0


def _told(draft: Draft, out: Path) -> Iterator[str]:
    """What was written, what was left out and why, and what to do next."""
    patients = len({line.patient for line in draft.lines if line.patient})
    yield f"wrote {out}: {len(draft.lines)} lines, {patients} patients; it names them: keep it at this site"
    yield from (f"  {remark}" for remark in draft.remarks)
    yield from (f"  left out, {count}: {reason}" for reason, count in sorted(draft.left_out.items()))
    for name, empty in (
        ("label", sum(not line.label for line in draft.lines)),
        ("patient", sum(not line.patient for line in draft.lines)),
    ):
        if empty:
            yield f"to fill in: `{name}` of {empty} lines{FILL_IN[name]}"
    yield f"next: fedgraft site init --name NAME --manifest {out}   and then   fedgraft site check --site site.yaml"


def _init(given: argparse.Namespace) -> int:
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


def _service(given: argparse.Namespace) -> int:
    path, site = given.site.resolve(), read_site_file(given.site)
    require_coordinator(site, path)
    for folder in (site.state, site.shared_store):
        private_folder(folder)  # systemd can only allow what is there
    command = module("fedgraft.common.cli", "site", "start", "--site", str(path))
    writes, gpu = [site.state, site.shared_store], site.device != "cpu"
    print(
        unit_of(Service("fedgraft-site", f"FedGraft site {site.name}", command, path.parent, writes, given.user, gpu))
    )
    return 0


def _keygen(given: argparse.Namespace) -> int:
    site = read_site_file(given.site)
    if site.coordinator is None:
        raise SiteFileError(f"{given.site} has no `coordinator` section, which names the key file")
    public = make_key_pair(site.coordinator.key, site.name)
    say(f"made {site.coordinator.key} (keep it here) and {public} (send this one to the coordinator)")
    say(f"its fingerprint, to compare by telephone: {key_fingerprint(public)}")
    return 0
