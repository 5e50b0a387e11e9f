"""The phantom data set: synthetic chest films, as real DICOM files of a few hospitals.

Each hospital has its own scanner (`fedgraft.simulations.datasets.phantom.scanners`) and prevalence. The files are
written once, under ``cache``, and reused.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid
from rich.console import Console
from rich.progress import Progress
from threadpoolctl import threadpool_limits

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.manifest import read_manifest, write_manifest
from fedgraft.common.errors import PlanError
from fedgraft.simulations.datasets.phantom.anatomy import draw_anatomy, draw_lesions, render
from fedgraft.simulations.datasets.phantom.scanners import HOSPITALS, Scanner, expose, quantise, scanners, window_of
from fedgraft.simulations.datasets.source import Source

VERSION = 1
CLASSES = ("clear", "lesion")
SECOND_VISIT = 0.15


def phantom(*, cache: Path, seed: int, sites: int = 4, cases: int = 120, size: int = 96, shift: float = 1.0) -> Source:
    """Write (or find) the films, and return them with the hospital of each.

    Args:
        cache: FedGraft's cache folder.
        seed: of patients and noise.
        sites: number of hospitals.
        cases: films of each hospital.
        size: side of the reference matrix, in pixels; a hospital's own is 1 to 1.7 times as large.
        shift: how much the scanners differ; 0 = not at all.

    Raises:
        PlanError: an option is out of range.
    """
    _check(sites, cases, size, shift)
    options = {"version": VERSION, "seed": seed, "sites": sites, "cases": cases, "size": size, "shift": shift}
    digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:12]
    folder = cache / f"phantom-{digest}"
    used = scanners(sites, float(shift))
    if not folder.is_dir():
        _write_all(folder, used, cases=cases, size=size, seed=seed)
    found = {scanner.name: read_manifest(folder / scanner.name / "manifest.csv") for scanner in used}
    return Source(
        cases=tuple(case for part in found.values() for case in part),
        site_of=tuple(name for name, part in found.items() for _ in part),
    )


def _check(sites: int, cases: int, size: int, shift: float) -> None:
    checks = (
        (1 <= sites <= len(HOSPITALS), f"data.sites={sites} must be from 1 to {len(HOSPITALS)}"),
        (cases >= 10, f"data.cases={cases} must be at least 10, for a hospital to have both classes"),
        (32 <= size <= 1024, f"data.size={size} must be from 32 to 1024 pixels"),
        (0 <= shift <= 2, f"data.shift={shift} must be from 0 (identical scanners) to 2"),
    )
    problems = [text for fine, text in checks if not fine]
    if problems:
        raise PlanError(problems)


@dataclass(frozen=True)
class Visit:
    """One film. ``patient`` and ``visit`` count from 0; ``lesion``: whether the patient has one."""

    patient: int
    visit: int
    lesion: bool


def plan_visits(cases: int, prevalence: float, rng: np.random.Generator) -> list[Visit]:
    """Draw the visits of a hospital: ``cases`` films, a share of about ``prevalence`` with a lesion.

    All films of a patient have the same label. At least three patients have a lesion, and three have none.
    """
    visits: list[tuple[int, int]] = []
    patient = 0
    while len(visits) < cases:
        number = 2 if rng.uniform() < SECOND_VISIT and len(visits) + 1 < cases else 1
        visits += [(patient, visit) for visit in range(number)]
        patient += 1
    films = np.bincount([number for number, _ in visits])
    order = rng.permutation(patient)
    taken = np.cumsum(films[order])
    ill = int(np.clip(np.searchsorted(taken, round(prevalence * cases)) + 1, 3, patient - 3))
    with_lesion = set(order[:ill].tolist())
    return [Visit(number, visit, number in with_lesion) for number, visit in visits]


def _write_all(folder: Path, used: tuple[Scanner, ...], *, cases: int, size: int, seed: int) -> None:
    """Write all hospitals to a temporary folder, and rename it when it is complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".phantom-"))
    try:
        progress = Progress(console=Console(stderr=True), transient=True)
        with threadpool_limits(1, "blas"), progress:  # small products: on a busy machine a second thread is waited for
            task = progress.add_task("writing phantom films", total=cases * len(used))
            for site, scanner in enumerate(used):
                written = []
                for case in _write_site(temporary / scanner.name, scanner, (seed, site), cases, size):
                    written.append(case)
                    progress.advance(task)
                write_manifest(temporary / scanner.name / "manifest.csv", written)
        if not folder.is_dir():  # another process may have been faster; its files are the same
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_site(folder: Path, scanner: Scanner, key: tuple[int, int], cases: int, size: int) -> Iterator[Case]:
    """Write one hospital's films; ``key`` is the seed and the site's number."""
    folder.mkdir(parents=True)
    visits = plan_visits(cases, scanner.prevalence, np.random.default_rng((*key, 0)))
    for number, visit in enumerate(visits):
        film = take(scanner, visit, key, size)
        patient = f"{scanner.name}-{visit.patient + 1:04d}"
        dataset = to_dicom(scanner, quantise(scanner, film), patient, (*key, visit.patient, visit.visit))
        file = f"film-{number + 1:04d}.dcm"
        dataset.save_as(folder / file, enforce_file_format=True)
        yield Case(path=file, label=CLASSES[visit.lesion], patient=patient)


def take(scanner: Scanner, visit: Visit, key: tuple[int, int], size: int) -> NDArray[np.float64]:
    """One film, ``(H, W)`` float64 in [0, 1]; a patient's anatomy and lesions are the same at each visit."""
    rng = np.random.default_rng((*key, 1, visit.patient))
    anatomy = draw_anatomy(rng)
    lesions = draw_lesions(anatomy, rng) if visit.lesion else ()
    today = np.random.default_rng((*key, 2, visit.patient, visit.visit))
    turn = float(today.normal(0.0, 0.03))
    picture = render(anatomy, lesions, round(size * scanner.scale), scanner.field, turn)
    return expose(scanner, picture, today)


def to_dicom(scanner: Scanner, stored: NDArray[np.int64], patient: str, key: tuple[int, ...]) -> Dataset:
    """A Computed Radiography image (PS3.3 A.2) of stored values ``(H, W)``; its UIDs depend on ``key`` only."""
    dataset = Dataset()
    names = [f"fedgraft-phantom-{VERSION}", scanner.name, *map(str, key)]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, keyword, generate_uid(entropy_srcs=[keyword, *names]))
    dataset.PatientName = f"Phantom^{patient.replace('-', '^').title()}"
    dataset.PatientID = patient
    for keyword in (
        "PatientBirthDate",
        "PatientSex",
        "AccessionNumber",
        "ReferringPhysicianName",
        "StudyTime",
    ):
        setattr(dataset, keyword, "")
    dataset.StudyDate, dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "20250101", "1", 1, 1
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "CR", "CHEST", "PA"
    dataset.Manufacturer, dataset.InstitutionName = "FedGraft phantom", scanner.name
    dataset.PatientOrientation = ["L", "F"]
    _set_pixels(dataset, scanner, stored)
    return dataset


def _set_pixels(dataset: Dataset, scanner: Scanner, stored: NDArray[np.int64]) -> None:
    """Set the Image Pixel (PS3.3 C.7.6.3), Modality LUT (C.11.1) and VOI LUT (C.11.2) modules."""
    allocated = 8 if scanner.bits <= 8 else 16
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if scanner.inverted else "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, scanner.bits, scanner.bits - 1
    dataset.PixelRepresentation = int(scanner.signed)
    if (scanner.slope, scanner.intercept) != (1.0, 0.0):
        dataset.RescaleIntercept, dataset.RescaleSlope = f"{scanner.intercept:g}", f"{scanner.slope:g}"
        dataset.RescaleType = "US"
    if scanner.voi is not None:
        center, width = window_of(scanner)
        dataset.WindowCenter, dataset.WindowWidth = f"{center:.10g}", f"{width:.10g}"
        dataset.VOILUTFunction = scanner.voi
    kind = "i" if scanner.signed else "u"
    pixels = stored.astype(f"<{kind}{allocated // 8}").tobytes()
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)  # of even length, PS3.5 section 8
    dataset["PixelData"].VR = "OW"
