"""Stand-in until the branch `dicom` is merged."""

from pathlib import Path

from fedgraft.client.dicom.old import read_dicom as old
from fedgraft.client.limits import Limits
from fedgraft.client.picture import Picture
from fedgraft.client.unusable import CaseError
from fedgraft.common.errors import DataError
from fedgraft.common.schema_data import Dicom


def read_dicom(path: Path, dicom: Dicom, limits: Limits, row: int | None) -> Picture:
    try:
        return Picture(old(path))
    except DataError as error:
        raise CaseError("damaged", "old") from error
