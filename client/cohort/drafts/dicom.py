"""Read from a DICOM file's header what a line of a first manifest needs: patient, subgroups, series.

Only the start of a file is read: everything needed lies before (0028,0011) Columns, in the first kilobytes.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.common.errors import DataError

COLUMNS = ("sex", "age", "modality", "scanner", "body_part", "view")
KEYWORDS = (
    "StudyDate",
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "BodyPartExamined",
    "ViewPosition",
    "SeriesInstanceUID",
    "NumberOfFrames",
    "Rows",
)
AMOUNTS = (1 << 16, 1 << 24)  # bytes from the file's start: nearly always enough, and the most
_COLUMNS_TAG = 0x00280011
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_AGE = re.compile(r"(\d{3})([DWMY])", re.ASCII)
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12, "Y": 1}


@dataclass(frozen=True, slots=True)
class Described:
    """One file's header. ``columns``: text for each of `COLUMNS`; ``series`` is only compared, never written or
    shown."""

    patient: str
    label: str
    columns: tuple[str, ...]
    series: str
    frames: int


def describe(path: Path, label_keyword: str | None) -> Described:
    """Read one file's header.

    Args:
        label_keyword: the element that becomes the label; checked by `check_label_keyword`.

    Raises:
        CaseError: ``missing``, ``not-dicom``, ``damaged``, ``no-pixels``, ``unsupported`` or ``too-large``.
    """
    wanted = KEYWORDS if label_keyword is None else (*KEYWORDS, label_keyword)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # their text quotes the file
            return _described(_header(path, wanted), label_keyword)
    except CaseError:
        raise
    except OSError:
        raise CaseError("missing") from None
    except Exception:  # a damaged file makes the parser raise anything
        raise CaseError("damaged") from None


def check_label_keyword(keyword: str) -> None:
    """Raise `DataError` unless the element can name a class: a code or short text that does not name a person."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise DataError(
            f"--label-from {keyword}: neither `folder` nor a DICOM keyword, such as BodyPartExamined or ViewPosition"
        )
    person = BaseTag(tag).group == 0x0010 and keyword != "PatientSex"
    if person or dictionary_VR(tag) not in ("CS", "LO", "SH") or keyword.endswith(("ID", "Number")):
        raise DataError(f"--label-from {keyword}: names a person, a study or a quantity, not a class")


def age_in_years(age: str, birth: str, study: str) -> str:
    """Completed years as text, ``""`` if unknown.

    Args:
        age: (0010,1010) Patient's Age, as ``063Y`` (PS3.5 section 6.2, AS).
        birth: (0010,0030) Patient's Birth Date and
        study: (0008,0020) Study Date, as ``YYYYMMDD``; read if ``age`` is not there.
    """
    stated = _AGE.fullmatch(age)
    if stated:
        return str(int(int(stated[1]) / _PER_YEAR[stated[2]]))
    try:
        born, seen = (datetime.strptime(text, "%Y%m%d") for text in (birth, study))
    except ValueError:
        return ""
    years = seen.year - born.year - ((seen.month, seen.day) < (born.month, born.day))
    return str(years) if 0 <= years <= 130 else ""


def _header(path: Path, wanted: tuple[str, ...]) -> Dataset:
    last = max(_COLUMNS_TAG, *(tag_for_keyword(keyword) or 0 for keyword in wanted))
    with path.open("rb") as stream:
        for amount in AMOUNTS:
            stream.seek(0)
            start = stream.read(amount)
            if start[128:132] != b"DICM":
                raise CaseError("not-dicom")
            if _DEFLATED in start[:1024]:
                raise CaseError("unsupported")  # pydicom would inflate it whole, and a bomb with it
            dataset, complete = _parsed(start, last, wanted)
            if complete or len(start) < amount:
                if not (complete or dataset):
                    raise CaseError("damaged")
                return dataset
    raise CaseError("too-large")


def _parsed(start: bytes, last: int, wanted: tuple[str, ...]) -> tuple[Dataset, bool]:
    """The wanted elements, and whether what follows the last of them was reached."""
    reached = False

    def stop(tag: BaseTag, vr: str | None, length: int) -> bool:
        nonlocal reached
        reached = reached or tag > last
        return reached

    return read_partial(BytesIO(start), stop_when=stop, specific_tags=[Tag(keyword) for keyword in wanted]), reached


def _described(header: Dataset, label_keyword: str | None) -> Described:
    if not header.get("Rows"):
        raise CaseError("no-pixels")
    sex = _text(header, "PatientSex").upper()
    maker, model = _text(header, "Manufacturer"), _text(header, "ManufacturerModelName")
    age = age_in_years(_text(header, "PatientAge"), _text(header, "PatientBirthDate"), _text(header, "StudyDate"))
    return Described(
        patient=_text(header, "PatientID"),
        label="" if label_keyword is None else _text(header, label_keyword),
        columns=(
            sex if sex in ("M", "F", "O") else "",
            age,
            _text(header, "Modality"),
            model if model.lower().startswith(maker.lower()) else f"{maker} {model}".strip(),
            _text(header, "BodyPartExamined"),
            _text(header, "ViewPosition"),
        ),
        series=_text(header, "SeriesInstanceUID"),
        frames=int(header.get("NumberOfFrames") or 1),
    )


def _text(header: Dataset, keyword: str) -> str:
    """An element's text on one line, without unprintable characters; several values are joined as in DICOM."""
    value = header.get(keyword)
    text = "\\".join(map(str, value)) if isinstance(value, MultiValue) else "" if value is None else str(value)
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
