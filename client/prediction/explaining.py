"""From predictions to a picture of each case (``fedgraft predict --explain``)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch

from fedgraft.client.cohort.quarantine import USABLE
from fedgraft.client.explanation.explain import Asked, explain, require_explainable
from fedgraft.client.explanation.target import targets_of
from fedgraft.client.prediction.loading import LoadedModel
from fedgraft.client.prediction.predicting import Desk, Predictions, inputs_of
from fedgraft.client.site.machine import use_threads
from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import private_folder


def require_new_folder(folder: Path, force: bool) -> None:
    """
    Raises:
        DataError: pictures would mix with other files, or can't be written there.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"--explain {folder} is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise DataError(f"--explain {folder} is not empty; name another folder, or add --force")


def draw(loaded: LoadedModel, found: Predictions, desk: Desk, folder: Path) -> int:
    """Write a picture of each case that could be used, named by its line (and row, where a line gave several); returns
    their number.

    Args:
        desk: where the cases were predicted, so that they are not decoded again.

    Raises:
        DataError: the model's inputs can't be shown.
    """
    usable = [case for case, verdict in zip(found.cases, found.verdicts, strict=True) if verdict == USABLE]
    chosen = None if not found.task.has_probabilities else found.raw if found.calibrated is None else found.calibrated
    predicted = () if found.decided is None else found.decided.predicted
    targets = targets_of(found.task, chosen, len(usable), predicted)
    lines = Counter(case.group for case in found.cases)
    inputs = inputs_of(loaded, desk)
    require_explainable(inputs)
    inputs.verdicts(usable)  # reads again what it knows of them
    private_folder(folder)
    asked = []
    for case, target in zip(usable, targets, strict=True):
        row = f"-row-{case.row}" if lines[case.group] > 1 else ""
        asked.append(Asked(case, target, folder / f"line-{int(case.group or 0):05d}{row}.png"))
    threads = torch.get_num_threads()
    use_threads(loaded.machine.threads)
    try:
        explain(loaded.model.network, inputs, asked, loaded.machine.device)
    finally:
        use_threads(threads)
    return len(asked)
