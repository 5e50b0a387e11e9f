"""``fedgraft site draft``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from fedgraft.client.cohort.draft import Draft, draft_manifest, write_draft
from fedgraft.common.errors import DataError
from fedgraft.common.runtime.processes import say

DESCRIPTION = """\
Makes a first manifest from a folder of DICOM files, or from a folder per class.

DICOM files are known by their content, whatever they are called, and lie in any depth. Each gets a line; a folder
that holds just one series of CT, MR or PT slices gets one line. `patient` is the Patient ID; sex, age, modality,
scanner, body_part and view are columns for subgroups.

A folder per class (no DICOM file in it) has PNG, JPEG, TIFF or BMP files below /data/films/<class>/.

Nothing is overwritten, and nothing printed names a patient or a file. The manifest names both: it stays here.
"""
EPILOG = """\
examples:
  fedgraft site draft /data/films --out manifest.csv
  fedgraft site draft /data/films --label-from ViewPosition
  fedgraft site draft /data/pictures --patient-pattern 'P\\d+'          lesion/P17-left.png is of patient P17
  fedgraft site draft /data/pictures --patient-pattern '/([^/]+)/'    lesion/17/left.png is of patient 17
"""
FILL_IN = {
    "label": ", with a class of the plan; or replace the column, for multilabel by one per finding (1, 0, or empty if "
    "unknown), for survival by `time` and `event` (1 or 0)",
    "patient": ", with any name that all cases of a patient share",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the files lie")
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


def run(given: argparse.Namespace) -> int:
    """Write the manifest, and say what is to be filled in."""
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
