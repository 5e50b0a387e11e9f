"""The trained model of a run, for use from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fedgraft.client.prediction.loading import Call, load
from fedgraft.client.prediction.sites import find_site, simulated
from fedgraft.client.prediction.trained_model import TrainedModel
from fedgraft.client.site.machine import choose
from fedgraft.common.errors import ModelError
from fedgraft.common.model_folder.folder import open_model
from fedgraft.common.plan import notebook


def load_trained(out: Path, site: str | None, parts: Mapping[str, Callable[..., Any]]) -> TrainedModel:
    """The final model of a run.

    Args:
        out: the run's folder.
        site: the site for whose personalised model its local tensors are loaded.
        parts: the notebook's classes that the plan names.

    Raises:
        ModelError: the folder holds no complete model; ``site`` is needed, or has no effect, or there is no such site,
            or it keeps no model of its own though its figures are of one.
    """
    folder = open_model(out)
    there = ", ".join(simulated(folder))
    text = "model()" if site is None else f"model(site={site!r})"
    call = Call(text, f"name one: model(site=...) with one of {there}")
    if site is not None and site not in simulated(folder):
        raise ModelError(f"{text}: the run's sites are {there}")
    with notebook.lent(parts):
        found = load(
            folder,
            call,
            None if site is None else find_site(site, folder, text),
            folder.plan.engine.trusted,
            choose("cpu", None),
            scale_from_cases=False,
        )
    if site is not None and not found.has_own_part:
        raise ModelError(f"{text} has no effect: this plan leaves nothing of a model at the sites")
    return TrainedModel(found, parts)
