"""Units: cases that must stay together, because they have the same patient or group, directly or through other
cases."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from fedgraft.client.cohort.case import Case


def unit_names(cases: Sequence[Case]) -> list[str]:
    """The unit of each case: a connected component of the graph with edges (patient, group).

    Without groups the unit is the patient. A patient in two groups joins them, and a group joins all cases of its
    patients, also those without a group. A unit is named by its alphabetically first group, or by its patient if it has
    no group; names do not depend on the order of the cases.
    """
    if all(case.group is None for case in cases):
        return [case.patient for case in cases]
    parent: dict[tuple[str, str], tuple[str, str]] = {}
    for case in cases:
        patient = ("patient", case.patient)
        _join(parent, patient, patient if case.group is None else ("group", case.group))
    members: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for node in parent:
        members[_root(parent, node)].append(node)
    first = {root: min(nodes) for root, nodes in members.items()}  # "group" sorts before "patient"
    used = Counter(name for _, name in first.values())
    name = {
        root: f"{name}\n" if kind == "patient" and used[name] > 1 else name  # a group has the same name; no cell has \n
        for root, (kind, name) in first.items()
    }
    return [name[_root(parent, ("patient", case.patient))] for case in cases]


def by_unit(cases: Iterable[Case]) -> dict[str, list[Case]]:
    """The cases of each unit, by its name (`unit_names`)."""
    cases = list(cases)
    units: dict[str, list[Case]] = defaultdict(list)
    for name, case in zip(unit_names(cases), cases, strict=True):
        units[name].append(case)
    return dict(units)


def _root(parent: dict[tuple[str, str], tuple[str, str]], node: tuple[str, str]) -> tuple[str, str]:
    """Union-find with path halving (Tarjan and van Leeuwen 1984)."""
    parent.setdefault(node, node)
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


def _join(parent: dict[tuple[str, str], tuple[str, str]], one: tuple[str, str], other: tuple[str, str]) -> None:
    parent[_root(parent, one)] = _root(parent, other)
