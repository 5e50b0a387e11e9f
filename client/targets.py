"""What the plan's task wants to know of each case, as a tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fedgraft.client.manifest import Case
from fedgraft.common.errors import DataError
from fedgraft.common.schema_data import Data


def targets(cases: Sequence[Case], data: Data) -> Tensor:
    """The label of each case.

    Returns:
        classification: ``(N,)`` int64.

    Raises:
        DataError: a label is not a class of the plan.
    """
    index = {name: number for number, name in enumerate(data.classes)}
    strange = sum(case.label not in index for case in cases)
    if strange:
        raise DataError(f"{strange} case(s) have a label that is not in data.classes: {', '.join(data.classes)}")
    return torch.tensor([index[case.label] for case in cases], dtype=torch.int64)
