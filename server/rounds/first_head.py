"""The head before the first round: as built, as the plan's ``initial`` makes it, or the best of several."""

from __future__ import annotations

from dataclasses import dataclass

from fedgraft.common import tasks
from fedgraft.common.errors import UndefinedFigureError
from fedgraft.common.interfaces.task import Scalar
from fedgraft.server.exchange.roster import Roster
from fedgraft.server.rounds.finish import evaluate
from fedgraft.server.rounds.head_start import initial_shared
from fedgraft.server.rounds.interpolation import Shared, compared
from fedgraft.server.rounds.state import RunContext


@dataclass(frozen=True)
class FirstHead:
    """The shared tensors with the first head, its validation figure (``None`` if it is undefined, or nothing was to
    be chosen), those of all that were tried (by name), and whether scores came in too few groups to choose by."""

    shared: Shared
    figure: Scalar
    figures: dict[str, Scalar]
    blurred: bool = False


def first_head(context: RunContext, roster: Roster, shared: Shared, for_itself: bool = False) -> FirstHead:
    """The first head; of several (``initial.alpha`` of several values) that with the best headline figure on the sites'
    pooled validation cases (`compared`), of equal ones the first; where scores came in too few groups, the middle one.

    Args:
        roster: the sites that train.
        for_itself: whether it is wanted for its figure, even if there is nothing to choose, or the figure is undefined.

    Raises:
        UndefinedFigureError: there are several, no figure by which to choose, and it is wanted for itself.
        RoundError, PlanError: as `initial_shared`.
    """
    tried = initial_shared(context, roster, shared)
    if len(tried) == 1 and not for_itself:
        return FirstHead(next(iter(tried.values())), None, {})
    found = {name: evaluate(context, roster, one, what="initial") for name, one in tried.items()}
    grouped = {offer.site: offer.grouped for offer in roster.values()}
    told = compared(found, tasks.of(context.plan.data), grouped)
    figures = told.figures
    known = {name: figure for name, figure in figures.items() if figure is not None}
    if told.blurred:
        return FirstHead([*tried.values()][len(tried) // 2], None, {}, blurred=len(tried) > 1 or for_itself)
    if not known and for_itself:
        return FirstHead(next(iter(tried.values())), None, figures)
    if not known:
        raise UndefinedFigureError(
            f"initial: of {', '.join(tried)} none can be chosen: the sites told no defined figure on validation cases; "
            "give them some (data.val_fraction) of more than one class, or set initial.alpha to one number"
        )
    best = max(known, key=lambda name: known[name])  # the first of equal ones
    return FirstHead(tried[best], known[best], figures)
