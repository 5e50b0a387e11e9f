"""Before the first round: sums over the table's columns from every site, and the plan with the numbers in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from flwr.app import Message
from flwr.serverapp import Grid

from fedgraft.common import wire
from fedgraft.common.errors import RoundError, WireError
from fedgraft.common.plan import Plan
from fedgraft.common.schema_data import Table
from fedgraft.common.statistics import TableStatistics, merge_all, resolved
from fedgraft.common.statistics_record import DESCRIBE, Description, pack_question, unpack_description
from fedgraft.server.guard import Refusal, content_of, same_name
from fedgraft.server.held_out import least_nodes
from fedgraft.server.ledger import Entry, Ledger
from fedgraft.server.post import exchange, wait_for_nodes

GRACE = 30.0
"""Seconds for which registered sites beyond ``strategy.min_sites`` are waited for."""
_NOTHING = "it told nothing: release.statistics=false, too few patients, or the plan holds it out"


@dataclass(frozen=True)
class Answer:
    """What one node sent, or why it is not used."""

    node: int
    found: Description | Refusal
    bytes_up: int


def with_statistics(grid: Grid, plan: Plan, registered: Mapping[int, str], ledger: Ledger) -> Plan:
    """The plan that the run follows: ``plan`` itself, or if ``table.statistics=federated`` one with all numbers in it.

    Args:
        registered: site names by node id, if the coordinator registered them; all are waited for, `GRACE` at most.

    Raises:
        RoundError: fewer than ``strategy.min_sites`` sites sent usable statistics.
        PlanError: of a column nothing is known from any site.
    """
    table = plan.table
    if table is None or table.statistics == "plan":
        return plan
    nodes = wait_for_nodes(grid, least_nodes(plan), plan.strategy.timeout)
    if len(nodes) < len(registered):  # the numbers are those of all, not of the first to connect
        nodes = wait_for_nodes(grid, len(registered), min(plan.strategy.timeout, GRACE))
    question = pack_question(plan.to_json(), plan.digest)
    replies = exchange(grid, [Message(question, node, DESCRIBE) for node in nodes], plan.strategy.timeout)
    answers = [_read(node, reply, plan, table) for node, reply in replies.items()]
    answers = _without_strangers(answers, registered)
    ledger.write(*(_entry(answer, wire.count_bytes(question)) for answer in answers))
    told = [answer.found for answer in answers if isinstance(answer.found, Description)]
    good = [found for found in told if found.site not in plan.hold_out]
    if len(good) < plan.strategy.min_sites:
        raise RoundError(_too_few(ledger, len(good), plan.strategy.min_sites))
    return replace(plan, table=resolved(table, merge_all(_in_order(good), table)))


def used(ledger: Ledger) -> list[str]:
    """Names of the sites whose sums are in the plan's numbers; sites that answered but told nothing are not."""
    return sorted(e.site for e in ledger.entries if e.what == "describe" and e.outcome == "ok" and not e.reason)


def _in_order(good: list[Description]) -> list[TableStatistics]:
    """By the sites' names, so that the last digits do not depend on who answered first."""
    return [one.statistics for one in sorted(good, key=lambda one: one.site)]


def _read(node: int, reply: Message | None, plan: Plan, table: Table) -> Answer:
    content = content_of(reply)
    if isinstance(content, Refusal):
        return Answer(node, content, 0)
    size = wire.count_bytes(content)
    try:
        found = unpack_description(content, table)
    except WireError as error:
        return Answer(node, Refusal("bad-statistics", str(error)), size)
    if found.plan_digest != plan.digest:
        return Answer(node, Refusal("wrong-plan", "the reply belongs to another plan"), size)
    return Answer(node, found, size)


def _without_strangers(answers: list[Answer], registered: Mapping[int, str]) -> list[Answer]:
    """Nodes under a name that is not theirs, or that two give, are not used."""
    names = {answer.node: answer.found for answer in answers if isinstance(answer.found, Description)}
    twins = same_name({node: found.site for node, found in names.items()})
    return [_judged(answer, answer.node in twins, registered) for answer in answers]


def _judged(answer: Answer, is_twin: bool, registered: Mapping[int, str]) -> Answer:
    if not isinstance(answer.found, Description):
        return answer
    if registered and registered.get(answer.node) != answer.found.site:
        name = registered.get(answer.node, "nobody")
        reason = f"the node is registered as {name}; `name` in site.yaml must be the same"
        return replace(answer, found=Refusal("wrong-name", reason))
    if is_twin:
        reason = "another node gives the same site name; set different names in site.yaml"
        return replace(answer, found=Refusal("same-name", reason))
    return answer


def _entry(answer: Answer, down: int) -> Entry:
    found = answer.found
    return Entry(
        round=0,
        what="describe",
        site=f"node {answer.node}" if isinstance(found, Refusal) else found.site,
        node=answer.node,
        outcome=found.code if isinstance(found, Refusal) else "ok",
        reason=found.reason if isinstance(found, Refusal) else _NOTHING if found.statistics.is_nothing else "",
        examples=None,
        bytes_down=down,
        bytes_up=answer.bytes_up,
    )


def _too_few(ledger: Ledger, count: int, least: int) -> str:
    missing = [f"  - {e.site}: {e.outcome} ({e.reason})" for e in ledger.entries if e.outcome != "ok"]
    head = f"statistics of the table: {count} site(s) sent them, strategy.min_sites={least} are needed"
    return "\n".join((head, *(missing or ["  - no other site is connected"])))
