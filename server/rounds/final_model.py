"""Choose the final model of a run: that of the last round, of the best round (``select=best``,
``unseen``), or an interpolation between the initial and the trained model (``initial.interpolate``)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.plan.plan import Plan
from fedgraft.server.rounds import selection
from fedgraft.server.rounds.interpolation import BySite, Choice, Shared, best_share, require_figure

NONE: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class FinalModel:
    """The state of the choice so far.

    Attributes:
        initial: the shared tensors before the first round.
        best: the best round's model so far; ``None`` before the first evaluation, with ``select=last``, and where
            validation scores came in too few groups to choose by.
    """

    plan: Plan
    initial: Shared
    best: selection.Candidate | None = None

    def heard(
        self, number: int, task: AnyTask, by_site: BySite, shared: Shared, grouped: Mapping[str, int] = NONE
    ) -> FinalModel:
        """The state after the sites have evaluated the model of round ``number``.

        Args:
            grouped: as `fedgraft.server.rounds.state.Round.grouped`.

        Raises:
            UndefinedFigureError: after round 0, if no validation figure is defined by which to choose.
        """
        if number == 0:
            require_figure(self.plan.initial.interpolate, by_site, task)
        if self.plan.select != "best" or (number and self.best is None):
            return self
        return replace(self, best=selection.better(self.best, number, task, by_site, shared, grouped))

    def unseen(self, number: int, figure: float, shared: Shared, sites: Collection[str]) -> FinalModel:
        """The state after a round's figure at sites that had no part in it (``select=unseen``); of equal ones the first
        round stays."""
        if self.best is not None and figure <= self.best.figure:
            return self
        return replace(self, best=selection.Candidate(number, figure, shared, frozenset(sites)))

    def proposed(
        self,
        trained: Shared,
        task: AnyTask,
        evaluate: Callable[[Shared], BySite],
        grouped: Mapping[str, int] = NONE,
    ) -> Choice:
        """The model that replaces the last round's before every site evaluates it: the best interpolation, if any.

        Args:
            trained: the shared tensors after the last round.
            evaluate: evaluates a model at the training sites.
            grouped: as for `heard`.

        Raises:
            RoundError: the figure that chooses is undefined for every candidate.
        """
        return best_share(self.initial, trained, self.plan.initial.interpolate, task, evaluate, grouped)

    def chosen(self, last: int, shared: Shared) -> tuple[int, Shared]:
        """The round whose model is the final one, and this model's shared tensors.

        Args:
            last: the last round's number.
            shared: the last round's shared tensors, after their evaluation was passed to `heard`.
        """
        if self.best is None or self.best.number == last:
            return last, shared
        return self.best.number, dict(self.best.shared)
