"""Before the first head: choose the features that enter it, by the sites' sums (``features.keep``)."""

from __future__ import annotations

import torch

from fedgraft.common.errors import RoundError
from fedgraft.common.features.keep import KEPT, best, between_classes, by_group, ranking_sums
from fedgraft.common.interfaces.head_start import COUNTS
from fedgraft.common.interfaces.roles import BEFORE_HEAD, KEEP
from fedgraft.common.wire.head_sums import SumsQuestion
from fedgraft.common.wire.messages import specs_of
from fedgraft.server.exchange.roster import Roster
from fedgraft.server.rounds.interpolation import Shared
from fedgraft.server.rounds.site_sums import missing, told_sums, total
from fedgraft.server.rounds.state import RunContext


def with_kept(context: RunContext, roster: Roster, shared: Shared) -> Shared:
    """The tensors with the choice of features in them, under the scale that they hold; as they are if all are kept.

    Args:
        roster: the sites that train.

    Raises:
        RoundError: no site told its sums, or those that did have cases of one class only.
    """
    keep, plan = context.plan.features.keep, context.plan
    if keep is None:
        return shared
    width = sum(group.width for group in context.groups)
    nothing = ranking_sums(torch.zeros(0, width), torch.zeros(0, dtype=torch.int64), plan.data.outputs)
    given = {name: tensor for name, tensor in shared.items() if name.startswith(BEFORE_HEAD)}
    question = SumsQuestion(plan.digest, given, None, "ranking")
    told = told_sums(context, roster, specs_of(nothing), question, "ranking")
    lines = missing(context.ledger, "ranking")
    if not told:
        raise RoundError("\n".join((f"features.keep={keep}: no site told its sums; set it to null", *lines)))
    sums = total(told)
    if int((sums[COUNTS] > 0).sum()) < 2:
        head = f"features.keep={keep}: all cases of the sites that told their sums are of one class; set it to null"
        raise RoundError("\n".join((head, *lines)))
    return {**shared, KEEP + KEPT: best(between_classes(sums), keep)}


def kept_by_group(context: RunContext, shared: Shared) -> dict[str, int]:
    """How many features of each group enter the head; empty if all do."""
    return by_group(shared[KEEP + KEPT], context.groups) if KEEP + KEPT in shared else {}
