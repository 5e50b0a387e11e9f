"""The sections of a plan on what its final model's scores become (probabilities, decisions), and on its audit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fedgraft.common.plan.types import STRICT, Count, Inside, NotNegative, Positive

Rule = Literal["youden", "sensitivity", "specificity", "cost"]
Source = Literal["pooled", "own", "shrunk"]


@dataclass(frozen=True)
class CalibrationSection:
    """What turns the final model's scores into probabilities, fitted to the sites' validation cases.

    Attributes:
        method: `fedgraft.common.calibration.fit`; ``none``: the model's own probabilities.
        by_site: whether sites with enough cases get maps of their own, shrunk to the pooled one.
        min_cases: so many validation cases a site needs for that.
        prevalence: the share of cases of class 1 for which probabilities are meant, everywhere; a list by class or
            finding if there are more than two; ``None``: as among the validation cases of each map.
    """

    __pydantic_config__ = STRICT
    method: Literal["none", "temperature", "platt", "isotonic"] = "platt"
    by_site: bool = True
    min_cases: Count = 30
    prevalence: Inside | tuple[Inside, ...] | None = None

    @property
    def prevalences(self) -> tuple[float, ...] | None:
        """`prevalence` by scored class."""
        stated = self.prevalence
        return (stated,) if isinstance(stated, float) else stated


@dataclass(frozen=True)
class DecideSection:
    """Decisions, made from the sites' validation cases (`fedgraft.common.decisions`).

    Attributes:
        at: the operating point (`fedgraft.common.decisions.operating.threshold`).
        value: of ``sensitivity``, ``specificity`` (a share) or ``cost``; ``None`` for ``youden``.
        coverage: the share of cases whose set of answers holds the true one, as promised.
        by_answer: whether that is promised among the cases of each class, also the rarest, or over all together.
        miss: the largest share of positive cases that may be called negative by the cautious threshold.
        by_site: thresholds and sets from all sites' cases (``pooled``), each site's ``own``, or its own and the pooled
            ones, which weigh as much as ``cases`` cases (``shrunk``).
        cases: of each class.
        margin: probabilities nearer than this to that at the threshold are flagged for a person.
        unseen: the share of cases of the usual kind that may be flagged as unlike those that the model was trained on
            (`fedgraft.common.familiarity`); ``None``: no site is asked, and no case is flagged for it.
    """

    __pydantic_config__ = STRICT
    at: Rule = "youden"
    value: Positive | None = None
    coverage: Inside = 0.9
    by_answer: bool = True
    miss: Inside = 0.05
    by_site: Source = "shrunk"
    cases: Positive = 30.0
    margin: NotNegative = 0.05
    unseen: Inside | None = 0.05


@dataclass(frozen=True)
class AuditSection:
    """Figures by subgroup, on the sites' test cases.

    Attributes:
        columns: of the manifests, whose values make the subgroups: a name, or of a column of numbers ``{name: ends}``,
            ascending, where one subgroup ends and the next begins (the number itself is in the next). A site tells of
            those columns that its own file names too.
    """

    __pydantic_config__ = STRICT
    columns: tuple[str | dict[str, tuple[float, ...]], ...] = ()

    @property
    def bands(self) -> dict[str, tuple[float, ...]]:
        """By column, in order, where its subgroups begin; empty for a column of words."""
        found: dict[str, tuple[float, ...]] = {}
        for column in self.columns:
            found |= {column: ()} if isinstance(column, str) else column
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(self.bands)
