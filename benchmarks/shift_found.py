"""What `shift.py` finds: AUROC and log loss by site, and how far each case moves the AUROC; kept as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from fedgraft.common.tasks.areas import FEW, influence

Scored = Sequence[tuple[NDArray[np.float64], NDArray[np.int64]]]
"""Of each model that is tested at a site: log odds, and labels of 0 and 1 of the same cases."""
MILLION = 1e6


@dataclass(frozen=True)
class AtSite:
    """Means over the models that were tested there.

    Attributes:
        moves: how far each case moves the AUROC, in millionths (`fedgraft.common.tasks.areas.influence`).
    """

    auroc: float
    loss: float
    moves: list[int]


Column = Mapping[str, AtSite]


@dataclass(frozen=True)
class Cell:
    """One row of one data set with one seed.

    Attributes:
        setting: the number of the setting that validation cases chose; ``ridge`` of the fit.
        val: its AUROC on the validation cases of all sites together.
        columns: by name (own, other, held), by site.
        note: why there is nothing.
    """

    data: str
    read: str
    row: str
    seed: int
    setting: int = 0
    ridge: float | None = None
    val: float | None = None
    columns: Mapping[str, Column] = field(default_factory=dict)
    note: str = ""
    seconds: float = 0.0

    @property
    def key(self) -> tuple[str, str, str, int]:
        return self.data, self.read, self.row, self.seed


def column_of(tested: Mapping[str, Scored]) -> dict[str, AtSite]:
    """By site; those with fewer than five cases of a class say nothing, and are left out."""
    found = {}
    for site, models in tested.items():
        counts = np.bincount(models[0][1], minlength=2) if models else np.zeros(2)
        if min(counts) < FEW:
            continue
        areas = [roc_auc_score(truth, scores) for scores, truth in models]
        moves = [influence(scores[:, None], truth[:, None].astype(float)) for scores, truth in models]
        losses = [np.logaddexp(0, np.where(truth > 0, -scores, scores)).mean() for scores, truth in models]
        rounded = np.rint(np.mean(moves, axis=0) * MILLION).astype(int).tolist()
        found[site] = AtSite(float(np.mean(areas)), float(np.mean(losses)), rounded)
    return found


def kept(file: Path) -> Iterator[Cell]:
    """The cells of a file; a last line that was cut off is left out."""
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            plain = json.loads(line)
        except ValueError:
            continue
        columns = {
            name: {site: AtSite(**one) for site, one in by_site.items()}
            for name, by_site in plain.pop("columns").items()
        }
        yield Cell(**plain, columns=columns)


def keep(file: Path, cell: Cell) -> None:
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(asdict(cell)) + "\n")
