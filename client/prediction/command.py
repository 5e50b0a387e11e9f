"""The command ``fedgraft predict``: a model, new cases, a file of predictions."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fedgraft.client.cohort.manifest.csv_file import write_rows
from fedgraft.client.explanation.explain import require_explainable
from fedgraft.client.prediction.asked import add_model, loaded_as_asked, require_new_folder, require_writable
from fedgraft.client.prediction.explaining import draw
from fedgraft.client.prediction.lines import as_text, lines_of
from fedgraft.client.prediction.new_cases import NewCases, read_new_cases
from fedgraft.client.prediction.predicting import Desk, Predictions, Watch, inputs_of, predict_cases
from fedgraft.client.prediction.reporting import report, require_dicom
from fedgraft.client.site.machine import machine_of
from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import replacing
from fedgraft.common.runtime.processes import say
from fedgraft.common.runtime.scratch import ending_in_order, scratch_folder

SCRATCH = ".fedgraft-predict-"
"""How the names of folders begin in which cases are worked on, beside the output."""
DESCRIPTION = """\
Predicts new cases with a trained model. MODEL is a model's folder (`model/` of a run), or the folder of a run; every
file in it is checked against digests.json first. Nothing is sent, and of the cases nothing is kept but the output.
"""
EPILOG = """\
the manifest
  As for training (docs/cohort.md): a line a case, with a `path` (and `row`), or the table's columns. It needs no label
  and no patient. DICOM, pictures, arrays and tables are read as in training, and cases that could not have been used
  there are not used here: their line has the reason, and no probability.

the output
  line, path, row    which case: the manifest's line (the header is 1), and its cells
  reason             why it can't be used (docs/cohort.md lists the reasons); empty if it can
  raw_CLASS          the probability of each class as the network gives it
  calibrated_CLASS   the probability that can be taken at its word; empty if the model has no calibration
  log_hazard         of a survival model, in the place of these
  predicted          the answer by the model's (with --site the site's) threshold; of several classes the most probable
  set                the answers that may be true (benign|malignant): it holds the true one as often as was promised
  flag, why          yes: a person must look at it, and why: more than one answer, none, close to the threshold, unlike
                     the cases that the model was trained on, could not be read (docs/decisions.md)
  It names your files: keep it at this site. Only this account can read it.

a model of which a part stays at the sites (own scale, own layers, own head, own intercept)
  --site site.yaml takes that part from the site's state; --site NAME that of a site of a simulation. Where the only own
  part is the scale of features, a hospital that took no part needs none: with 30 cases or more, theirs is computed.

examples:
  fedgraft predict runs/first --manifest new.csv --out predictions.csv
  fedgraft predict model --site site.yaml --manifest new.csv --out predictions.csv

exit code: 0: all cases have a prediction; 1: some can't be used, or have no report; 2: nothing was written.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fedgraft predict",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model(
        parser,
        "the site.yaml of the site to predict at: its own part of the model, its rules for reading files, its device; "
        "or the name of a site of the simulation in whose folder the model lies",
    )
    parser.add_argument("--manifest", type=Path, required=True, metavar="FILE", help="the new cases: CSV or Parquet")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the CSV file to write")
    parser.add_argument(
        "--prevalence",
        type=float,
        nargs="+",
        metavar="SHARE",
        help="how common each class is among these cases, between 0 and 1 (with two classes: the second): calibrated "
        "probabilities are then those at this prevalence (default: as where the model was calibrated)",
    )
    parser.add_argument(
        "--explain", type=Path, metavar="FOLDER", help="write a picture of what each prediction rests on"
    )
    parser.add_argument(
        "--sr",
        type=Path,
        metavar="FOLDER",
        help="write a DICOM Structured Report of each prediction (inputs must be DICOM); it names the patient",
    )
    parser.add_argument("--force", action="store_true", help="overwrite --out, pictures and reports if they are there")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    given = _parser().parse_args(argv)
    if given.out.resolve() == given.manifest.resolve():
        raise DataError("--out and --manifest name the same file")
    require_writable(given.out, given.force)
    for option, folder in (("--explain", given.explain), ("--sr", given.sr)):
        if folder is not None:
            require_new_folder(option, folder, given.force)
    loaded = loaded_as_asked(given, "fedgraft predict", machine_of, scale_from_cases=True)
    cases = read_new_cases(given.manifest)
    if given.sr is not None:
        require_dicom(loaded, cases)
    folder = given.out.resolve().parent
    with ending_in_order(), scratch_folder(folder, SCRATCH) as scratch, _bars() as watch:
        desk = Desk(scratch, watch)
        if given.explain is not None:
            require_explainable(inputs_of(loaded, desk))
        found = predict_cases(loaded, cases.listed, desk, given.prevalence)
        pictures = None if given.explain is None else draw(loaded, found, desk, given.explain)
        reports = None if given.sr is None else report(loaded, found, given.sr)
    _write(given.out, found, cases)
    _tell(given.out, found)
    if pictures is not None:
        say(f"wrote {pictures} picture(s) to {given.explain}: they show the cases, keep them at this site")
    if reports is not None:
        say(f"wrote {reports.written} DICOM report(s) to {given.sr}: they name the patients, keep them at this site")
        for line in reports.refused:
            say(f"  no report of {line}")
    return 1 if found.quarantined or (reports is not None and reports.refused) else 0


@contextmanager
def _bars() -> Iterator[Watch]:
    """Progress bars on the terminal: cases that were read (if they are read from files), and predicted."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        read = progress.add_task("read", total=None, visible=False)
        done = progress.add_task("predicted", total=None)

        def decoded(cases: int) -> None:
            progress.update(read, advance=cases, visible=True)

        yield Watch(
            listed=lambda cases: progress.update(read, total=cases),
            decoded=decoded,
            usable=lambda cases: progress.update(done, total=cases),
            computed=lambda cases: progress.update(done, advance=cases),
        )


def _write(out: Path, found: Predictions, cases: NewCases) -> None:
    lines = lines_of(found, [cases.place(case) for case in found.cases])
    with replacing(out, private=True) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        write_rows(stream, tuple(lines[0]), map(as_text, lines))


def _tell(out: Path, found: Predictions) -> None:
    """What was written, what can't be used, and what one should know."""
    bad = found.quarantined
    predicted = len(found.cases) - sum(bad.values())
    say(f"wrote {out}: {len(found.cases)} cases, {predicted} predicted; it names their files: keep it at this site")
    if bad:
        say(f"  can't be used, {sum(bad.values())}: {', '.join(f'{reason} {count}' for reason, count in bad.items())}")
    if found.decided is not None:
        flagged = sum(map(bool, found.decided.why))
        kinds = ", ".join(f"{kind} {count}" for kind, count in found.decided.flagged.items())
        unread = f", and at the {sum(bad.values())} that can't be used" if bad else ""
        say(f"  a person must look at {flagged} of the {predicted} predicted{f': {kinds}' if kinds else ''}{unread}")
    for note in found.notes:
        say(f"  {note}")
