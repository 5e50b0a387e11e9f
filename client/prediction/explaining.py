"""From predictions to a picture of each case (``fedgraft predict --explain``)."""

from __future__ import annotations

from pathlib import Path

import torch

from fedgraft.client.explanation.explain import Asked, explain, require_explainable
from fedgraft.client.explanation.target import targets_of
from fedgraft.client.prediction.loading import LoadedModel
from fedgraft.client.prediction.predicting import Desk, Predictions, inputs_of
from fedgraft.client.site.machine import use_threads
from fedgraft.common.runtime.files import private_folder


def draw(loaded: LoadedModel, found: Predictions, desk: Desk, folder: Path) -> int:
    """Write a picture of each case that could be used, named by its line (and row, where a line gave several); returns
    their number.

    Args:
        desk: where the cases were predicted, so that they are not decoded again.

    Raises:
        DataError: the model's inputs can't be shown.
    """
    usable = found.usable
    chosen = None if not found.task.has_probabilities else found.raw if found.calibrated is None else found.calibrated
    predicted = () if found.decided is None else found.decided.predicted
    targets = targets_of(found.task, chosen, len(usable), predicted)
    inputs = inputs_of(loaded, desk)
    require_explainable(inputs)
    inputs.verdicts(usable)  # reads again what it knows of them
    private_folder(folder)
    asked = [
        Asked(case, target, folder / f"{found.file_name(case)}.png")
        for case, target in zip(usable, targets, strict=True)
    ]
    threads = torch.get_num_threads()
    use_threads(loaded.machine.threads)
    try:
        explain(loaded.model.network, inputs, asked, loaded.machine.device)
    finally:
        use_threads(threads)
    return len(asked)
