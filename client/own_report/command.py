"""The command ``fedgraft site report``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedgraft.client.check.case_lookup import named_cases
from fedgraft.client.check.page import write_page
from fedgraft.client.check.sections.subgroups import subgroups
from fedgraft.client.own_report.figures import judged
from fedgraft.client.own_report.own_cases import OwnCases, read_own_cases
from fedgraft.client.own_report.page import shown_split, site_page
from fedgraft.client.site.fetched import model_at
from fedgraft.client.site.site_file import SiteFile, read_site_file
from fedgraft.common.runtime.processes import say

DESCRIPTION = """\
Writes this site's own page about the model that it evaluated last, from state/predictions.csv: curves, figures at the
threshold, single cases by name, and figures by every column of the manifest. Nothing is sent, and the page (report.html
in the site's state folder, readable by this account only) must stay at the site.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own options; ``--site`` is every site command's."""
    parser.add_argument(
        "--model",
        type=Path,
        metavar="FOLDER|NAME",
        help="the folder of that model, or the name by which it was fetched: its calibration and thresholds are used "
        "(default: no calibration, and "
        "thresholds by this site's own validation cases)",
    )
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="where the HTML page goes (default: state/report.html)"
    )


def run(given: argparse.Namespace) -> int:
    """Write the page.

    Raises:
        SiteFileError: the page can't be written.
    """
    site = read_site_file(given.site)
    file = write_site_report(site, given.model and model_at(given.model, site), given.page)
    say(f"wrote {file} (it must stay at the site)")
    return 0


def write_site_report(site: SiteFile, model: Path | None, page: Path | None) -> Path:
    """Write the page, readable by this account only; returns its path.

    Raises:
        SiteFileError: it can't be written.
    """
    own = read_own_cases(site)
    columns, unlisted = groups_of(own, site)
    text = site_page(site.name, own, judged(own, site.name, model), columns, unlisted)
    file = site.state / "report.html" if page is None else page
    write_page(file, text, "by --page")
    return file


def groups_of(own: OwnCases, site: SiteFile) -> tuple[dict[str, dict[str, list[int]]], int]:
    """By column of the manifest and group, the places of the cases that are shown; and how many of those cases the
    manifest does not list any more."""
    listed = named_cases(site, own.plan)
    among = own.of(shown_split(own))
    known = [place for place in among if own.names[place] in listed]
    cases = [listed[own.names[place]] for place in known]
    found: dict[str, dict[str, list[int]]] = {}
    for one in subgroups(cases, 1, own.task.manifest_columns):
        groups = found.setdefault(one.column, {})
        for name in sorted(set(one.of)):
            groups[name] = [place for place, value in zip(known, one.of, strict=True) if value == name]
    return found, len(among) - len(known)
