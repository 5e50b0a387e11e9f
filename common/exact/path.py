"""The options of ``strategy=exact``: a path of ridges, and when the fit at one of them ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.checks.exact import path_problem
from fedgraft.common.plan.types import Count, NotNegative, Positive


@dataclass(frozen=True)
class ExactPath:
    """Minimises ``(sum over all sites' cases of their loss) / cases + ridge / 2 * |W|^2`` by L-BFGS (Liu & Nocedal,
    Mathematical Programming 45, 1989), at one ridge after another.

    ``W`` holds the head's tensors of two dimensions or more; a bias or a scale is not penalised. A round is one ridge,
    and starts where the round before it ended (Friedman et al., J. Stat. Softw. 33, 2010, section 2.5).

    Attributes:
        strongest, weakest: the ridges of the first and the last round; those between have equal ratios. A plan of one
            round has the weakest only.
        tolerance: a ridge's fit ends once no component of the gradient is larger than this.
        most_evaluations: of one ridge; each asks every site for its gradient. After them the ridge's fit ends as it is,
            and is reported as not converged.
        precision: of outputs at the sites, and of weights and gradients on the way. ``float32`` takes half the bytes
            and less than half the time, and is enough for gradients down to 1e-5.
        memory: how many pairs of steps and changes of the gradient L-BFGS keeps.
    """

    sums_gradients: ClassVar[bool] = True

    strongest: NotNegative
    weakest: NotNegative
    tolerance: Positive
    most_evaluations: Count
    memory: Count
    precision: Literal["float32", "float64"]

    def ridges(self, rounds: int) -> tuple[float, ...]:
        """The ridge of each round.

        Raises:
            PlanError: there are several rounds, and the ridges do not fall, or end at 0.
        """
        if rounds < 2:
            return (self.weakest,) * rounds
        if problem := path_problem(rounds, self.strongest, self.weakest):
            raise PlanError(problem)
        ratio = (self.weakest / self.strongest) ** (1 / (rounds - 1))
        return (*(self.strongest * ratio**number for number in range(rounds - 1)), self.weakest)
