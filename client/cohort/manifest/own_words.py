"""A site's own words for what a plan calls otherwise (``terms`` in ``site.yaml``), and what it never marks
(``unmarked``).

The cell under ``label`` is put into the plan's word. A column with an own word's name gets the plan's name; several
columns of yes and no that are one finding to the plan become one: yes if any says yes, no if all say no, else unknown
(Kleene's disjunction). A finding that is not marked gets a column of empty cells, which is unknown of every case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fedgraft.client.cohort.at_a_glance import Glance
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import DataError
from fedgraft.common.truth import truth


def listed_cases(site: SiteFile) -> tuple[Case, ...]:
    """The cases of a site's manifest, in the words of plans.

    Raises:
        DataError: the manifest can't be read (`read_manifest`), or ``site.yaml``'s words do not fit it.
    """
    return in_plans_words(read_manifest(site.manifest), site.terms, site.unmarked)


def in_plans_words(cases: Sequence[Case], terms: Mapping[str, str], unmarked: Sequence[str]) -> tuple[Case, ...]:
    """
    Args:
        cases: at least one, with the same columns.
        terms: own words, and the plan's for each.
        unmarked: findings that the site does not mark.

    Raises:
        DataError: an own word is neither a column nor a label, one that is not marked has a column, or of columns that
            are joined a cell is neither yes, no nor empty.
    """
    if not terms and not unmarked:
        return tuple(cases)
    held = [name for name, _ in cases[0].columns]
    labels = {case.label for case in cases}
    strange = [word for word in terms if word not in held and word not in labels]
    if strange:
        raise DataError(
            f"`terms` in site.yaml: {', '.join(strange)} is neither a column of the manifest nor a label in it; "
            "correct the word, or take it out"
        )
    names = list(dict.fromkeys(terms.get(name, name) for name in held))
    marked = [name for name in unmarked if name in names]
    if marked:
        raise DataError(
            f"`unmarked` in site.yaml: {', '.join(marked)} has a column in the manifest; take it out of `unmarked`, or "
            "the column out of the manifest"
        )
    places = [[at for at, name in enumerate(held) if terms.get(name, name) == plan] for plan in names]
    extra = tuple((name, "") for name in unmarked)
    return tuple(
        replace(
            case,
            label=terms.get(case.label, case.label),
            columns=(*((name, _joined(case, own, name)) for name, own in zip(names, places, strict=True)), *extra),
        )
        for case in cases
    )


def in_words_of_plans(looked: Glance, site: SiteFile) -> Glance:
    """What a manifest is like, in the words of plans."""
    columns = looked.columns
    if columns is not None:
        columns = tuple(sorted({site.terms.get(name, name) for name in columns} | set(site.unmarked)))
    labels = Counter[str]()
    for label, count in looked.labels.items():
        labels[site.terms.get(label, label)] += count
    return replace(looked, columns=columns, labels=labels)


def _joined(case: Case, places: Sequence[int], name: str) -> str:
    cells = [case.columns[at][1] for at in places]
    if len(cells) == 1:
        return cells[0]
    said = [None if cell.strip() == "" else truth(cell) for cell in cells]
    if any(one is None and cell.strip() for one, cell in zip(said, cells, strict=True)):
        raise DataError(
            f"`terms` in site.yaml joins columns to {name}, and a cell of one is neither yes (1, true), no (0, false) "
            "nor empty; correct the cells, or join fewer columns"
        )
    return "1" if True in said else "" if None in said else "0"
