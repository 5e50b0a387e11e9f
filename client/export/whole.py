"""A trained model with all that lies before and behind the network, as one module of torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fedgraft.client.cohort.inputs import factory_of
from fedgraft.client.cohort.preparation import Preparation, PreparesInTorch
from fedgraft.client.export.calibrated import Calibrated
from fedgraft.client.prediction.loading import LoadedModel
from fedgraft.common import tasks
from fedgraft.common.calibration.maps import Map
from fedgraft.common.errors import DataError, ModelError
from fedgraft.common.interfaces.scores import TorchScoring
from fedgraft.common.kinds.choice import kind_of

Prevalence = float | Sequence[float] | None
OUTPUTS, RAW, CALIBRATED = "outputs", "raw", "calibrated"


class Whole(nn.Module):
    """Decoded cases -> the network's outputs ``(B, outputs)``, and, if the task has them, probabilities ``(B, C)`` as
    the network gives them and after calibration."""

    def __init__(self, prepare: nn.Module, network: nn.Module, task: TorchScoring | None, calibrated: nn.Module | None):
        super().__init__()
        self.prepare, self.network, self.task, self.calibrated = prepare, network, task, calibrated

    def forward(self, cases: Tensor) -> tuple[Tensor, ...]:
        outputs: Tensor = self.network(self.prepare(cases))
        if self.task is None:
            return (outputs,)
        scores = self.task.log_odds(outputs)
        found = (outputs, self.task.shares(scores))
        return found if self.calibrated is None else (*found, self.task.shares(self.calibrated(scores)))


@dataclass(frozen=True)
class WholeModel:
    """A model that is ready to be exported.

    Attributes:
        module: on the CPU, in eval mode.
        names: of its outputs.
        ours: what it must give, computed as `fedgraft predict` does.
    """

    loaded: LoadedModel
    preparation: Preparation
    module: Whole
    names: tuple[str, ...]
    ours: Callable[[Tensor], tuple[Tensor, ...]]


def whole_of(loaded: LoadedModel, prevalence: Prevalence = None) -> WholeModel:
    """The whole of a model that was loaded onto the CPU.

    Raises:
        ModelError: its answer is a mean over views.
        DataError: ``prevalence`` does not fit, or has no effect.
    """
    _require_one_pass(loaded)
    if prevalence is not None and loaded.calibration is None:
        raise DataError("a prevalence has no effect: this model has no calibration")
    preparation, task = _preparation(loaded), tasks.of(loaded.plan.data)
    calibration, site = loaded.calibration, None if loaded.site is None else loaded.site.name
    scoring = task if isinstance(task, TorchScoring) and task.has_probabilities else None
    maps: tuple[Map, ...] = () if calibration is None else calibration.maps(site, prevalence)
    behind = Calibrated(maps) if maps and scoring is not None else None
    network = loaded.model.network
    module = Whole(preparation.module, network, scoring, behind).eval().requires_grad_(False)
    names = (OUTPUTS, RAW, CALIBRATED)[: 1 if scoring is None else 2 if behind is None else 3]

    def ours(cases: Tensor) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            outputs = network(preparation.ours(cases))
        if scoring is None:
            return (outputs,)
        scores = task.scores(outputs.numpy())
        found = (outputs, torch.from_numpy(task.probabilities(scores)))
        if behind is None or calibration is None:
            return found
        return (*found, torch.from_numpy(calibration.probabilities(scores, site, prevalence)))

    return WholeModel(loaded, preparation, module, names, ours)


def _require_one_pass(loaded: LoadedModel) -> None:
    """
    Raises:
        ModelError: the model's answer is a mean over views.
    """
    views = loaded.plan.augment.evaluated
    if views > 1:
        raise ModelError(
            f"augment.average=true: the model's answer is the mean over {views} views, drawn for each case's file, "
            "which no exported file can do; train with augment.average=false to export"
        )


def _preparation(loaded: LoadedModel) -> Preparation:
    """The preparation of the model's kind of input; where that can't be exported, inputs are taken as they are."""
    kind = kind_of(loaded.plan, loaded.trusted)
    factory = factory_of(kind, loaded.trusted)
    if isinstance(factory, PreparesInTorch):
        return factory.preparation(loaded.plan, kind, loaded.trusted)
    shape, taken = loaded.model.spec.shape, loaded.model.facts.taken
    said = {"what": f"float32, {taken} {shape}, as the network takes them: nothing before the network is inside"}
    return Preparation(
        "inputs",
        nn.Identity(),
        lambda inputs: inputs,
        lambda generator: [torch.randn(cases, *shape, generator=generator) for cases in (2, 1)],
        said=said,
    )
