"""``fedgraft site draft``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote

from fedgraft.client.cohort.drafts.folder import Draft, draft_manifest, write_draft, write_new
from fedgraft.client.cohort.drafts.table import NAMES, NUMBERED, TableDraft, draft_table
from fedgraft.common.errors import DataError
from fedgraft.common.runtime.processes import say

DESCRIPTION = """\
Makes a first manifest from a folder of DICOM files, from a folder per class, or from a table.

DICOM files are known by their content, whatever they are called, and lie in any depth. Each gets a line; a folder
that holds just one series of CT, MR or PT slices gets one line. `patient` is the Patient ID; sex, age, modality,
scanner, body_part and view are columns for subgroups.

A folder per class (no DICOM file in it) has PNG, JPEG, TIFF or BMP files below /data/films/<class>/.

A table is a CSV or Parquet file with a line for each case. Its columns get the names of a manifest where you say which
they are, and stay as they are otherwise: the manifest is then the table.

Nothing is overwritten, and nothing printed names a patient or a file. The manifest names both: it stays here.
"""
EPILOG = """\
examples:
  fedgraft site draft /data/films --out manifest.csv
  fedgraft site draft /data/films --label-from ViewPosition
  fedgraft site draft /data/pictures --patient-pattern 'P\\d+'          lesion/P17-left.png is of patient P17
  fedgraft site draft /data/pictures --patient-pattern '/([^/]+)/'    lesion/17/left.png is of patient 17
  fedgraft site draft patients.csv --columns patient=ID label=Diagnosis --decimal comma
"""
FILL_IN = {
    "label": ", with a class of the plan; or replace the column, for multilabel by one per finding (1, 0, or empty if "
    "unknown), for survival by `time` and `event` (1 or 0)",
    "patient": ", with any name that all cases of a patient share",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="FOLDER|TABLE", help="where the files lie, or the table")
    parser.add_argument("--out", type=Path, default=Path("manifest.csv"), help="the new file (default: %(default)s)")
    parser.add_argument(
        "--label-from",
        metavar="folder|KEYWORD",
        help="what becomes the label: `folder` = the first folder below FOLDER; or a DICOM keyword, for instance "
        "ViewPosition (default: empty, for you to fill in; `folder` if there are only pictures)",
    )
    parser.add_argument(
        "--patient-pattern",
        metavar="REGEX",
        help="finds the patient in a file's path below FOLDER: the first group, or else the whole match",
    )
    parser.add_argument(
        "--columns",
        nargs="+",
        metavar="NAME=COLUMN",
        help=f"of a table, which of its columns is what: {', '.join(NAMES)} of a manifest; patient={NUMBERED} if each "
        "line is a patient of its own",
    )
    parser.add_argument(
        "--decimal",
        choices=("point", "comma"),
        default="point",
        help="how a table writes numbers; those with a comma get a point (default: %(default)s)",
    )


def run(given: argparse.Namespace) -> int:
    """Write the manifest, and say what is to be filled in."""
    if given.out.exists():
        raise DataError(f"--out {given.out} exists and is not overwritten; name another file")
    told = _of_table(given) if given.folder.is_file() else _of_folder(given)
    for line in told:
        say(line)
    named, then = quote(str(given.out)), "and then   fedgraft site check --site site.yaml"
    say(f"next: fedgraft site init --name NAME --manifest {named}   {then}")
    return 0


def _of_folder(given: argparse.Namespace) -> Iterator[str]:
    for option, has in (("--columns", given.columns), ("--decimal", given.decimal != "point")):
        if has:
            raise DataError(f"{option} has no effect: {given.folder} is not a table; leave it out")
    draft = draft_manifest(given.folder, given.label_from, given.patient_pattern)
    write_draft(draft, given.out)
    return _told(draft, given.out)


def _of_table(given: argparse.Namespace) -> Iterator[str]:
    for option, has in (("--label-from", given.label_from), ("--patient-pattern", given.patient_pattern)):
        if has:
            raise DataError(f"{option} has no effect: {given.folder} is a table; say --columns NAME=COLUMN")
    draft = draft_table(given.folder, _pairs(given.columns or ()), given.decimal == "comma")
    write_new(given.out, draft.header, draft.lines())
    return _table_told(draft, given.out)


def _pairs(words: Sequence[str]) -> dict[str, str]:
    """NAME=COLUMN ..., by name."""
    found: dict[str, str] = {}
    for word in words:
        name, mark, column = word.partition("=")
        if not mark or name in found:
            raise DataError(f"--columns {word}: " + ("named twice" if name in found else "write NAME=COLUMN"))
        found[name] = column
    return found


def _table_told(draft: TableDraft, out: Path) -> Iterator[str]:
    yield f"wrote {out}: {draft.count} lines, {draft.patients} patients; it holds what is known of them: keep it here"
    yield from (f"  {remark}" for remark in draft.remarks)
    if draft.labels is not None:
        yield f"  `label` has {draft.labels} different values"
    elif not {"time", "event"} <= set(draft.header):
        yield (
            "to name: the column with the class, --columns label=COLUMN; for survival time=COLUMN event=COLUMN; for "
            "multilabel nothing: a column for each finding (1, 0, or empty if unknown)"
        )


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
