"""The command ``fedgraft site check``: its options, the report printed section by section, the page, the exit code."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from fedgraft.client.check.check import check_site
from fedgraft.client.check.page import render, write_page
from fedgraft.client.check.report import Finding, Section, exit_code
from fedgraft.client.check.request import CheckRequest
from fedgraft.client.check.terminal import show_section, show_total
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.errors import FedGraftError, SiteFileError

DESCRIPTION = """\
Looks at the site file, the coordinator, every case of the cohort and, with a plan, at what a run would need here.
Each finding is ok, a warning or a problem, with what to do. Nothing is sent. No line names a patient or a file of a
case; the page with thumbnails (check.html in the site's state folder, readable by this account only) must stay at the
site. `fedgraft site case NAME` gives the line of a case that is named by its hash.
Exit code 0: no problem (warnings are allowed); 1: a problem; 2: a wrong option.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own options; ``--site`` is every site command's."""
    parser.add_argument(
        "--plan",
        type=Path,
        help="check against this plan.yaml (default: the newest that the coordinator has sent, or the simulation's)",
    )
    parser.add_argument("--sample", type=int, metavar="N", help="decode only N cases, evenly spread (default: all)")
    parser.add_argument("--uplink", type=float, metavar="MBIT", help="the line's speed to the coordinator, in Mbit/s")
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="where the HTML page goes (default: state/check.html)"
    )
    parser.add_argument("--no-page", action="store_true", help="write no page")


def run(given: argparse.Namespace) -> int:
    """Check the site, print the report and write the page.

    Raises:
        SiteFileError: options contradict each other or are out of range, or the page can't be written.
    """
    _require_sense(given)
    console = Console()
    sections: list[Section] = []
    request = CheckRequest(given.plan, given.sample, given.uplink, pictures=not given.no_page)
    for section in check_site(given.site, request):
        show_section(console, section)
        sections.append(section)
    findings = [finding for section in sections for finding in section.findings]
    show_total(console, findings)
    if not given.no_page:
        _write(console, given, sections, findings)
    return exit_code(findings)


def run_with(site_file: Path, *options: str) -> int:
    """As ``fedgraft site check --site SITE_FILE`` with these options, for commands that end in a check."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--site", type=Path)
    add_options(parser)
    return run(parser.parse_args(["--site", str(site_file), *options]))


def _write(console: Console, given: argparse.Namespace, sections: list[Section], findings: list[Finding]) -> None:
    try:
        site = read_site_file(given.site)
    except FedGraftError:
        if given.page is not None:
            raise
        return  # already reported; without a site file the state folder is unknown
    file = given.page if given.page is not None else site.state / "check.html"
    write_page(file, render(site.name, sections))
    console.print(f"page: {file} (it must stay at the site)", highlight=False, markup=False, soft_wrap=True)


def _require_sense(given: argparse.Namespace) -> None:
    if given.no_page and given.page is not None:
        raise SiteFileError("--page and --no-page contradict each other; leave one out")
    if given.sample is not None and given.sample < 1:
        raise SiteFileError(f"--sample {given.sample} must be 1 or more cases")
    if given.uplink is not None and not 0 < given.uplink < float("inf"):
        raise SiteFileError(f"--uplink {given.uplink:g} must be a speed above 0, in Mbit/s")
