"""The check over whole sites: hostile manifests, real images, a phantom hospital."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from rich.console import Console

from fedgraft.client.check.check import check_site
from fedgraft.client.check.page import render
from fedgraft.client.check.report import Finding, Section
from fedgraft.client.check.request import CheckRequest
from fedgraft.client.check.sections.cohort import describe_cohort
from fedgraft.client.check.sections.releases import TITLE
from fedgraft.client.check.terminal import show_section
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.site.site_file import SiteFile, write_site_file
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.sites import lay_out

from .conftest import case, case_table_of
from .test_page import parsed

Composer = Callable[..., Plan]
STRANGE = (
    "MÜLLER^HANS^19570131",
    "<b>Huber</b>",
    "=cmd|' /C calc'!A0",
    "\x1b[2J\x1b]0;Kowalska\x07",
    "a\u202egnp.annA",
    "{{ site.key }}%s{0}",
    "患者山田",
    'O\'Brien "Pat" & Söhne',
    "x" * 300,
)


def write_site(folder: Path, lines: list[dict[str, str]], plan: Plan | None = None) -> Path:
    """A site of these manifest lines; 40 x 40 noise for each file name that does not begin with ``no-``."""
    rng = np.random.default_rng(0)
    for line in lines:
        file = folder / line["path"]
        if not line["path"].startswith("no-") and not file.exists():
            Image.fromarray(rng.integers(0, 255, (40, 40), np.uint8)).save(file, "PNG")
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    write_site_file(folder / "site.yaml", SiteFile("north", folder / "manifest.csv", folder / "state", threads=1))
    if plan is not None:
        (folder / "plan.yaml").write_text(yaml.safe_dump(plan.to_dict()))
    return folder / "site.yaml"


def check(path: Path, **request: object) -> list[Section]:
    return list(check_site(path, CheckRequest(**request)))  # type: ignore[arg-type]


def findings(sections: list[Section]) -> Iterator[Finding]:
    for section in sections:
        yield from section.findings


def grades(sections: list[Section]) -> dict[str, str]:
    return {finding.what: finding.grade for finding in findings(sections)}


def printed(sections: list[Section]) -> str:
    stream = io.StringIO()
    for section in sections:
        show_section(Console(file=stream, width=100_000), section)
    return stream.getvalue()


def test_nothing_of_a_hostile_manifest_is_repeated(tmp_path: Path, compose_plan: Composer) -> None:
    """Patients, groups, file names and free text of every kind; the page and the terminal hold none of them."""
    lines = [
        {
            "path": f"{'no-' if at % 3 == 0 else ''}{at}-{''.join(c for c in text if c.isalnum())[:50]}.png",
            "label": ("clear", "lesion", text)[at % 3],
            "patient": text,
            "group": f"group {text}",
            "note": text,
            "name": text,
        }
        for at, text in enumerate(STRANGE * 2)
    ]
    for plan in (None, compose_plan()):
        folder = tmp_path / ("with" if plan else "without")
        folder.mkdir()
        sections = check(write_site(folder, lines, plan), plan=None if plan is None else folder / "plan.yaml")
        page, shown = render("north", sections), printed(sections)
        reader = parsed(page)
        for text in (page, reader.text, shown):
            for secret in (*STRANGE, *(line["path"] for line in lines)):
                assert secret not in text and repr(secret)[1:-1] not in text
            for word in ("Huber", "Kowalska", "Brien", "19570131", "calc", "annA", "患者", ".png"):
                assert word not in text
        assert "\x1b" not in shown and "\u202e" not in shown


def test_markup_in_a_subgroup_is_escaped() -> None:
    wards = ("<script>x</script>", "{{ 7*7 }}")
    cases = [case(at, **{"<u>ward": wards[at % 2]}) for at in range(10)]
    reader = parsed(render("north", [describe_cohort(case_table_of(cases), None, 5)]))
    assert "<script>x</script>" in reader.text and "by <u>ward" in reader.text and "{{ 7*7 }}" in reader.text
    assert not {"script", "u"} & {tag for tag, _ in reader.elements}


def test_without_a_plan_it_says_what_was_not_checked(tmp_path: Path) -> None:
    sections = check(write_site(tmp_path, [{"path": "a.png", "label": "a", "patient": "p"}]))
    assert [section.title for section in sections] == [
        "site file",
        "the site",
        "plan",
        "who can read it",
        "cohort",
        "the account",
        "images",
        TITLE,
    ]
    (plan,) = sections[2].findings
    assert str(plan) == (
        "warning  plan: none given, and the coordinator has sent none: not checked are task, classes, splits, size of "
        "the cohort, time, memory, bytes and disk; name one with --plan"
    )


def test_an_uplink_without_a_plan_has_no_effect(tmp_path: Path) -> None:
    sections = check(write_site(tmp_path, [{"path": "a.png", "label": "a", "patient": "p"}]), uplink=10.0)
    assert "problem  --uplink: has no effect without a plan; add --plan, or leave it out" in map(
        str, findings(sections)
    )


def test_a_sample(tmp_path: Path) -> None:
    lines = [{"path": f"{at}.png", "label": "a", "patient": f"p{at}"} for at in range(9)]
    found = [str(one) for one in findings(check(write_site(tmp_path, lines), sample=3))]
    assert "ok       quarantine: all 3 images can be used" in found
    assert (
        "warning  sample: only 3 of 9 cases were decoded, as --sample says; duplicates and damage elsewhere are not "
        "seen; leave it out" in found
    )


def test_no_pictures_without_a_page(tmp_path: Path) -> None:
    path = write_site(tmp_path, [{"path": "a.png", "label": "a", "patient": "p"}])
    assert [len(one.thumbnails) for one in check(path) if one.title == "images"] == [1]
    assert not any(one.thumbnails for one in check(path, pictures=False))


def test_files_that_are_not_there(tmp_path: Path, compose_plan: Composer) -> None:
    path = write_site(tmp_path, [{"path": "no-a.png", "label": "clear", "patient": "p"}], compose_plan())
    found = [str(one) for one in findings(check(path, plan=tmp_path / "plan.yaml"))]
    assert "problem  quarantine: no image can be used; nothing can be trained on at this site" in found
    assert "warning  time: no usable case to measure on" in found


@pytest.mark.parametrize("broken", ["site", "manifest", "plan"])
def test_what_can_t_be_read_is_a_problem(tmp_path: Path, broken: str) -> None:
    path = write_site(tmp_path, [{"path": "a.png", "label": "a", "patient": "p"}])
    (tmp_path / "plan.yaml").write_text("rounds: many\n")
    if broken == "site":
        path.write_text("name: [\n")
    if broken == "manifest":
        (tmp_path / "manifest.csv").write_text("label\nx\n")
    found = grades(check(path, plan=tmp_path / "plan.yaml" if broken == "plan" else None))
    expected = {"site": "site file", "manifest": "manifest", "plan": "plan"}[broken]
    assert found[expected] == "problem"
    assert ("cases" in found) == (broken == "plan")


def test_a_label_beside_the_plan_names_no_case(tmp_path: Path, compose_plan: Composer) -> None:
    lines = [{"path": f"{at}.png", "label": "clear", "patient": f"p{at}"} for at in range(6)]
    path = write_site(tmp_path, [*lines, {"path": "z.png", "label": "Anna", "patient": "Huber"}], compose_plan())
    sections = check(path, plan=tmp_path / "plan.yaml")
    assert grades(sections)["targets"] == "problem"
    assert "Anna" not in printed(sections) and "Huber" not in printed(sections)


def test_a_part_from_a_package_that_is_not_allowed(tmp_path: Path, compose_plan: Composer) -> None:
    lines = [{"path": f"{at}.png", "label": "clear", "patient": f"p{at}"} for at in range(6)]
    path = write_site(tmp_path, lines)
    raw = compose_plan().to_dict()
    raw["head"]["_target_"] = "other.package.Head"
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(raw))
    found = {one.what: one for one in findings(check(path, plan=tmp_path / "plan.yaml"))}
    assert found["plan"].grade == "problem" and "other.package.Head" in found["plan"].text


def test_a_phantom_hospital_of_a_simulation(tmp_path: Path, compose_plan: Composer, cache: Path) -> None:
    """As `fedgraft simulate` lays it out: real DICOM files, its plan two folders up; then a copied film."""
    plan = compose_plan()
    federation = lay_out(plan, tmp_path / "sites", {"FEDGRAFT_CACHE": str(cache)})
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan.to_dict()))
    path = federation.sites["alder"]
    sections = check(path, uplink=8.0)
    titles = [
        "site file",
        "the site",
        "plan",
        "cohort",
        "the account",
        "images",
        "ready for the plan?",
        "cost of a round",
    ]
    assert [section.title for section in sections] == titles
    found = {one.what: one for one in findings(sections)}
    assert not [one for one in found.values() if one.grade == "problem"]
    assert found["plan"].text.startswith(plan.digest[:12]) and found["plan"].text.endswith("2 rounds")
    assert found["cases"].text.startswith("32 cases of ") and found["quarantine"].text == "all 32 images can be used"
    assert found["bytes"].text.endswith("to send at the stated 8 Mbit/s")
    assert len(sections[5].thumbnails) == 32 and sections[5].thumbnails[0].caption.startswith("case-")
    page = render("alder", sections)
    assert "alder-00" not in page and "film-" not in page
    film = Path(read_manifest(path.parent / "manifest.csv")[0].path)
    (path.parent / "copy.dcm").write_bytes(film.read_bytes())
    with (path.parent / "manifest.csv").open("a") as stream:
        stream.write("copy.dcm,,clear,somebody else,,\n")
    text = printed(check(path))
    assert "the same pixels under different patients, 1 image (case-" in text and "somebody" not in text
    assert "lines 2, 34 of the manifest" in text


def test_a_second_check_decodes_nothing(tmp_path: Path, compose_plan: Composer) -> None:
    """What it decoded is kept, where a run finds it: the store's pixels are of the plan's size, one row per image."""
    lines = [{"path": f"{at}.png", "label": ("clear", "lesion")[at % 2], "patient": f"p{at}"} for at in range(8)]
    path = write_site(tmp_path, lines, compose_plan())
    first = list(findings(check(path, plan=tmp_path / "plan.yaml", pictures=False)))
    rows = {file.stat().st_size for file in (tmp_path / "state" / "store" / "kept").glob("*-uint16/rows.bin")}
    assert rows == {8 * 32 * 32 * 2}
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "state" / "store").rglob("*.bin")}
    second = list(findings(check(path, plan=tmp_path / "plan.yaml", pictures=False)))
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "state" / "store").rglob("*.bin")} == before
    assert [one for one in second if one.what == "quarantine"] == [one for one in first if one.what == "quarantine"]


def test_a_store_that_can_t_be_written(tmp_path: Path, compose_plan: Composer) -> None:
    path = write_site(tmp_path, [{"path": "a.png", "label": "clear", "patient": "p"}], compose_plan())
    (tmp_path / "state").write_text("a file, not a folder")
    found = [str(one) for one in findings(check(path, plan=tmp_path / "plan.yaml"))]
    (line,) = [line for line in found if line.startswith("problem  folders: ")]
    assert "the state or store folder can't be written or read (File exists)" in line
