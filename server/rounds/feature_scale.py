"""Before the first round: pool the moments of the sites' features, and choose a scale (``features.scale``); under it,
the features that are kept (``features.keep``)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fedgraft.common.errors import RoundError
from fedgraft.common.features.moments import Moments, steadied
from fedgraft.common.features.scale import OWN, common_moments, common_values
from fedgraft.common.interfaces.roles import SCALE
from fedgraft.common.interfaces.task import Scalar
from fedgraft.common.wire.feature_moments import MOMENTS, pack_moments_question
from fedgraft.server.exchange.guard import read_moments
from fedgraft.server.exchange.roster import Roster
from fedgraft.server.rounds.first_head import first_head
from fedgraft.server.rounds.interpolation import Shared
from fedgraft.server.rounds.kept_features import with_kept
from fedgraft.server.rounds.noisy.before_rounds import Question, told_before_rounds
from fedgraft.server.rounds.site_sums import missing
from fedgraft.server.rounds.state import RunContext

_WITHHELD = "it told no moments: release.statistics forbids it, or it has fewer patients than min_count"


@dataclass(frozen=True)
class Scaled:
    """The shared tensors with the scale in them, the validation figure of each scale that was compared, and whether
    scores came in too few groups to compare by."""

    shared: Shared
    figures: dict[str, Scalar]
    blurred: bool = False


def with_scale(context: RunContext, roster: Roster) -> Scaled:
    """The tensors as built, with the plan's scale and the choice of features under it.

    Args:
        roster: the sites that train.

    Raises:
        RoundError: no site told its moments, ``features.scale=auto`` can't compare, or as `with_kept`.
    """
    section = context.plan.features
    if not section.needs_common:
        return Scaled(with_kept(context, roster, dict(context.initial)), {})
    given = {name.removeprefix(SCALE) for name in context.initial if name.startswith(SCALE)}
    common = common_moments(section, _ask(context, roster))
    common = steadied(common) if context.plan.privacy.on else common
    values = {SCALE + name: tensor for name, tensor in common_values(given, common).items()}
    shared = {**context.initial, **values}
    if section.scale == "auto":
        return _better(context, roster, shared)
    return Scaled(with_kept(context, roster, shared), {})


def _better(context: RunContext, roster: Roster, shared: Shared) -> Scaled:
    """The better of common and own moments by the headline figure on the sites' pooled validation cases, each with the
    features kept under it and the head that `initial` makes of them, or the best ridge head; of equal ones, and where
    scores came in too few groups to choose by, the common."""
    tried = {
        name: with_kept(context, roster, {**shared, SCALE + OWN: torch.full((1,), own)})
        for name, own in (("common", 0.0), ("own", 1.0))
    }
    heads = {name: first_head(context, roster, one, for_itself=True) for name, one in tried.items()}
    if any(head.blurred for head in heads.values()):
        return Scaled(tried["common"], {}, blurred=True)
    figures: dict[str, Scalar] = {name: head.figure for name, head in heads.items()}
    known = {name: figure for name, figure in figures.items() if figure is not None}
    if len(known) < len(tried):
        raise RoundError(
            "features.scale=auto: the sites told no defined figure on validation cases by which to compare; give them "
            "some (data.val_fraction) of more than one class, or set features.scale to common or own"
        )
    return Scaled(tried["own" if known["own"] > known["common"] else "common"], figures)


def _ask(context: RunContext, roster: Roster) -> list[Moments]:
    """Ask every training site for its moments; those that withhold them are left out, by name in the ledger."""
    width = max(len(tensor) for name, tensor in context.initial.items() if name.startswith(SCALE))
    question = Question(
        pack_moments_question(context.plan.digest),
        MOMENTS,
        "moments",
        "told moments of their features",
        lambda reply, expected: read_moments(reply, expected, width, noisy=context.plan.privacy.on),
        lambda found: _WITHHELD if found.moments is None else "",
    )
    good = [one.moments for one in told_before_rounds(context, roster, question) if one.moments is not None]
    if not good:
        head = f"features.scale={context.plan.features.scale}: no site told moments of its features; use case or own"
        raise RoundError("\n".join((head, *missing(context.ledger, "moments"))))
    return good
