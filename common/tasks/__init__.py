"""The tasks that a plan can name in ``data.task``.

A task is a class in a file of its own that implements `fedgraft.common.interfaces.task.Task`, and an entry in `TASKS`.
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
"""The task's constructor, which takes ``data.classes``, by the name in ``data.task``."""


class Predicted(Protocol):
    """The parts of a plan's ``data`` section that determine the task."""

    @property
    def task(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...


def of(data: Predicted) -> AnyTask:
    """The task of a plan's ``data`` section."""
    return TASKS[data.task](data.classes)
