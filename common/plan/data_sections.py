"""The sections of a plan that say what a case is: its task, and how a DICOM file or a table becomes numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from fedgraft.common import tasks
from fedgraft.common.plan.types import STRICT, Count, Fraction, Options

LARGEST = 1e18  # squares of it fit in float64, and a value scaled by the least deviation (1 / LARGEST) in float32


PREFIX = "table/"
"""What the name of a tabular backbone starts with."""
MOST_CATEGORIES, MOST_TEXT = 1000, 200  # of one column's vocabulary; characters of one category


def _known(name: str) -> str:
    if name not in tasks.TASKS:
        *others, last = (f"'{one}'" for one in tasks.TASKS)
        expected = f"{', '.join(others)} or {last}"
        raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
    return name


Names = tuple[Annotated[str, Field(min_length=1)], ...]
TaskName = Annotated[str, AfterValidator(_known)]


@dataclass(frozen=True)
class DataSection:
    """What is predicted, and (for a simulation) the data set.

    ``target`` is the data set's function; ``None`` in the plan of hospitals, whose site files name their cases.
    ``task``: one of `fedgraft.common.tasks.TASKS`. ``classification`` = one of ``classes`` (two or more);
    ``multilabel`` = each of ``classes`` is a finding that is there, is not, or is unknown; ``survival`` = time to an
    event, and ``classes`` is empty.
    ``image_size`` is in pixels, ``None`` for the backbone's own (and for tables). ``test``: ``sites`` = each site
    splits off test cases (a manifest's own ``split`` wins); ``given`` = every manifest names its splits, and both
    fractions are 0; ``coordinator`` = the data set's official test set is kept aside.
    """

    __pydantic_config__ = STRICT
    task: TaskName
    classes: Names
    image_size: Annotated[int, Field(ge=16, le=2048)] | None
    test: Literal["sites", "given", "coordinator"]
    val_fraction: Fraction
    test_fraction: Fraction
    target: str | None = None
    options: Options = field(default_factory=dict)

    @property
    def outputs(self) -> int:
        """Numbers that the network gives per case."""
        return tasks.of(self).outputs


@dataclass(frozen=True)
class InputSection:
    """What kind of input a case is (`fedgraft.common.interfaces.input_kind`); ``target`` is ``None`` for what the data
    says: rows of a table if the plan has a ``table``, else images."""

    __pydantic_config__ = STRICT
    target: str | None = None
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class DicomSection:
    """How a DICOM file becomes an image; the same at every site.

    ``window``: ``file`` = the file's own VOI LUT or window, else its whole range; ``none`` = the whole range; a preset
    (`fedgraft.client.images.dicom`), for instance ``lung``; or ``CENTER/WIDTH`` in the units of the modality rescale.
    ``choice``: which of the file's windows, from 0. ``frames`` of a multi-frame file: ``first``, ``middle``, ``all``
    (each a case), or a number from 0. ``slices``: of a series (a folder of files), so many, evenly spaced, each a case.
    ``neighbours``: 2.5D, a slice between its two neighbours as three channels.
    """

    __pydantic_config__ = STRICT
    window: str
    choice: Annotated[int, Field(ge=0)]
    frames: Literal["first", "middle", "all"] | Annotated[int, Field(ge=0)]
    slices: Count
    neighbours: bool


@dataclass(frozen=True)
class TableSection:
    """How a table's columns become numbers; the same at every site.

    Attributes:
        numeric: columns that are scaled to mean 0 and deviation 1; a missing value becomes the mean.
        categorical: columns with a vocabulary; what is missing or not in it is a category of its own.
        missing: what stands for a missing value, besides an empty cell.
        indicate_missing: give each numeric column a second number, 1 where it is missing.
        statistics: ``plan`` = means, deviations and vocabularies are given below; ``federated`` = they come from sums
            and counts over all sites' training cases, before the first round.
        min_count: a site names a category only if so many patients among its training cases have it, and a column's
            sums likewise; 1 with ``statistics=plan``.
        means, deviations, vocabulary: by column; empty with ``statistics=federated``.
    """

    __pydantic_config__ = STRICT
    numeric: Names
    categorical: Names
    missing: tuple[str, ...]
    indicate_missing: bool
    statistics: Literal["plan", "federated"]
    min_count: Count
    means: dict[str, float] = field(default_factory=dict)
    deviations: dict[str, float] = field(default_factory=dict)
    vocabulary: dict[str, tuple[str, ...]] = field(default_factory=dict)
