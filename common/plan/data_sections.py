"""The sections of a plan on its data: the task, and how DICOM files and tables become numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from fedgraft.common import tasks
from fedgraft.common.plan.types import STRICT, Count, Fraction, Options

LARGEST = 1e18  # of a table's numbers: its square fits in float64, and LARGEST / smallest deviation in float32


PREFIX = "table/"
"""The prefix of the names of tabular backbones."""
MOST_CATEGORIES, MOST_TEXT = 1000, 200  # categories of one column; characters of one category


def _known(name: str) -> str:
    if name not in tasks.TASKS:
        *others, last = (f"'{one}'" for one in tasks.TASKS)
        expected = f"{', '.join(others)} or {last}"
        raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
    return name


Half = Annotated[float, Field(ge=0, le=0.5)]
Names = tuple[Annotated[str, Field(min_length=1)], ...]
TaskName = Annotated[str, AfterValidator(_known)]


@dataclass(frozen=True)
class NoteCopies:
    """How the views of a note are made (`fedgraft.client.notes`); off by default.

    Attributes:
        synonyms, swap, delete: share of a sentence's words that a copy replaces, exchanges, leaves out; 0 is off.
        translate: whether there is a way through the site's translator and back.
        senses: synonyms of the most frequent sense that both words ``shared``, or of ``every`` sense.
        guard: whether changed sentences that deny, count or name something else are thrown away.
    """

    __pydantic_config__ = STRICT
    synonyms: Half = 0.0
    swap: Half = 0.0
    delete: Half = 0.0
    translate: bool = False
    senses: Literal["shared", "every"] = "shared"
    guard: bool = True

    @property
    def on(self) -> bool:
        """Whether a copy differs from its note."""
        return self.translate or any((self.synonyms, self.swap, self.delete))

    def __str__(self) -> str:
        return f"({', '.join(f'{name}={value}' for name, value in vars(self).items())})"


@dataclass(frozen=True)
class DataSection:
    """What is predicted, and (for a simulation) the data set.

    Attributes:
        task: a name in `fedgraft.common.tasks.TASKS`. ``classification``: each case has one of ``classes`` (two or
            more). ``multilabel``: each of ``classes`` is a finding: present, absent or unknown. ``survival``: time to
            an event; ``classes`` is empty.
        image_size: in pixels; ``None`` for the backbone's own (and for tables).
        test: ``sites`` = each site splits off test cases (unless its manifest has a ``split``); ``given`` = every
            manifest has a ``split``, and both fractions are 0; ``coordinator`` = the coordinator evaluates on the data
            set's official test set.
        target: the data set's function; ``None`` in a plan for hospitals, whose site files name their cases.
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
        """The number of the network's outputs per case."""
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

    Attributes:
        window: ``file`` = the file's own VOI LUT or window, or its full range if it has none; ``none`` = the full
            range; a preset (`fedgraft.common.plan.ct_windows`), for instance ``lung``; or ``CENTER/WIDTH`` in the units
            of the modality rescale.
        choice: which of the file's windows to use, from 0.
        frames: of a multi-frame file: ``first``, ``middle``, ``all`` (each a case), or a number from 0.
        slices: how many evenly spaced slices of a series (a folder of files) to use, each a case.
        neighbours: 2.5D: a slice and its two neighbours are three channels.
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
        categorical: columns with a vocabulary; missing cells and those not in it form one further category.
        missing: texts that stand for a missing value, besides an empty cell.
        indicate_missing: whether each numeric column gets a second number, 1 where it is missing.
        statistics: ``plan`` = means, deviations and vocabularies are given below; ``federated`` = they are computed
            from all sites' training cases before the first round.
        min_count: a site sends a category, or a column's sums, only if they come from this many patients among its
            training cases; 1 with ``statistics=plan``.
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
