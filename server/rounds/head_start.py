"""Compute the shared tensors before the first round: as built, with the head that the plan's ``initial`` makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from fedgraft.common import tasks
from fedgraft.common.errors import PlanError, RoundError
from fedgraft.common.heads.start import build_initial, no_sums, starts_head, weighed
from fedgraft.common.interfaces.head_start import (
    COUNTS,
    BearsNoise,
    HeadStart,
    OffersHeads,
    Sums,
    WeighsClasses,
    needs_every_site,
)
from fedgraft.common.interfaces.roles import BEFORE_HEAD, HEAD
from fedgraft.common.plan.checks.privacy import require_protected_sums
from fedgraft.common.plan.choice_names import choice_of, choice_of_part
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import budget_of
from fedgraft.common.wire import arrays, messages
from fedgraft.common.wire.head_sums import SumsQuestion
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.roster import Roster
from fedgraft.server.rounds.interpolation import Shared
from fedgraft.server.rounds.noisy.summed import noise_of_sum
from fedgraft.server.rounds.site_sums import missing, told_sums, total, withheld
from fedgraft.server.rounds.state import RunContext


def initial_shared(context: RunContext, roster: Roster, shared: Shared) -> dict[str, Shared]:
    """``shared`` with the head that the plan's ``initial`` makes, or with each of several, by what names it; ``shared``
    itself if the plan has none.

    Args:
        roster: the sites that train.

    Raises:
        PlanError: an option of ``initial`` does not fit.
        RoundError: no site sent sums, or not every site although ``initial`` needs that; a class has no case; or the
            computed tensors do not fit the head.
    """
    plan = context.plan
    if not starts_head(plan):
        return {"": shared}
    counts = _counts(roster)
    initial, head, specs = _wanted(plan, shared, counts)
    question = SumsQuestion(plan.digest, {n: t for n, t in shared.items() if n.startswith(BEFORE_HEAD)}, counts)
    sums = _ask(context, roster, specs, initial, question) if specs else {}
    told = _told(sums)
    if isinstance(initial, WeighsClasses) and told not in (None, counts):  # a site gave its counts, but no sums
        initial, question = weighed(initial, told), replace(question, class_counts=told)
        sums = _ask(context, _answered(roster, context.ledger), specs, initial, question)
    if isinstance(initial, BearsNoise) and plan.privacy.by_patient:
        used, noise = len(_answered(roster, context.ledger)), budget_of(plan).gradients
        initial = initial.bearing(noise_of_sum(plan, noise, len(roster), used))
    heads = initial.heads(sums, head) if isinstance(initial, OffersHeads) else {"": initial.head(sums, head)}
    return {
        name: {**shared, **{HEAD + own: tensor for own, tensor in _fitting(found, head, plan).items()}}
        for name, found in heads.items()
    }


def _counts(roster: Roster) -> tuple[int, ...] | None:
    """Training cases by class over the sites that told them, who alone may tell sums; ``None`` if no site did."""
    told = [offer.class_counts for offer in roster.values() if offer.class_counts is not None]
    return tuple(map(sum, zip(*told, strict=True))) if told else None


def _told(sums: Sums) -> tuple[int, ...] | None:
    counts = sums.get(COUNTS)
    return None if counts is None else tuple(int(count) for count in counts)


def _answered(roster: Roster, ledger: Ledger) -> Roster:
    """The sites whose sums were used."""
    without = withheld(ledger, "sums")
    return {node: offer for node, offer in roster.items() if offer.site not in without}


def require_start(plan: Plan, built: Mapping[str, Tensor]) -> None:
    """Check the plan's ``initial`` before any site is asked for anything.

    Raises:
        PlanError: its file or options do not suit, sums by class are needed but cases have no single class, or the
            strategy is for differential privacy, which would not protect the sums.
        RoundError: as `initial_shared`, if no sums are needed.
    """
    if not starts_head(plan):
        return
    initial, head, specs = _wanted(plan, built, None)
    if not specs:
        _fitting(initial.head({}, head), head, plan)
        return
    name = choice_of_part("initial", type(initial))
    require_protected_sums(plan, name)
    if not tasks.of(plan.data).one_class_per_case:
        raise PlanError(f"initial={name} sums up over classes, and needs data.task=classification")


def _wanted(
    plan: Plan, built: Mapping[str, Tensor], counts: tuple[int, ...] | None
) -> tuple[HeadStart, dict[str, Tensor], messages.Specs]:
    """The plan's ``initial``, the head as built, and the specs of each site's sums."""
    initial, head = weighed(build_initial(plan, plan.engine.trusted), counts), head_of(built)
    return initial, head, messages.specs_of(no_sums(initial, head, plan.data.outputs))


def head_of(shared: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The head's tensors, by name in the head's own state."""
    return {name.removeprefix(HEAD): tensor for name, tensor in shared.items() if name.startswith(HEAD)}


def _ask(context: RunContext, roster: Roster, specs: messages.Specs, initial: HeadStart, asked: SumsQuestion) -> Sums:
    """Ask every training site for its sums, and add them up."""
    good, name = told_sums(context, roster, specs, asked, "sums"), choice_of_part("initial", type(initial))
    absent = missing(context.ledger, "sums")
    if absent and needs_every_site(initial):
        head = (
            f"initial={name} needs the sums of every site; set initial.every_site=false to go on without those missing:"
        )
        raise RoundError("\n".join((head, *absent)))
    if not good:
        raise RoundError("\n".join((f"initial={name}: no site told its sums; use initial=none", *absent)))
    return _of_every_class(total(good), context.plan, absent)


def _of_every_class(sums: Sums, plan: Plan, without: list[str]) -> Sums:
    counts = sums.get(COUNTS)
    if counts is None:
        return sums
    absent = [name for name, count in zip(plan.data.classes, counts.tolist(), strict=True) if count == 0]
    if absent:
        head = f"initial: no site that told its sums has a training case of {', '.join(absent)}; use initial=none"
        raise RoundError("\n".join((head, *without)))
    return sums


def _fitting(found: Mapping[str, Tensor], head: Mapping[str, Tensor], plan: Plan) -> Mapping[str, Tensor]:
    given, wanted = messages.specs_of(found), messages.specs_of(head)
    name = choice_of("initial", str(plan.initial.target))
    if not found or any(given[one] != wanted.get(one) for one in given):
        raise RoundError(f"initial={name} gave tensors that are not the head's; use another head or initial")
    if arrays.not_finite(found) is not None:
        raise RoundError(f"initial={name} gave a number that is not finite; use another initial")
    return found
