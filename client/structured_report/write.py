"""Write a report as a file: a Comprehensive SR in the patient's study, unverified and preliminary."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from highdicom.sr import ComprehensiveSR
from highdicom.uid import UID
from pydicom import dcmread
from pydicom.dataset import Dataset

from fedgraft.client.images.dicom.read import Source
from fedgraft.client.structured_report.content import Author, Findings, measurement_report
from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import replacing

_SERIES = 9000
"""A Series Number that scanners do not use."""
_NEEDED = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")


def write_report(findings: Findings, author: Author, sources: Sequence[Source], path: Path) -> None:
    """Write the report of one case, readable by this account only.

    Who the patient is, and which study it is, is copied from the first source's header.

    Args:
        sources: what the image was read from: files of one study.

    Raises:
        DataError: a header lacks what a reference to it needs, or can't be copied; the message quotes nothing of it.
    """
    with _silent():
        try:
            made = _report(findings, author, [(_header(source.path), source.frames) for source in sources])
            with replacing(path, private=True) as partial:
                made.save_as(partial, enforce_file_format=True)
        except DataError:
            raise
        except Exception as error:  # a header may hold anything, and errors may quote from it
            raise DataError(f"a report can't be made of its header ({type(error).__name__})") from None


def _report(findings: Findings, author: Author, images: Sequence[tuple[Dataset, tuple[int, ...]]]) -> Dataset:
    headers = [header for header, _ in images]
    made: Dataset = ComprehensiveSR(
        headers,
        measurement_report(findings, author, images),
        UID(),
        _SERIES,
        UID(),
        1,
        "FedGraft",
        is_complete=True,
        is_final=False,
        is_verified=False,
    )
    made.SeriesDescription = "AI result, not verified"
    made.ManufacturerModelName, made.SoftwareVersions = author.name[:64], author.version
    return made


def _header(path: Path) -> Dataset:
    """
    Raises:
        DataError: it has no UID by which it could be referred to.
    """
    header = dcmread(path, stop_before_pixels=True)
    for keyword in _NEEDED:
        if not header.get(keyword):
            raise DataError(f"its header has no {keyword}, by which a report refers to it")
    return header


@contextmanager
def _silent() -> Iterator[None]:
    """pydicom's and highdicom's warnings and log lines may quote a header."""
    loggers = [logging.getLogger(name) for name in ("pydicom", "highdicom")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
