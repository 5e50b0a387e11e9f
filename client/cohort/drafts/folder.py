"""``fedgraft site draft``: write a first manifest from a folder of DICOM files, or from a folder per class.

DICOM files are recognised by content, whatever their names. Only counts are printed; the manifest, which stays at the
site, names patients and files.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import track

from fedgraft.client.cohort.drafts import dicom
from fedgraft.client.cohort.drafts.dicom import Described, check_label_keyword, describe
from fedgraft.client.cohort.manifest.csv_file import write_rows
from fedgraft.client.cohort.quarantine import REASONS, CaseError
from fedgraft.common.errors import DataError

FOLDER = "folder"
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
VOLUMES = ("CT", "MR", "PT")
BAD_NAME = "a name that a manifest can't hold: a line break, `::`, or not UTF-8"
NO_CLASS = "a picture that lies in no class's folder"
BESIDE = "a picture beside DICOM files"
MANIFEST = "a manifest, which is no image"
_HEADER = ("path", "label", "patient")


@dataclass(frozen=True)
class DraftLine:
    """A line of the manifest. ``columns``: text for each of `dicom.COLUMNS`; empty for images that are not
    DICOM."""

    path: Path
    label: str
    patient: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Draft:
    """The content of the manifest, and remarks on it.

    Attributes:
        lines: sorted by path.
        left_out: the number of files without a line, by reason.
        remarks: sentences that the user should know; they name no file and no patient.
    """

    lines: tuple[DraftLine, ...]
    left_out: Mapping[str, int]
    remarks: tuple[str, ...]


def draft_manifest(folder: Path, label_from: str | None = None, patient_pattern: str | None = None) -> Draft:
    """Search a folder, and propose a line for each case.

    Args:
        folder: of DICOM files in any order and depth, or (if it holds none) of one folder per class. Names that begin
            with a dot are ignored.
        label_from: `FOLDER` = the first folder below ``folder``; or the keyword of a DICOM element. ``None``: empty for
            DICOM files, `FOLDER` for pictures.
        patient_pattern: a regular expression that finds the patient in a path below ``folder``: its first group, or all
            of it. ``None``: (0010,0020) Patient ID for DICOM files, the file's name without suffix for pictures.

    Raises:
        DataError: there is no such folder, nothing to list in it, or an option is wrong or has no effect.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder and no file")
    if label_from not in (None, FOLDER):
        check_label_keyword(str(label_from))
    pattern = _compiled(patient_pattern)
    files, bad = _files(folder)
    pictures = [file for file in files if file.suffix.lower() in PICTURES]
    own = [file for file in files if _is_manifest(file)]
    others = [file for file in files if file.suffix.lower() not in PICTURES and file not in own]
    described, left_out = _describe_all(others, None if label_from == FOLDER else label_from)
    if described:
        left_out[BESIDE] += len(pictures)
        lines, remarks = _dicom_lines(folder, described, label_from == FOLDER)
    elif label_from not in (None, FOLDER):
        raise DataError(f"--label-from {label_from} has no effect: {folder} holds no DICOM image; leave it out")
    else:
        lines, remarks = _picture_lines(folder, pictures, guessed=pattern is None)
        left_out[NO_CLASS] += len(pictures) - len(lines)
    left_out[BAD_NAME] += bad
    left_out[MANIFEST] += len(own)
    if not lines:
        seen = "; ".join(f"{count} {reason}" for reason, count in sorted((+left_out).items())) or "it is empty"
        otherwise = _OTHERWISE if pictures else ""
        raise DataError(f"{folder} holds no DICOM image, nor pictures in a folder per class ({seen}){otherwise}")
    if pattern is not None:
        lines = [replace(line, patient=_found(pattern, line.path.relative_to(folder))) for line in lines]
    if len(lines) > 1 and len({line.patient for line in lines}) == 1:
        remarks.append("all lines have one patient: if the files were de-identified, give `patient` from elsewhere")
    return Draft(tuple(sorted(lines, key=lambda line: line.path)), +left_out, tuple(remarks))


_OTHERWISE = (
    "; move the pictures into a folder for each class, or write the manifest by hand or from a table: a line for each "
    "picture, with the columns path, label and patient"
)


def write_draft(draft: Draft, out: Path) -> None:
    """Write the manifest, readable by its owner only, with a byte order mark by which spreadsheets recognise UTF-8.

    Raises:
        DataError: the file exists.
    """
    base = out.resolve().parent
    columns = dicom.COLUMNS if any(line.columns for line in draft.lines) else ()
    rows = ((_written(line.path, base), line.label, line.patient, *line.columns) for line in draft.lines)
    write_new(out, (*_HEADER, *columns), rows)


def write_new(out: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a file as `write_draft` does.

    Raises:
        DataError: the file exists.
    """
    out.resolve().parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise DataError(f"--out {out} exists and is not overwritten; name another file") from None
    with os.fdopen(descriptor, "w", newline="", encoding="utf-8-sig") as stream:
        write_rows(stream, header, rows)


def _written(path: Path, base: Path) -> str:
    """The path for the manifest: relative if the file lies below the manifest's folder."""
    return str(path.relative_to(base) if path.is_relative_to(base) else path)


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    try:
        return None if pattern is None else re.compile(pattern)
    except re.error as error:
        raise DataError(f"--patient-pattern is not a regular expression: {error}") from None


def _found(pattern: re.Pattern[str], path: Path) -> str:
    found = pattern.search(path.as_posix())
    if found is None:
        return ""
    return (found[1] if pattern.groups else found[0]) or ""


def _files(folder: Path) -> tuple[list[Path], int]:
    """All files below a folder, sorted; and the number of those with a name that a manifest can't hold."""
    files, bad = [], 0
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(root, name)
            if name.startswith(".") or not path.is_file():
                continue
            if re.search("::|[\n\r\udc80-\udcff]", str(path)):
                bad += 1
            else:
                files.append(path)
    return sorted(files), bad


def _is_manifest(file: Path) -> bool:
    """Whether a draft was written to it before."""
    start = f"\ufeff{','.join(_HEADER)}".encode()
    if file.suffix.lower() != ".csv":
        return False
    with file.open("rb") as stream:
        return stream.read(len(start)) == start


def _describe_all(files: Sequence[Path], label_keyword: str | None) -> tuple[dict[Path, Described], Counter[str]]:
    described: dict[Path, Described] = {}
    left_out: Counter[str] = Counter()
    for file in track(files, "reading headers", console=Console(stderr=True), transient=True, disable=not files):
        try:
            described[file] = describe(file, label_keyword)
        except CaseError as error:
            left_out[f"{error.reason}: {REASONS[error.reason]}"] += 1
    return described, left_out


def _dicom_lines(
    folder: Path, described: Mapping[Path, Described], by_folder: bool
) -> tuple[list[DraftLine], list[str]]:
    """A line for each file, or for a folder that holds just one series of CT, MR or PT slices."""
    homes: dict[Path, list[Path]] = defaultdict(list)
    for file in described:
        homes[file.parent].append(file)
    paths: list[tuple[Path, Described]] = []
    series = mixed = 0
    for home, files in homes.items():
        some = [described[file] for file in files]
        volume = len(some) > 1 and all(one.columns[2] in VOLUMES and one.frames == 1 for one in some)
        if volume and len({(one.series, one.patient, one.label) for one in some}) == 1:
            paths.append((home, some[0]))
            series += 1
        else:
            paths += zip(files, some, strict=True)
            mixed += volume
    lines = [
        DraftLine(path, _class(path, folder) if by_folder else one.label, one.patient, one.columns)
        for path, one in paths
    ]
    remarks = [f"{len(lines) - series} DICOM files have a line each, and {series} folders that hold one series each"]
    if mixed:
        remarks.append(
            f"{mixed} folder(s) hold slices of several series: a line per file; to have a line per series, give each a "
            "folder of its own"
        )
    return lines, remarks


def _picture_lines(folder: Path, pictures: Iterable[Path], guessed: bool) -> tuple[list[DraftLine], list[str]]:
    lines = [DraftLine(file, _class(file, folder), file.stem.strip()) for file in pictures if file.parent != folder]
    remarks = [f"{len(lines)} pictures of {len({line.label for line in lines})} classes, by their folders' names"]
    if guessed:
        remarks.append(
            "`patient` is a guess, the file's name: two pictures of one patient would lie on two sides of a split; "
            "correct the column, or say with --patient-pattern where in the path the patient is"
        )
    return lines, remarks


def _class(path: Path, folder: Path) -> str:
    """The name of the first folder below ``folder`` on the path; ``""`` for a file directly in ``folder``."""
    parts = path.relative_to(folder).parts
    return parts[0].strip() if len(parts) > 1 or (parts and path.is_dir()) else ""
