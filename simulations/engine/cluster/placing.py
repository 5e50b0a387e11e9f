"""Which site is computed where: on a node that sees its data, and spread by what each has to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

SITE_RESOURCE = "site:"
"""What a node's Ray resource for a site begins with: ``--resources='{"site:NAME": 1}'``."""


@dataclass(frozen=True)
class Placed:
    """A simulated site.

    Attributes:
        file: its ``site.yaml``; the folder's name is the site's.
        weight: how much there is to do, in any unit.
        looked_for: files of its cases, some of which a node must see.
    """

    file: Path
    weight: int = 1
    looked_for: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.file.parent.name


@dataclass(frozen=True)
class Node:
    """One node of a Ray cluster.

    Attributes:
        key: Ray's id of it.
        name: how it is called in sentences.
        seats: how many processes may compute there at once.
        gpus: of each.
        cache: its folder for computed data.
        unseen: by place of a site, the first of its files that the node does not see.
        named: the sites that the node's resources name.
    """

    key: str
    name: str
    seats: int
    gpus: int = 0
    cache: str = ""
    unseen: Mapping[int, str] = field(default_factory=dict)
    named: frozenset[str] = frozenset()


class Seat(NamedTuple):
    """One process on a node. Seats sort so that all nodes' first ones come before any second one."""

    number: int
    node: str


def seated(
    sites: Sequence[Placed], places: Collection[int], nodes: Sequence[Node], load: Mapping[Seat, int]
) -> dict[int, Seat]:
    """A seat for each site that some node can hold: the largest sites first, each to the seat with least to do.

    A node can hold a site of whose files it sees all that are looked for. Where such nodes name the site among their
    resources, it goes to one of these.

    Args:
        places: of the sites to be seated, among all sites.
        load: what seats have to do already.

    Returns:
        seats by place; a site is missing if no node can hold it.
    """
    order = {node.key: number for number, node in enumerate(nodes)}
    todo = {Seat(number, node.key): 0 for node in nodes for number in range(node.seats)}
    todo |= {seat: weight for seat, weight in load.items() if seat in todo}
    found: dict[int, Seat] = {}
    for place in sorted(places, key=lambda one: (-sites[one].weight, one)):
        can = {node.key for node in nodes if place not in node.unseen}
        named = {node.key for node in nodes if node.key in can and node.seats and sites[place].name in node.named}
        free = [seat for seat in todo if seat.node in (named or can)]
        if free:
            seat = min(free, key=lambda one: (todo[one], one.number, order[one.node]))
            todo[seat] += sites[place].weight
            found[place] = seat
    return found


def homeless(sites: Sequence[Placed], places: Collection[int], nodes: Sequence[Node]) -> list[str]:
    """A sentence for each site that no node can hold: the file that is missing at each of them."""
    said = []
    for place in sorted(places):
        missing = ", ".join(f"{node.unseen[place]} on {node.name}" for node in nodes if place in node.unseen)
        said.append(f"no node sees the data of {sites[place].name} (not there: {missing or 'any node'})")
    return said
