"""Before the first round: ask the sites for the statistics that the plan's kind of input needs, and fill them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from flwr.app import Message

from fedgraft.common.errors import WireError
from fedgraft.common.interfaces.input_kind import FederatedStatistics
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages
from fedgraft.common.wire.statistics import DESCRIBE, SiteStatistics, pack_question, unpack_description
from fedgraft.server.exchange.delivery import Delivery
from fedgraft.server.exchange.entries import entry
from fedgraft.server.exchange.guard import Refusal, content_of, same_name
from fedgraft.server.exchange.ledger import Entry, Ledger
from fedgraft.server.exchange.too_few import TooFewError, text_of

GRACE = 30.0
"""Seconds to wait for all registered sites, of whom ``patience.quorum_sites`` would be enough."""
_NOTHING = "it told nothing: release.statistics=false, too few patients, or the plan holds it out"


@dataclass(frozen=True)
class Answer:
    """The statistics that one node sent, or why they are not used."""

    node: int
    found: SiteStatistics | Refusal
    reply: Message | None


def with_statistics(delivery: Delivery, plan: Plan, registered: Mapping[int, str], ledger: Ledger) -> Plan:
    """The plan that the run follows: ``plan`` itself, or a copy with the sites' statistics if it asks for them
    (``table.statistics=federated``; ``harmonise`` with ``reference=[]``).

    Answers are summed in the order of the sites' names, so that the last digits do not depend on who answered first.
    Statistics of sites in ``hold_out`` are not used.

    Args:
        registered: site names by node id, if the coordinator registered them; all are awaited, for `GRACE` at most.

    Raises:
        TooFewError: fewer than ``patience.quorum_sites`` sites sent usable statistics.
        PlanError: no site sent a statistic that the plan needs.
    """
    kind = kind_of(plan, plan.engine.trusted)
    asked = kind.federated_statistics()
    if asked is None:
        return plan
    nodes = delivery.gather(len(registered), GRACE)  # the statistics of all sites, not of the first to connect
    question = pack_question(plan.for_sites().to_json(), plan.digest)
    replies = delivery.exchange([Message(question, node, DESCRIBE) for node in nodes], 0, "describe")
    answers = [Answer(node, _read(reply, plan, asked), reply) for node, reply in replies.items()]
    answers = _without_wrong_names(answers, registered)
    ledger.write(*(_entry(answer, messages.count_bytes(question), plan, ledger) for answer in answers))
    told = [answer.found for answer in answers if isinstance(answer.found, SiteStatistics)]
    good = [found for found in told if found.site not in plan.hold_out]
    if len(good) < plan.patience.quorum_sites:
        least, names = plan.patience.quorum_sites, [one.site for one in good]
        head = f"statistics of {kind.facts().every}: {len(good)} site(s) sent them"
        head += f", patience.quorum_sites={least} are needed"
        raise TooFewError(text_of(head, ledger.refusals()), 0, names)
    known = asked.known([one.statistics for one in sorted(good, key=lambda one: one.site)])
    return replace(plan, **known)


def used(ledger: Ledger) -> list[str]:
    """Names of the sites that contributed to the statistics; a site that answered without any is left out."""
    return sorted(e.site for e in ledger.of("describe") if e.outcome == "ok" and not e.reason)


def _read(reply: Message | None, plan: Plan, asked: FederatedStatistics) -> SiteStatistics | Refusal:
    content = content_of(reply)
    if isinstance(content, Refusal):
        return content
    try:
        found = unpack_description(content, asked.unpack)
    except WireError as error:
        return Refusal("bad-statistics", str(error))
    if found.plan_digest != plan.digest:
        return Refusal("wrong-plan", "the reply belongs to another plan")
    return found


def _without_wrong_names(answers: list[Answer], registered: Mapping[int, str]) -> list[Answer]:
    """Refuse the answers of nodes that use another site's name, or a name that two nodes use."""
    names = {answer.node: answer.found for answer in answers if isinstance(answer.found, SiteStatistics)}
    same_named = same_name({node: found.site for node, found in names.items()})
    return [_judged(answer, answer.node in same_named, registered) for answer in answers]


def _judged(answer: Answer, is_twin: bool, registered: Mapping[int, str]) -> Answer:
    if not isinstance(answer.found, SiteStatistics):
        return answer
    if registered and registered.get(answer.node) != answer.found.site:
        name = registered.get(answer.node, "nobody")
        reason = f"the node is registered as {name}; `name` in site.yaml must be the same"
        return replace(answer, found=Refusal("wrong-name", reason))
    if is_twin:
        reason = "another node gives the same site name; set different names in site.yaml"
        return replace(answer, found=Refusal("same-name", reason))
    return answer


def _entry(answer: Answer, down: int, plan: Plan, ledger: Ledger) -> Entry:
    found = answer.found
    site = ledger.name_of(answer.node) if isinstance(found, Refusal) else found.site
    reason = "" if isinstance(found, Refusal) else _reason(found, plan)
    return entry(0, "describe", site, answer.node, found, down, answer.reply, reason=reason)


def _reason(found: SiteStatistics, plan: Plan) -> str:
    """Why what a site told is not used, though its answer is well; empty if it is."""
    if found.site in plan.hold_out:
        return "it is one of hold_out: what it told is not used"
    return _NOTHING if found.statistics.is_nothing else ""
