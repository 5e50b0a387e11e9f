"""From new cases to the network's outputs, by the code that evaluates a model in training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.cohort.accepted import LabelledCases
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import InputContext, Inputs, Outlying, Progress, Remarks, factory_of, ignore
from fedgraft.client.cohort.quarantine import USABLE, count_reasons, reason_of
from fedgraft.client.features.extraction import FeatureExtractor
from fedgraft.client.prediction.deciding import Decided, Scores, also, decide, maps_of, never_left_out, only_strange
from fedgraft.client.prediction.loading import LoadedModel
from fedgraft.client.site.limits import Rules
from fedgraft.client.site.machine import use_threads
from fedgraft.client.site.row_store import Store
from fedgraft.client.training.before_head import watching
from fedgraft.client.training.evaluation import predict_mean
from fedgraft.client.training.scaling import scaled
from fedgraft.common import tasks
from fedgraft.common.errors import DataError
from fedgraft.common.interfaces.task import AnyTask

LEAST_CASES = 30
"""The fewest cases by whose moments features are scaled: the mean of a feature is then known to a fifth of its
deviation, and the deviation to an eighth."""


@dataclass(frozen=True)
class Watch:
    """What is called with a number of cases as they are listed, decoded, found usable, and computed."""

    listed: Progress = ignore
    decoded: Progress = ignore
    usable: Progress = ignore
    computed: Progress = ignore


@dataclass(frozen=True)
class Far:
    """Reasons in words for each of M usable cases, and what they are counted as."""

    reasons: tuple[tuple[str, ...], ...]
    kind: str


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says about cases.

    Attributes:
        cases: in the order of the manifest; a line that names a series may be several.
        verdicts: ``(N,)`` uint8, as `fedgraft.client.cohort.accepted.AcceptedCohort.verdicts`.
        outputs: of the M usable cases, ``(M, outputs)`` float64: the mean over the views that the plan evaluates.
        strange: ``(M,)`` bool: whether the features of a case (of view 0) are unlike those of the training cases;
            ``None`` if the model does not know.
        far: what of a case's own values is far from all that the hospitals had; ``None`` if its kind can't tell.
        calibrated: their probabilities after calibration, ``(M, C)``; ``None`` if the model has none.
        decided: ``None`` if the model has neither decisions nor knows its training cases.
        notes: sentences on what was done that one should know.
    """

    task: AnyTask
    cases: tuple[Case, ...]
    verdicts: NDArray[np.uint8]
    outputs: NDArray[np.float64]
    strange: NDArray[np.bool_] | None = None
    far: Far | None = None
    calibrated: NDArray[np.float64] | None = None
    decided: Decided | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def raw(self) -> NDArray[np.float64]:
        """The usable cases' probabilities of the task's classes before calibration, ``(M, C)``."""
        found: NDArray[np.float64] = self.task.probabilities(self.task.scores(self.outputs))
        return found

    @property
    def reasons(self) -> list[str | None]:
        """Why each case can't be used, as a code; ``None`` if it can."""
        return [reason_of(verdict) for verdict in self.verdicts]

    @property
    def usable(self) -> tuple[Case, ...]:
        """The M cases that can be used."""
        return tuple(case for case, verdict in zip(self.cases, self.verdicts, strict=True) if verdict == USABLE)

    def file_name(self, case: Case) -> str:
        """What files about a case are called: by its line of the manifest, and its row where the line gave several."""
        row = f"-row-{case.row}" if self._lines[case.group] > 1 else ""
        return f"line-{int(case.group or 0):05d}{row}"

    @cached_property
    def _lines(self) -> Counter[str | None]:
        return Counter(case.group for case in self.cases)

    @property
    def quarantined(self) -> dict[str, int]:
        """How many cases can't be used, by reason, most first."""
        return count_reasons(self.verdicts)


@dataclass(frozen=True)
class Desk:
    """Where new cases are worked on.

    Attributes:
        scratch: a folder for what is kept of them meanwhile.
        watch: is told how far it is.
        workers: processes that decode files; ``None`` for the site's number, or one per core.
    """

    scratch: Path
    watch: Watch = field(default_factory=Watch)
    workers: int | None = None


def inputs_of(loaded: LoadedModel, desk: Desk) -> Inputs:
    """The inputs that turn new cases into tensors, read by the site's rules, or by the usual ones."""
    rules = Rules() if loaded.site is None else loaded.site.rules
    workers = loaded.machine.workers if desk.workers is None else desk.workers
    store = Store(desk.scratch / "kept")
    context = InputContext(loaded.plan, loaded.trusted, store, rules, workers, desk.watch.decoded)
    return factory_of(context.kind, loaded.trusted).inputs(context)


def predict_cases(
    loaded: LoadedModel, listed: Sequence[Case], desk: Desk, prevalence: float | Sequence[float] | None = None
) -> Predictions:
    """Predict cases, which need no labels.

    Args:
        prevalence: of each scored class among such cases; ``None`` for the calibration's own.

    Raises:
        DataError: there is no case, or there are too few to scale features by; or the prevalence does not fit, or has
            no effect.
    """
    if not listed:
        raise DataError("there is no case to predict")
    if prevalence is not None and loaded.calibration is None:
        raise DataError("a prevalence has no effect: this model has no calibration")
    threads = torch.get_num_threads()
    try:
        found = _predicted(loaded, listed, desk)
        found = replace(found, **_calibrated(loaded, found, prevalence))
        found = replace(found, **_decided(loaded, found, prevalence))
        far = found.far
        return found if far is None else replace(found, decided=also(found.decided, far.reasons, far.kind))
    finally:
        use_threads(threads)


def _predicted(loaded: LoadedModel, listed: Sequence[Case], desk: Desk) -> Predictions:
    inputs, task = inputs_of(loaded, desk), tasks.of(loaded.plan.data)
    cases = inputs.expanded(listed)
    desk.watch.listed(len(cases))
    verdicts = inputs.verdicts(cases)
    usable = tuple(case for case, verdict in zip(cases, verdicts, strict=True) if verdict == USABLE)
    desk.watch.usable(len(usable))
    notes = tuple(inputs.remarks(cases)) if isinstance(inputs, Remarks) else ()
    if loaded.scale_from_cases:
        notes = (*notes, _scaled_by(loaded, len(usable)))
    far = Far(tuple(inputs.outlying(usable)), inputs.OUTLYING) if isinstance(inputs, Outlying) else None
    outputs, strange = np.zeros((0, task.outputs)), None
    if usable:
        outputs, strange = _outputs(loaded, usable, inputs, desk)
    return Predictions(task, cases, verdicts, outputs, strange, far, notes=notes)


def _calibrated(loaded: LoadedModel, found: Predictions, prevalence: float | Sequence[float] | None) -> dict[str, Any]:
    """What calibration adds to predictions."""
    calibration, site = loaded.calibration, None if loaded.site is None else loaded.site.name
    if not found.task.has_probabilities:
        return {}
    if calibration is None:
        note = "this model has no calibration: raw probabilities are the network's own, and may be far off"
        return {"notes": (*found.notes, note)}
    calibrated = calibration.probabilities(found.task.scores(found.outputs), site, prevalence)
    whose = f"{site}'s own" if site in calibration.sites else "that of all sites together"
    return {"calibrated": calibrated, "notes": (*found.notes, f"calibration by {calibration.method}: {whose}")}


def _decided(loaded: LoadedModel, found: Predictions, prevalence: float | Sequence[float] | None) -> dict[str, Any]:
    """What decisions add to calibrated predictions."""
    decisions, site = loaded.decisions, None if loaded.site is None else loaded.site.name
    if decisions is None:
        return {} if found.strange is None else {"decided": only_strange(found.strange)}
    maps = maps_of(loaded.calibration, len(found.task.scored), site, prevalence)
    given = Scores(found.task.scores(found.outputs), maps)
    whose = f"{site}'s own rules" if site in decisions.sites else "the rules of all sites together"
    note = f"decided by {whose}: threshold by {decisions.section.at}, sets of {decisions.section.coverage:.0%} coverage"
    chosen = () if len(decisions.because) == len(found.task.scored) else (note,)
    always = never_left_out(decisions, site)
    more = dict.fromkeys(decisions.because.values())
    notes = (*found.notes, *chosen, *([] if always is None else [always]), *more)
    return {"decided": decide(decisions, given, site, found.strange), "notes": notes}


def _scaled_by(loaded: LoadedModel, cases: int) -> str:
    """
    Raises:
        DataError: there are too few cases.
    """
    scale = f"features.scale={loaded.plan.features.scale}"
    if cases < LEAST_CASES:
        raise DataError(
            f"each site scales this model's features by its own cases ({scale}); no site's state is given, and moments "
            f"of {cases} case(s) are too uncertain: give {LEAST_CASES} or more, or the site that holds them"
        )
    return f"features were scaled by the moments of these {cases} cases ({scale}), since no site's state has others"


def _outputs(
    loaded: LoadedModel, cases: tuple[Case, ...], inputs: Inputs, desk: Desk
) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
    """The network's outputs for usable cases, ``(N, outputs)``, and `Predictions.strange`."""
    model, plan, machine = loaded.model, loaded.plan, loaded.machine
    store = Store(desk.scratch / "features")
    extractor = FeatureExtractor(plan, model, model.backbone_name, inputs, store, machine, desk.watch.computed)
    unlabelled = LabelledCases(cases, torch.zeros(len(cases), dtype=torch.int64))
    examples = extractor.examples(unlabelled, plan.augment.evaluated)
    cohort, scaling = scaled({"train": examples}, model, {}, plan, False, machine.device)
    if loaded.scale_from_cases and scaling is not None:
        scaling.receive(model.tensors(model.received))
        model.load(scaling.local)  # for whoever runs the whole network
    familiar, network, strange = loaded.familiar, model.constant.trained, list[Tensor]()

    def judge(features: Tensor) -> None:
        if familiar is not None and sum(map(len, strange)) < len(cases):  # view 0 comes first, as in the training sums
            strange.append(familiar.is_strange(features.cpu()))

    with watching(network, judge):
        outputs = predict_mean(network, cohort["train"], machine.device).numpy().astype(np.float64)
    return outputs, torch.cat(strange).numpy() if strange else None
