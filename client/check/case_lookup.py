"""``fedgraft site case``: find the manifest's line of a case by the case's pseudonym."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fedgraft.client.check.by_kind import look_of
from fedgraft.client.check.cases import lines_of_cases
from fedgraft.client.check.request import choose_plan
from fedgraft.client.check.sections.tables import is_table
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.own_words import listed_cases
from fedgraft.client.cohort.pseudonyms import KEY_FILE, Pseudonyms
from fedgraft.client.site.site_file import SiteFile, read_site_file
from fedgraft.common.errors import DataError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.processes import say

DESCRIPTION = """\
Reports, state/quarantine.jsonl and logs name a case by a keyed hash such as case-3f9a0c21d4. With the key in the
site's state folder, this prints the line of the manifest that it stands for (the header is line 1), and for one of a
series' slices or a file's frames which of them: numbers only.
Exit code 0: all were found; 2: no case has one of these names.
"""
_NAME = re.compile(r"case-[0-9a-f]{10}")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own options; ``--site`` is every site command's."""
    parser.add_argument("names", nargs="+", metavar="NAME", help="for instance case-3f9a0c21d4")
    parser.add_argument(
        "--plan",
        type=Path,
        help="this plan.yaml says which slices and frames are cases (default: as for `fedgraft site check`)",
    )


def run(given: argparse.Namespace) -> int:
    """Print the place in the manifest of each named case.

    Raises:
        DataError: a name belongs to no case; the others are printed nevertheless.
    """
    site = read_site_file(given.site)
    chosen = choose_plan(given.plan, given.site, site)
    found = where(given.names, site, None if chosen is None else chosen.plan)
    for name, places in found.items():
        for place in places:
            say(f"{name}: {place}")
    missing = [name for name in dict.fromkeys(given.names) if name not in found]
    if missing:
        raise DataError(
            f"no case of the manifest has the name {', '.join(missing)}: was its line changed since (path, row or "
            "patient), or is it a slice or frame of another plan (--plan)?"
        )
    return 0


def where(names: Iterable[str], site: SiteFile, plan: Plan | None) -> dict[str, list[str]]:
    """``line 12``, or ``line 12, slice 2 of 3``, by name; names that belong to no case are left out.

    Raises:
        DataError: a name is no pseudonym, or this site has not made any yet.
    """
    wanted = set(names)
    strange = sorted(name for name in wanted if not _NAME.fullmatch(name))
    if strange:
        raise DataError(f"{', '.join(map(repr, strange))} is no case's name: case- and ten hexadecimal digits")
    if not (site.state / KEY_FILE).is_file():
        raise DataError(f"{site.state} has no {KEY_FILE}: no case was named at this site yet")
    listed = listed_cases(site)
    name = Pseudonyms(site.state).name
    found: dict[str, list[str]] = {}
    for case, place in _places(listed, site, plan):
        pseudonym = name(case)
        if pseudonym in wanted and place not in found.setdefault(pseudonym, []):
            found[pseudonym].append(place)
    return found


def named_cases(site: SiteFile, plan: Plan | None) -> dict[str, Case]:
    """The manifest's lines, and the cases that a plan makes of them, by pseudonym."""
    name = Pseudonyms(site.state).name
    return {name(case): case for case, _ in _places(listed_cases(site), site, plan)}


def _places(listed: Sequence[Case], site: SiteFile, plan: Plan | None) -> Iterator[tuple[Case, str]]:
    """Every case with its place in words: the manifest's lines, and the cases that a plan makes of them."""
    yield from ((case, f"line {line}") for line, case in enumerate(listed, start=2))
    if is_table(listed, site.manifest):
        return
    cases = look_of(listed, plan, site).cases(listed, plan, site)
    lines = lines_of_cases(listed, cases)
    counts = Counter(lines)
    for case, line in zip(cases, lines, strict=True):
        if case != listed[line - 2]:
            what = "slice" if Path(case.path).is_dir() else "frame"
            yield case, f"line {line}, {what} {(case.row or 0) + 1} of {counts[line]}"
