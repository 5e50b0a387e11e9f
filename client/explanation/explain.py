"""Write a picture for each case: what its prediction rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import CaseView, Inputs
from fedgraft.client.cohort.shown import InColumns, Pictured
from fedgraft.client.explanation.columns import contributions
from fedgraft.client.explanation.picture import draw_columns, draw_image
from fedgraft.client.explanation.positions import rests_on
from fedgraft.client.explanation.target import Target
from fedgraft.common.errors import DataError
from fedgraft.common.models.network import Network


@dataclass(frozen=True)
class Asked:
    """A usable case to explain, the score of it, and the picture's file."""

    case: Case
    target: Target
    path: Path


def require_explainable(inputs: Inputs) -> None:
    """
    Raises:
        DataError: such inputs have neither pictures nor columns.
    """
    if not isinstance(inputs, Pictured | InColumns):
        raise DataError("--explain: this model's input has neither pictures nor columns to show; leave it out")


def explain(network: Network, inputs: Inputs, asked: Sequence[Asked], device: torch.device) -> None:
    """Write the pictures, each readable by this account only.

    Args:
        network: holds all tensors of the prediction, also a site's own.

    Raises:
        DataError: the inputs can't be shown, or the answer depends on no position.
    """
    require_explainable(inputs)
    for one in asked:
        ((_, row),) = inputs.batches([CaseView(one.case)], 1)
        if isinstance(inputs, Pictured):
            (image,) = inputs.harmonised([one.case])
            found, stages = rests_on(network, row.to(device), one.target.score)
            draw_image(one.path, image, found, str(one.target), f"gradient x activation {_listed(stages)}")
        elif isinstance(inputs, InColumns):
            bars = contributions(network, row.to(device), inputs.stand_ins(one.case, row), one.target.score)
            what = "log odds" if one.target.task is not None else one.target.name
            how = f"the network's {what}, minus {inputs.compared}"
            draw_columns(one.path, bars, str(one.target), how)


def _listed(stages: tuple[str, ...]) -> str:
    if len(stages) == 1:
        return f"at {stages[0]}; not an outline of what is there"
    return f"summed over {len(stages)} depths, {stages[0]} to {stages[-1]}; not an outline of what is there"
