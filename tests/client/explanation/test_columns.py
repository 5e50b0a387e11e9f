"""Contributions of columns to a linear head, worked out by hand; and which answer is explained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fedgraft.client.explanation.columns import contributions
from fedgraft.client.explanation.explain import require_explainable
from fedgraft.client.explanation.target import targets_of
from fedgraft.client.site.limits import Limits
from fedgraft.client.tables.files import TableFiles
from fedgraft.client.tables.stand_ins import stand_ins_of
from fedgraft.common.errors import DataError
from fedgraft.common.kinds.table_backbone import Identity
from fedgraft.common.models.network import Network
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.tables.encoding import Encoder, read_row, table_spec
from fedgraft.common.tasks.classification import Classification
from fedgraft.common.tasks.multilabel import Multilabel
from fedgraft.common.tasks.survival import Survival

TABLE = TableSection(
    numeric=("age", "pressure"),
    categorical=("sex",),
    missing=("?",),
    indicate_missing=True,
    statistics="plan",
    min_count=1,
    means={"age": 60.0, "pressure": 130.0},
    deviations={"age": 10.0, "pressure": 20.0},
    vocabulary={"sex": ("f", "m", "x")},
)


def test_of_a_linear_head_they_are_its_weights_times_what_differs() -> None:
    """Encoded: age 1.5, pressure 0 (missing), indicators 0 and 1, sex one-hot over (other, f, m, x)."""
    head = nn.Linear(8, 2)
    with torch.no_grad():
        head.weight[:] = torch.tensor([[0.0] * 8, [2.0, 5.0, 9.0, -0.75, 7.0, 0.3, 0.9, -0.6]])
        head.bias[:] = 0.25
    network = Network(Identity(table_spec(TABLE)), nn.ModuleDict(), head, frozenset())
    cells = read_row(TABLE, {"age": "75", "pressure": "?", "sex": "m"})
    row = torch.from_numpy(Encoder(TABLE)([cells]))
    (target,) = targets_of(Classification(("well", "ill")), np.array([[0.2, 0.8]]), 1)
    found = contributions(network, row, stand_ins_of(TABLE, cells, row), target.score)
    assert [one.column for one in found] == ["age = 75", "pressure = missing", "sex = m"]
    assert [one.amount for one in found] == pytest.approx([2.0 * 1.5, -0.75, 0.9 - (0.3 + 0.9 - 0.6) / 3], abs=1e-6)


def test_the_most_probable_answer_is_explained() -> None:
    outputs = torch.tensor([[1.0, 3.0]])
    first, second = targets_of(Classification(("well", "ill")), np.array([[0.7, 0.3], [0.1, 0.9]]), 2)
    assert (str(first), float(first.score(outputs))) == ("well  0.7", -2.0)
    assert (str(second), float(second.score(outputs))) == ("ill  0.9", 2.0)
    (decided,) = targets_of(Classification(("well", "ill")), np.array([[0.7, 0.3]]), 1, ("ill",))
    assert (str(decided), float(decided.score(outputs))) == ("ill  0.3", 2.0)
    (third,) = targets_of(Classification(("a", "b", "c")), np.array([[0.1, 0.3, 0.6]]), 1)
    assert third.score(torch.zeros(1, 3)).item() == pytest.approx(-np.log(2))
    (finding,) = targets_of(Multilabel(("mass", "edema")), np.array([[0.2, 0.4]]), 1)
    assert (str(finding), float(finding.score(outputs))) == ("edema  0.4", 3.0)
    (hazard,) = targets_of(Survival(()), None, 1)
    assert (str(hazard), float(hazard.score(torch.tensor([[1.5]])))) == ("log hazard", 1.5)


def test_inputs_that_can_t_be_shown_are_refused() -> None:
    with pytest.raises(DataError, match="--explain: this model's input has neither pictures nor columns to show"):
        require_explainable(TableFiles(Limits()))  # type: ignore[arg-type]
