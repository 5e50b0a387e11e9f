"""The release gate: only what both plan and site file allow leaves the site, and all that leaves is logged."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fedgraft.client.site.site_file import ReleasePolicy as Permission
from fedgraft.common.errors import SiteFileError
from fedgraft.common.familiarity.distances import merged_distances
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.plan.sections import ReleaseSection
from fedgraft.common.runtime.chained import Chain
from fedgraft.common.tables.statistics import Patients, TableStatistics, nothing_of
from fedgraft.common.wire.gradient import Gradient
from fedgraft.common.wire.messages import Update
from fedgraft.common.wire.offer import Offer
from fedgraft.common.wire.subgroups import ByGroup


def release_offer(offer: Offer, plan: ReleaseSection, permission: Permission, task: AnyTask) -> Offer:
    """Withhold class counts and quarantine counts unless plan and site both allow them.

    Allowed class counts are still withheld, as the task says, where they are above 0 and below ``min_count``. A
    quarantine count below ``min_count`` leaves as 0: some, but fewer than ``min_count``.
    """
    told = offer.quarantined if plan.quarantine and permission.quarantine else {}
    few = {reason: count if count >= permission.least_told else 0 for reason, count in told.items()}
    offer = replace(offer, quarantined=few, grouped=grouped_by(plan, permission))
    marked = release_marked(offer.marked, offer.examples, plan, permission)
    return replace(offer, class_counts=release_counts(offer.class_counts, plan, permission, task), marked=marked)


def grouped_by(plan: ReleaseSection, permission: Permission) -> int:
    """Of how many cases or more scores are told together: a rule of the site, and nothing about a case."""
    told = plan.evaluation and permission.evaluation and permission.scores == "merged"
    return permission.min_count if told and permission.min_count > 1 else 0


def release_marked(
    marked: tuple[int, ...] | None, cases: int, plan: ReleaseSection, permission: Permission
) -> tuple[int, ...] | None:
    """On how many cases each output is marked: none if below ``min_count``, and all if as few are left over. Without
    class counts, all or none: which are marked at all is no patient's matter."""
    if marked is None:
        return None
    least, fine = permission.min_count, plan.class_counts and permission.class_counts
    steps = [0 if count < least else cases if cases - count < least or not fine else count for count in marked]
    return None if all(count == cases for count in steps) else tuple(steps)


def release_counts(
    counts: tuple[int, ...] | None, plan: ReleaseSection, permission: Permission, task: AnyTask
) -> tuple[int, ...] | None:
    """Class counts that plan and site both allow, as the task says for ``min_count``; else ``None``."""
    if counts is None or not (plan.class_counts and permission.class_counts):
        return None
    return task.releasable(counts, permission.min_count)


def release_update(update: Update, shared: Collection[str], plan: ReleaseSection, permission: Permission) -> Update:
    """Withhold metrics that are not allowed.

    Raises:
        SiteFileError: the update holds a tensor whose role is not ``shared``, and must not be sent.
    """
    private = sorted(set(update.tensors) - set(shared))
    if private:
        raise SiteFileError(f"{len(private)} tensor(s) of the update are not shared by the plan; nothing was sent")
    return replace(
        update,
        train_loss=update.train_loss if plan.train_loss and permission.train_loss else None,
        evaluations=release_evaluations(update.evaluations, plan, permission),
    )


def require_gradient(plan: ReleaseSection, permission: Permission) -> None:
    """Check that the gradient and the training loss may leave (``strategy=exact``): at weights of zero the gradient is
    made of the class counts and the sums of features by class, so that both must be allowed.

    Raises:
        SiteFileError: plan or site file forbid one of them.
    """
    asked = {
        "train_loss": plan.train_loss and permission.train_loss,
        "class_counts": plan.class_counts and permission.class_counts,
        "statistics": permission.statistics,
    }
    forbidden = [f"release.{name}" for name, allowed in asked.items() if not allowed]
    if forbidden:
        raise SiteFileError(
            f"strategy=exact asks for gradients, which tell what {', '.join(forbidden)} forbids here; nothing was sent"
        )


def require_shared(payload: Collection[str], shared: Collection[str]) -> None:
    """Check a compressed payload: every array must be (a part of) a shared tensor, as ``head.weight#scale`` is.

    Raises:
        SiteFileError: an array belongs to a tensor whose role is not ``shared``; the payload must not be sent.
    """
    private = {name for name in payload if name.partition("#")[0] not in set(shared)}
    if private:
        raise SiteFileError(f"{len(private)} array(s) of the update are not shared by the plan; nothing was sent")


def release_evaluations(
    evaluations: dict[str, Evaluation], plan: ReleaseSection, permission: Permission
) -> dict[str, Evaluation]:
    """The parts of evaluations that come from at least ``min_count`` cases; none if plan or site forbids them."""
    if not (plan.evaluation and permission.evaluation):
        return {}
    released = {split: evaluation.releasable(permission.min_count) for split, evaluation in evaluations.items()}
    return {split: _coarse(evaluation, permission) for split, evaluation in released.items() if evaluation is not None}


def _coarse(evaluation: Evaluation, permission: Permission) -> Evaluation:
    return evaluation.merged(permission.min_count) if permission.scores == "merged" else evaluation


def release_distances(counts: Sequence[int], permission: Permission) -> tuple[int, ...]:
    """Counts of cases by distance, as scores are released."""
    return merged_distances(counts, permission.min_count) if permission.scores == "merged" else tuple(counts)


def of_large_groups(found: ByGroup[Evaluation], permission: Permission) -> ByGroup[Evaluation]:
    """The evaluations of those columns whose subgroups all have ``min_count`` cases or more."""
    return {
        column: {name: _coarse(one, permission) for name, one in groups.items()}
        for column, groups in found.items()
        if all(one.cases >= permission.min_count for one in groups.values())
    }


def may_release_sums(patients: Sequence[int], plan: ReleaseSection, permission: Permission) -> bool:
    """Whether sums by class may leave: plan and site allow class counts, the site allows statistics, and no class
    is too small (`_none_small`).

    Args:
        patients: for each class, how many patients have a training case of it.
    """
    allowed = plan.class_counts and permission.class_counts and permission.statistics
    return allowed and _none_small(patients, permission)


def release_statistics(found: TableStatistics, table: TableSection, permission: Permission) -> TableStatistics:
    """A table's statistics without columns and categories of too few cases for plan or site; none if the site forbids
    them. Cases by category leave in steps of the site's ``min_count``, so that what is left over is no small number."""
    if not permission.statistics:
        return nothing_of(table)
    return found.at_least(max(table.min_count, permission.min_count)).in_steps(permission.least_told)


def of_enough_patients(
    found: TableStatistics, patients: Patients, table: TableSection, permission: Permission
) -> TableStatistics:
    """A table's statistics without columns and categories of too few patients for plan or site. Where fewer than the
    site's ``min_count`` patients lack a value, the column is told as if none did."""
    told = found.of_patients(max(table.min_count, permission.min_count), patients)
    return told.without_few_missing(permission.least_told, patients)


def may_release_moments(patients: Sequence[int], permission: Permission) -> bool:
    """Whether moments of the features of groups of training cases may leave: those of all groups, or none.

    A group's share of the cases is sent with its moments, so that moments by class need ``class_counts`` too.

    Args:
        patients: for each group (a class, or all cases as one group), how many patients have a case in it.
    """
    allowed = permission.statistics and (permission.class_counts or len(patients) == 1)
    return allowed and _none_small(patients, permission)


def _none_small(patients: Sequence[int], permission: Permission) -> bool:
    """Whether each group of cases has either no patient, or ``min_count`` or more.

    Leaving out a small group would not protect it: the site's number of cases is known, and so are its sums over all
    cases if another plan asks for them. Subtracting the released groups from these would give the group left out.
    """
    return not any(0 < count < permission.min_count for count in patients)


def may_release_means(patients: int, permission: Permission) -> bool:
    """Whether means over the training images of this many patients may leave."""
    return permission.statistics and patients >= permission.min_count


def log_release(log: Path, what: str, run: int, sent: Offer | Update | dict[str, Evaluation], **about: Any) -> None:
    """Log what is sent in an offer, an update or evaluations (`append_line`)."""
    line: dict[str, Any] = {}
    if isinstance(sent, Offer):
        line |= {"examples": sent.examples, "class_counts": sent.class_counts, "quarantined": dict(sent.quarantined)}
        line |= {} if sent.marked is None else {"marked": sent.marked}
        line |= {} if sent.seconds is None else {"seconds": sent.seconds}
        line |= {"scores_in_groups_of": sent.grouped} if sent.grouped else {}
    elif isinstance(sent, Update):
        line |= {
            "examples": sent.examples,
            "train_loss": sent.train_loss,
            "tensors": {name: round(_norm(tensor), 6) for name, tensor in sorted(sent.tensors.items())},
            "evaluations": _figures(sent.evaluations),
        }
    else:
        line["evaluations"] = _figures(sent)
    append_line(log, what, run, **about, **line)


def log_gradient(log: Path, run: int, sent: Gradient, shared: Collection[str]) -> None:
    """Log a gradient that is sent: the loss, and each tensor's norm.

    Raises:
        SiteFileError: it holds a tensor whose role is not ``shared``, and must not be sent.
    """
    require_shared(sent.tensors, shared)
    norms = {name: round(_norm(tensor), 6) for name, tensor in sorted(sent.tensors.items())}
    about = {"examples": sent.examples, "loss": sent.loss, "tensors": norms, "evaluations": _figures(sent.evaluations)}
    append_line(log, "gradient", run, plan=sent.plan_digest, round=sent.round, **about)


def append_line(log: Path, what: str, run: int, **about: Any) -> None:
    """Append one line to the site's own log of what left it: names, bytes, norms and figures, no case."""
    line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "what": what, "run": run, **about}
    Chain(log, durable=False).append(line)


def _norm(tensor: Tensor) -> float:
    return float(torch.linalg.vector_norm(tensor if tensor.is_floating_point() else tensor.double()))


def _figures(evaluations: dict[str, Evaluation]) -> dict[str, dict[str, Any]]:
    return {name: {"cases": e.cases, **e.figures(), **e.details()} for name, e in evaluations.items()}
