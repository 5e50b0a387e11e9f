"""Existing site folders as a data set: each has a ``site.yaml`` and the manifest that it names."""

from __future__ import annotations

from pathlib import Path

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.own_words import listed_cases
from fedgraft.client.site.site_file import SiteFile, read_site_file
from fedgraft.common.errors import DataError
from fedgraft.common.plan.data_sections import TaskName
from fedgraft.simulations.datasets.outcomes import check_outcomes
from fedgraft.simulations.datasets.source import Source

SITE_FILE = "site.yaml"


def folders(*, path: str, task: TaskName, classes: tuple[str, ...] | None) -> Source:
    """The cases of the folders below ``path``, each of which is a hospital.

    ``release``, ``limits`` and ``refuse_burned_in`` of a ``site.yaml`` hold in the simulation too. One patient name in
    two folders means two patients.

    Args:
        path: relative to the working directory; a simulation's ``sites`` folder is a valid one.
        task: the plan's task.
        classes: the plan's classes; ``None`` if they are yet to be found.

    Raises:
        DataError: the folder does not exist, none in it has a ``site.yaml``, two share a name, or a manifest is wrong.
        SiteFileError: a site file is wrong.
    """
    root = Path(path).expanduser().resolve()
    if not root.is_dir():
        raise DataError(f"data.path={path} is no folder ({root}); name the one that holds a folder for each hospital")
    found = sorted(root.glob(f"*/{SITE_FILE}"))
    if not found:
        own = " It has one itself: name the folder above" if (root / SITE_FILE).is_file() else ""
        raise DataError(
            f"data.path={path}: no folder in {root} holds a {SITE_FILE} (`fedgraft site init` writes one); for one "
            f"manifest of all hospitals use data=manifest.{own}"
        )
    files: dict[str, SiteFile] = {}
    cases: list[Case] = []
    site_of: list[str] = []
    for each in found:
        site = read_site_file(each)
        if site.name in files:
            raise DataError(f"{each}: another folder's site has the name {site.name} too; rename one")
        files[site.name] = site
        own_cases = listed_cases(site)
        check_outcomes(site.manifest, own_cases, task, classes, {})
        cases += own_cases
        site_of += [site.name] * len(own_cases)
    return Source(tuple(cases), tuple(site_of), own_patients=True, site_files=files)
