"""The check over all DICOM files that pydicom ships, drafted into a manifest."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pydicom.data
import pytest
import yaml
from pydicom.errors import InvalidDicomError

from fedgraft.client.check.page import render
from fedgraft.client.cohort.drafts.folder import draft_manifest, write_draft
from fedgraft.client.cohort.quarantine import REASONS
from fedgraft.client.site.site_file import SiteFile, write_site_file
from fedgraft.common.plan.plan import Plan

from .test_check import check, findings, printed

FOLDER = Path(pydicom.data.__file__).parent / "test_files"
IDENTIFIERS = ("PatientID", "PatientName", "PatientBirthDate", "AccessionNumber", "SOPInstanceUID", "SeriesInstanceUID")


@pytest.fixture(scope="module")
def secrets() -> set[str]:
    """What identifies somebody in these files, and the files' names."""
    found = {file.name for file in FOLDER.rglob("*.dcm")}
    for file in FOLDER.rglob("*"):
        if not file.is_file():
            continue
        try:
            dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(IDENTIFIERS))
            found |= {str(dataset.get(name, "")) for name in IDENTIFIERS}
        except (InvalidDicomError, EOFError, ValueError, AttributeError, NotImplementedError, OSError):
            continue
    return {text for text in found if len(text) >= 5}


@pytest.mark.filterwarnings("ignore")  # pydicom's own, of its broken files
@pytest.mark.parametrize("with_plan", [False, True])
def test_every_file_is_named_by_line_and_reason_only(
    tmp_path: Path, compose_plan: Callable[..., Plan], secrets: set[str], with_plan: bool
) -> None:
    draft = draft_manifest(FOLDER)
    labelled = (
        replace(line, label=("clear", "lesion")[at % 2], patient=line.patient or f"p{at}")
        for at, line in enumerate(draft.lines)
    )
    write_draft(replace(draft, lines=tuple(labelled)), tmp_path / "manifest.csv")
    with (tmp_path / "manifest.csv").open(encoding="utf-8-sig") as stream:
        listed = len(list(csv.DictReader(stream)))
    site = SiteFile("north", tmp_path / "manifest.csv", tmp_path / "state", threads=1, workers=1)
    write_site_file(tmp_path / "site.yaml", site)
    plan = compose_plan("dicom.frames=all")
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan.to_dict()))
    sections = check(tmp_path / "site.yaml", plan=tmp_path / "plan.yaml" if with_plan else None)
    found = list(findings(sections))
    refused = [one for one in found if one.what.startswith("quarantine: ")]
    assert len(refused) >= 3 and all(one.what.removeprefix("quarantine: ") in REASONS for one in refused)
    assert all(" of the manifest" in one.text and one.todo for one in refused)
    (cases,) = (one for one in found if one.what == "cases")
    assert cases.text.startswith(f"{listed} lines, ")
    for text in (render("north", sections), printed(sections)):
        assert not {secret for secret in secrets if secret in text}
        assert str(FOLDER) not in text
