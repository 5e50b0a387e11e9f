"""eICU demo: does a patient in intensive care leave the hospital alive? 186 hospitals of the USA (ODbL 1.0).

Johnson et al., eICU Collaborative Research Database Demo 2.0.1, PhysioNet 2021. Inputs are the variables of the APACHE
score on the first day (``apacheApsVar``) and the age. One case per hospital stay: its first stay in intensive care.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.csv_tables import Line, read_lines, write_table
from fedgraft.simulations.datasets.source import Source, find, places

STAY = "patientunitstayid"
APACHE = (
    *("intubated", "vent", "dialysis", "eyes", "motor", "verbal", "meds", "urine", "wbc", "temperature"),
    *("respiratoryrate", "sodium", "heartrate", "meanbp", "ph", "hematocrit", "creatinine", "albumin", "pao2", "pco2"),
    *("bun", "glucose", "bilirubin", "fio2"),
)
MISSING = "-1"  # in APACHE
PATIENT = ("uniquepid", "hospitalid", "unitvisitnumber", "hospitaldischargestatus", "age", "gender", "ethnicity")
CLASSES = {"Alive": "alive", "Expired": "expired"}
OLDEST = {"> 89": "90"}  # how the publisher hides the ages of the oldest
SEX = {"Female": "F", "Male": "M"}


def eicu_demo(*, root: Path | None, cache: Path, sites: Literal["regions", "hospitals"] = "regions") -> Source:
    """The first unit stay of each hospital stay with a known outcome, as tables in ``cache``.

    A patient who was at two sites counts as two patients, since no site could know: 6 with regions, 16 with hospitals.

    Args:
        root: the folder of ``FEDGRAFT_DATA``, or ``None``.
        cache: FedGraft's cache folder, to which the tables are written.
        sites: ``regions`` = four, and ``unknown``; ``hospitals`` = 186, of 1 to 22 cases.

    Raises:
        DataError: a file is not here or not as published.
    """
    patients = read_lines(_find("patient", root, cache), (STAY, *PATIENT))
    apache = {line[STAY]: line for line in read_lines(_find("apacheApsVar", root, cache), (STAY, *APACHE))}
    regions = {
        line["hospitalid"]: line["region"].lower() or "unknown"
        for line in read_lines(_find("hospital", root, cache), ("hospitalid", "region"))
    }
    by_site: dict[str, list[tuple[Line, Line]]] = {}
    for line in patients:
        usable = line["unitvisitnumber"] == "1" and line["hospitaldischargestatus"] in CLASSES and line[STAY] in apache
        if usable:
            hospital = line["hospitalid"]
            site = f"hospital-{hospital}" if sites == "hospitals" else regions.get(hospital, "unknown")
            by_site.setdefault(site, []).append((line, _normalised(line, apache[line[STAY]])))
    cases: list[Case] = []
    for site, pairs in sorted(by_site.items()):
        path = write_table(cache / "eicu_demo", site, ("age", *APACHE), [features for _, features in pairs])
        cases += [_case(line, features, path, row, site) for row, (line, features) in enumerate(pairs)]
    if not cases:
        raise DataError("eICU demo: no stay is in both patient.csv.gz and apacheApsVar.csv.gz; get the files again")
    return Source(cases=tuple(cases), site_of=tuple(site for site, pairs in sorted(by_site.items()) for _ in pairs))


def _find(name: str, root: Path | None, cache: Path) -> Path:
    relative = f"eicu_demo/{name}.csv.gz"
    file = find(relative, root, cache)
    if file is None:
        raise DataError(
            f"The eICU demo is not here: {places(relative, root, cache)}. FedGraft does not download it: it is at "
            "https://physionet.org/content/eicu-crd-demo/2.0.1/"
        )
    return file


def _normalised(patient: Line, apache: Line) -> Line:
    cells = {name: "" if apache[name] == MISSING else apache[name] for name in APACHE}
    return {"age": OLDEST.get(patient["age"], patient["age"]), **cells}


def _case(line: Line, features: Line, path: Path, row: int, site: str) -> Case:
    return Case(
        path=str(path),
        row=row,
        label=CLASSES[line["hospitaldischargestatus"]],
        patient=f"{site}-{line['uniquepid']}",
        columns=(
            ("sex", SEX.get(line["gender"], "")),
            ("age", features["age"]),
            ("ethnicity", line["ethnicity"]),
        ),
    )
