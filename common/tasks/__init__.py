"""The tasks that a plan can name in ``data.task``.

A task is one file with a class that has what `fedgraft.common.interfaces.task.Task` lists, and a line in `TASKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.tasks.classification import Classification
from fedgraft.common.tasks.multilabel import Multilabel
from fedgraft.common.tasks.survival import Survival

TASKS: Mapping[str, Callable[[tuple[str, ...]], AnyTask]] = MappingProxyType(
    {"classification": Classification, "multilabel": Multilabel, "survival": Survival}
)
"""By the name in ``data.task``: from ``data.classes`` to the task."""


class Predicted(Protocol):
    """A plan's ``data`` section, as far as it says what is predicted."""

    @property
    def task(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...


def of(data: Predicted) -> AnyTask:
    """The task of a plan's ``data`` section."""
    return TASKS[data.task](data.classes)
