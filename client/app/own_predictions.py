"""A site's own predictions, case by case: what its figures in a run's summary rest on. They never leave the site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.csv_file import write_rows
from fedgraft.client.cohort.pseudonyms import Pseudonyms
from fedgraft.client.site.own_tensors import note_evaluated
from fedgraft.client.training.session import Session
from fedgraft.common import tasks, tensors
from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.runtime.files import replacing

PREDICTIONS = "predictions.csv"


def keep_predictions(
    session: Session, received: Mapping[str, Tensor], outputs: Mapping[str, NDArray[np.float32]]
) -> None:
    """Replace ``predictions.csv`` in the site's state folder, readable by this account only, and note which model it is
    of. A run's last evaluation is that of its final model.

    A line is a case: ``split``, ``case`` (the name for which ``fedgraft site case`` finds the manifest's line), the
    cells of its label, and the log odds of each scored class or finding, or else the outputs.

    Args:
        received: the received tensors that were evaluated.
        outputs: of the evaluated splits, ``(N, outputs)``.
    """
    site, task = session.site, tasks.of(session.plan.data)
    label = ("label",) if task.reads_label else ()
    header = ("split", "case", *label, *task.manifest_columns, *score_columns(task))
    names = Pseudonyms(site.state)
    lines = (
        (split, names.name(case), *_label(case, task), *scores)
        for split, some in outputs.items()
        for case, scores in zip(session.accepted.splits[split].cases, _scores(some, task), strict=True)
    )
    path = site.state / PREDICTIONS
    with replacing(path, private=True) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        write_rows(stream, header, lines)
    note_evaluated(site.state, session.plan.digest, session.run, tensors.digest(received))


def score_columns(task: AnyTask) -> tuple[str, ...]:
    """The headings of the log odds, or else of the outputs."""
    return tuple(f"log_odds_{name}" for name in task.scored) if task.has_probabilities else task.output_names


def _scores(outputs: NDArray[np.float32], task: AnyTask) -> Iterator[list[str]]:
    values = task.scores(outputs) if task.has_probabilities else outputs.astype(np.float64)
    for row in values.tolist():
        yield [repr(value) for value in row]


def _label(case: Case, task: AnyTask) -> tuple[str, ...]:
    own = (case.label,) if task.reads_label else ()
    return (*own, *(case.column(name) or "" for name in task.manifest_columns))
