"""The part of a task that says in words for everybody what its models do."""

from __future__ import annotations

from typing import Protocol


class Wording(Protocol):
    """Words for reports that people read who know no machine learning."""

    @property
    def purpose(self) -> str:
        """What a model does, after "this model"."""

    @property
    def ranking(self) -> str:
        """What the headline figure is the share of, after "in 80 of 100 pairs of"."""

    @property
    def undefined(self) -> str:
        """When the headline figure is undefined."""

    @property
    def prevalence_of(self) -> str:
        """What an evaluation's `prevalence` is the share of, as the heading of a column."""

    @property
    def mend(self) -> str:
        """What a hospital can do about `unreadable` cases (`fedgraft.common.interfaces.task.Task`)."""
