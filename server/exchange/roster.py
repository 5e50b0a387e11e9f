"""The roster: the nodes that are prepared for the plan, each with its site's offer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flwr.app import ArrayRecord, Message, RecordDict
from flwr.serverapp import Grid
from torch import Tensor

from fedgraft.common import tasks
from fedgraft.common.causes import what_to_do
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages as wire
from fedgraft.common.wire.backbone import pack_backbone
from fedgraft.common.wire.offer import Offer
from fedgraft.server.exchange.deadlines import BACKBONE
from fedgraft.server.exchange.delivery import Delivery
from fedgraft.server.exchange.entries import entry
from fedgraft.server.exchange.guard import Refusal, read_offer, same_name
from fedgraft.server.exchange.ledger import Entry, Ledger
from fedgraft.server.exchange.passing_grid import PassingGrid

Roster = dict[int, Offer]
UNREGISTERED = "unregistered"
_UNREGISTERED = "the coordinator has not registered the site, or no longer"


@dataclass(frozen=True)
class DistributedBackbone:
    """The backbone as it is sent to sites.

    Attributes:
        states: the state of each network, by digest.
        name: by which a plan's message names it: the digest, or those of several networks joined by ``+``.
    """

    states: Mapping[str, Mapping[str, Tensor]]
    name: str

    def parcel(self, lacks: Iterable[str]) -> ArrayRecord:
        """The networks that a site lacks, of those that there are."""
        return pack_backbone({digest: self.states[digest] for digest in lacks if digest in self.states})


def distributed(model: Model) -> DistributedBackbone:
    """A model's backbone as it is sent to sites; each network is copied and its digest computed once."""
    pieces = model.backbone_pieces()
    return DistributedBackbone(dict(pieces), "+".join(digest for digest, _ in pieces))


def admit(
    delivery: Delivery, plan: Plan, backbone: DistributedBackbone, nodes: Iterable[int], round_: int, ledger: Ledger
) -> Roster:
    """Prepare nodes: send them the plan, then those networks of the backbone that they lack.

    Returns:
        the nodes that are ready. The ledger says why the others are not.
    """
    question = wire.pack_prepare(plan.for_sites().to_json(), plan.digest, backbone.name)
    offers = _ask(delivery, plan, question, wire.PREPARE, nodes, round_, ledger)
    lacking: dict[tuple[str, ...], list[int]] = {}
    for node, offer in offers.items():
        if not offer.has_backbone:
            lacking.setdefault(offer.lacks, []).append(node)
    for lacks, some in lacking.items():
        parcel = RecordDict({**question, wire.FROZEN: backbone.parcel(lacks)})
        offers |= _ask(delivery, plan, parcel, wire.BACKBONE, some, round_, ledger)
    return {node: offer for node, offer in offers.items() if offer.has_backbone}


def drop_duplicate_names(roster: Roster, round_: int, ledger: Ledger) -> Roster:
    """The roster sorted by site name, without nodes that claim the same name."""
    same_named = same_name({node: offer.site for node, offer in roster.items()})
    for node in sorted(same_named):
        reason = "another node gives the same site name; set different names in site.yaml"
        ledger.write(Entry(round_, "prepare", roster[node].site, node, "same-name", reason, None, 0, 0))
    single = (item for item in roster.items() if item[0] not in same_named)
    return dict(sorted(single, key=lambda item: item[1].site))


def refuse_impostors(roster: Roster, registered: Mapping[int, str], round_: int, ledger: Ledger) -> Roster:
    """The roster without nodes that claim another name than they were registered under.

    Args:
        registered: names by node id, as registered with the coordinator; empty for a simulation.
    """
    if not registered:
        return roster
    for node, offer in roster.items():
        name = registered.get(node)
        if name is None:
            ledger.write(Entry(round_, "prepare", offer.site, node, UNREGISTERED, _UNREGISTERED, None, 0, 0))
        elif name != offer.site:
            reason = f"the node is registered as {name}; `name` in site.yaml must be the same"
            ledger.write(Entry(round_, "prepare", offer.site, node, "wrong-name", reason, None, 0, 0))
    return {node: offer for node, offer in roster.items() if registered.get(node) == offer.site}


def registered_still(node: int, registered: Mapping[int, str]) -> Refusal | None:
    """Why an answer is not used though it is well: its site was unregistered since it was asked; else ``None``."""
    return Refusal(UNREGISTERED, _UNREGISTERED) if registered and node not in registered else None


def _ask(
    delivery: Delivery, plan: Plan, content: RecordDict, kind: str, nodes: Iterable[int], round_: int, ledger: Ledger
) -> Roster:
    down, timed = wire.count_bytes(content), BACKBONE if kind == wire.BACKBONE else ""
    replies = delivery.exchange([Message(content, node, kind) for node in nodes], round_, "prepare", timed, down)
    found: Roster = {}
    for node, reply in replies.items():
        offer = read_offer(reply, plan.digest, tasks.of(plan.data))
        if isinstance(offer, Refusal):
            ledger.write(entry(round_, "prepare", ledger.name_of(node), node, offer, down, reply))
            continue
        why = f"it takes no part in training ({offer.abstains}): {what_to_do(offer.abstains)}" if offer.abstains else ""
        why = "; ".join(filter(None, (why, differing_fractions(offer, plan))))
        ledger.write(entry(round_, "prepare", offer.site, node, offer, down, reply, offer.examples, why))
        ledger.keep_receipt(node, offer.site, offer.receipt)
        found[node] = offer
    return found


def differing_fractions(offer: Offer, plan: Plan) -> str:
    """That a site splits its cases otherwise than the plan says; empty if it does not."""
    if offer.fractions is None:
        return ""
    (val, test), data = offer.fractions, plan.data
    return (
        f"the site splits its cases by its own val_fraction {val:g}, test_fraction {test:g}; the plan's "
        f"{data.val_fraction:g}, {data.test_fraction:g} are without effect there"
    )


class RosterGrid(PassingGrid):
    """A Flower `Grid` of the prepared nodes, for a strategy, which samples from `get_node_ids` and sends nothing."""

    def __init__(self, grid: Grid, roster: Roster) -> None:
        super().__init__(grid)
        self._roster = roster

    def get_node_ids(self) -> Iterable[int]:
        return list(self._roster)
