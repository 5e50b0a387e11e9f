"""Before the first round: sums over the table's columns, or means over images, from every site; and the plan with the
numbers in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from fedgraft.common.errors import RoundError, WireError
from fedgraft.common.harmonisation.image_statistics import ImageStatistics, pooled_means
from fedgraft.common.harmonisation.reference import harmony_of, require_reference_fits, wants_reference, with_reference
from fedgraft.common.models.timm_backbone import input_spec
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tables.statistics import TableStatistics, merge_all, resolved
from fedgraft.common.wire import messages
from fedgraft.common.wire.statistics import (
    DESCRIBE,
    Description,
    pack_question,
    unpack_description,
    unpack_image_description,
)
from fedgraft.server.rounds.exchange import exchange, wait_for_nodes
from fedgraft.server.rounds.guard import Refusal, content_of, same_name
from fedgraft.server.rounds.held_out import least_nodes
from fedgraft.server.rounds.ledger import Entry, Ledger

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
    """The plan that the run follows: ``plan`` itself, or one with all numbers in it, if the sites are asked for them
    (``table.statistics=federated``; ``harmonise`` with ``reference=[]``).

    What sites of ``hold_out`` tell is not used.

    Args:
        registered: site names by node id, if the coordinator registered them; all are waited for, `GRACE` at most.

    Raises:
        RoundError: fewer than ``strategy.min_sites`` sites sent usable statistics.
        PlanError: of a column, or of images, nothing is known from any site.
    """
    wanted = wanted_of(plan)
    if wanted is None:
        return plan
    nodes = wait_for_nodes(grid, least_nodes(plan), plan.strategy.timeout)
    if len(nodes) < len(registered):  # the numbers are those of all, not of the first to connect
        nodes = wait_for_nodes(grid, len(registered), min(plan.strategy.timeout, GRACE))
    question = pack_question(plan.to_json(), plan.digest)
    replies = exchange(grid, [Message(question, node, DESCRIBE) for node in nodes], plan.strategy.timeout)
    answers = [_read(node, reply, plan, wanted) for node, reply in replies.items()]
    answers = _without_strangers(answers, registered)
    ledger.write(*(_entry(answer, messages.count_bytes(question), plan) for answer in answers))
    told = [answer.found for answer in answers if isinstance(answer.found, Description)]
    good = [found for found in told if found.site not in plan.hold_out]
    if len(good) < plan.strategy.min_sites:
        raise RoundError(_too_few(ledger, wanted.of, len(good), plan.strategy.min_sites))
    return wanted.known(good)


def used(ledger: Ledger) -> list[str]:
    """Names of the sites whose sums are in the plan's numbers; sites that answered but told nothing are not."""
    return sorted(e.site for e in ledger.entries if e.what == "describe" and e.outcome == "ok" and not e.reason)


def _read(node: int, reply: Message | None, plan: Plan, wanted: StatisticsRequest) -> Answer:
    content = content_of(reply)
    if isinstance(content, Refusal):
        return Answer(node, content, 0)
    size = messages.count_bytes(content)
    try:
        found = wanted.read(content)
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


def _reason(found: Description | Refusal, plan: Plan) -> str:
    if isinstance(found, Refusal):
        return found.reason
    if found.site in plan.hold_out:
        return "it is one of hold_out: what it told is not used"
    return _NOTHING if found.statistics.is_nothing else ""


def _entry(answer: Answer, down: int, plan: Plan) -> Entry:
    found = answer.found
    return Entry(
        round=0,
        what="describe",
        site=f"node {answer.node}" if isinstance(found, Refusal) else found.site,
        node=answer.node,
        outcome=found.code if isinstance(found, Refusal) else "ok",
        reason=_reason(found, plan),
        examples=None,
        bytes_down=down,
        bytes_up=answer.bytes_up,
    )


def _too_few(ledger: Ledger, of: str, count: int, least: int) -> str:
    missing = [f"  - {e.site}: {e.outcome} ({e.reason})" for e in ledger.entries if e.outcome != "ok"]
    head = f"statistics of {of}: {count} site(s) sent them, strategy.min_sites={least} are needed"
    return "\n".join((head, *(missing or ["  - no other site is connected"])))


@dataclass(frozen=True)
class StatisticsRequest:
    """What is asked for.

    Attributes:
        of: what the statistics are of, for messages.
        read: a site's answer; raises `WireError` if it is not usable.
        known: the plan with what these answers say together, in the order of the sites' names, so that the last digits
            do not depend on who answered first; raises `PlanError` if it is not enough.
    """

    of: str
    read: Callable[[RecordDict], Description]
    known: Callable[[Sequence[Description]], Plan]


def wanted_of(plan: Plan) -> StatisticsRequest | None:
    """``None`` if the plan holds all its numbers.

    Raises:
        PlanError: what describes an image can't be built.
    """
    if plan.table is not None and plan.table.statistics == "federated":
        return _of_the_table(plan, plan.table)
    return _of_the_images(plan) if wants_reference(plan) else None


def _of_the_table(plan: Plan, table: TableSection) -> StatisticsRequest:
    def known(answers: Sequence[Description]) -> Plan:
        found = [one.statistics for one in _by_name(answers) if isinstance(one.statistics, TableStatistics)]
        return replace(plan, table=resolved(table, merge_all(found, table)))

    return StatisticsRequest("the table", lambda content: unpack_description(content, table), known)


def _of_the_images(plan: Plan) -> StatisticsRequest:
    harmony = harmony_of(plan, plan.engine.trusted)
    assert harmony is not None  # `wants_reference`
    spec = input_spec(plan.backbone, plan.data.image_size)
    require_reference_fits(plan, spec, plan.engine.trusted)
    numbers = harmony.numbers(spec.size)

    def known(answers: Sequence[Description]) -> Plan:
        found = [one.statistics for one in _by_name(answers) if isinstance(one.statistics, ImageStatistics)]
        return with_reference(plan, pooled_means(found))

    return StatisticsRequest("the images", lambda content: unpack_image_description(content, numbers), known)


def _by_name(answers: Sequence[Description]) -> list[Description]:
    return sorted(answers, key=lambda one: one.site)
