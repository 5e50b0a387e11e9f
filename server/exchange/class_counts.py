"""Sum the sites' class counts, and check that the plan's measures against imbalance have an effect on them."""

from __future__ import annotations

from collections.abc import Iterable

from fedgraft.common import tasks
from fedgraft.common.errors import InertError, RoundError
from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.prior import asks_prior
from fedgraft.common.wire.offer import Offer

Counts = tuple[int, ...]


def class_counts(plan: Plan, offers: Iterable[Offer]) -> Counts | None:
    """The task's counts of training cases, summed over the sites that sent them; ``None`` if the plan needs none.

    Raises:
        RoundError: no site sent any, or one of the sums is 0.
    """
    if not plan.loss.asks_all_counts:
        return None
    option = "weights" if plan.loss.weights == "global" else "prior"
    return _total(tasks.of(plan.data), offers, f"loss.{option}=global", f"loss.{option}=local")


def prior_counts(plan: Plan, offers: Iterable[Offer]) -> Counts | None:
    """The counts that a held-out site needs to estimate its prevalence (`asks_prior`); ``None`` if it needs none.

    Raises:
        RoundError: no site sent any, or one of the sums is 0.
    """
    if not asks_prior(plan):
        return None
    option = "features.scale=own_balanced with hold_out"
    return _total(tasks.of(plan.data), offers, option, "features.scale=own, or loss.weights=local")


def _total(task: AnyTask, offers: Iterable[Offer], option: str, instead: str) -> Counts:
    given = _given(offers)
    if not given:
        raise RoundError(
            f"{option}, but no site gave its class counts (its site.yaml forbids it, or a count lies between 0 and "
            f"min_count); use {instead}"
        )
    total = _sum(given)
    if 0 in total:
        raise RoundError(
            f"{option}: the class counts that the sites gave hold no case of {task.counts[total.index(0)]} (counts "
            f"between 0 and a site's min_count are withheld); use {instead}"
        )
    return total


def require_imbalance(plan: Plan, offers: Iterable[Offer]) -> None:
    """Check that weights, prior, masking and sampling have an effect, as far as the sites sent their counts.

    Raises:
        InertError: all weights would be 1, all priors equal, no class absent, or all classes equally frequent.
    """
    offers = list(offers)
    task, given = tasks.of(plan.data), _given(offers)
    whole = bool(given) and len(given) == len(offers)
    problems: dict[str, str] = {}
    if given and plan.loss.weights == "global" and 0 not in _sum(given):  # a 0 is an error of its own
        problems |= _weights_of_one(plan, task, [_sum(given)], "over all sites")
    if whole and plan.loss.weights == "local":
        problems |= _weights_of_one(plan, task, given, "at every site")
    if given and plan.loss.prior == "global" and len(set(_sum(given))) == 1:
        problems["loss.prior"] = (
            "loss.prior=global has no effect: over all sites the classes have equally many training cases; use "
            "loss=cross_entropy loss.weights=none"
        )
    if whole and plan.loss.absent != "keep" and all(all(task.learnable(counts)) for counts in given):
        problems["loss.absent"] = (
            f"loss.absent={plan.loss.absent} has no effect: every site has training cases of everything; set it to keep"
        )
    if whole and plan.sampling.target is not None and all(len(set(filter(None, some))) == 1 for some in given):
        problems["sampling"] = (
            "sampling has no effect: at every site the classes that are there have equally many training cases; set "
            "sampling=none"
        )
    if problems:
        raise InertError(problems)


def _weights_of_one(plan: Plan, task: AnyTask, counts: Iterable[Counts], where: str) -> dict[str, str]:
    if not all(task.weighs_alike(some, plan.loss.scheme, plan.loss.beta) for some in counts):
        return {}
    return {
        "loss.weights": f"loss.weights={plan.loss.weights} has no effect: {where} the classes that are there have "
        "equally many training cases, so that every weight is 1; set loss.weights=none"
    }


def _given(offers: Iterable[Offer]) -> list[Counts]:
    return [offer.class_counts for offer in offers if offer.class_counts is not None]


def _sum(given: Iterable[Counts]) -> Counts:
    return tuple(sum(counts) for counts in zip(*given, strict=True))
