"""Measure the time and memory per case on this machine, with some of the site's cases and the plan's network.

The network's weights are random: they do not change the time, and the plan's backbone may not have been sent yet.
"""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fedgraft.client.check.reading import site_inputs
from fedgraft.client.check.request import Chosen
from fedgraft.client.cohort.accepted import LabelledCases, accept_whole
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import Factories
from fedgraft.client.features.examples import Examples
from fedgraft.client.features.extraction import FeatureExtractor
from fedgraft.client.images.pixels import kept_bytes
from fedgraft.client.images.reader import is_row
from fedgraft.client.site.machine import machine_of, memory_bytes, use_threads
from fedgraft.client.site.row_store import Store
from fedgraft.client.site.site_file import SiteFile
from fedgraft.client.training.evaluation import evaluate_split
from fedgraft.client.training.loop import LocalTraining, train_locally
from fedgraft.common import tasks
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.models.build import build
from fedgraft.common.models.frozen_part import FEATURES
from fedgraft.common.models.model import Model
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.memory import keep_freed_memory

_LEAST_SECONDS = 0.3  # a head's pass takes 30 microseconds: repeat it until the clock can tell
_NO_DIGEST = "0" * 64


@dataclass(frozen=True)
class CaseTimes:
    """Seconds per case, and memory.

    Attributes:
        cases: number of cases that were measured.
        decode: seconds to decode a case, once per run.
        compute: seconds for the constant part of the network (before the graft), once per run.
        view: the same for each further augmented view, once per run.
        train, evaluate: seconds per pass over a case.
        peak_bytes: peak memory of this process after the measurement.
        row_bytes: bytes that are kept per case and view.
    """

    cases: int
    decode: float
    compute: float
    view: float
    train: float
    evaluate: float
    peak_bytes: int
    row_bytes: int


def network(plan: Plan, site: SiteFile) -> Model:
    """The plan's network with random weights.

    Raises:
        PlanError: a part, stage or size does not fit the network, or the site does not allow a part's package.
    """
    without = replace(plan, backbone=replace(plan.backbone, pretrained=False))
    return build(without, None, site.trusted)


def measure(
    plan: Plan, model: Model, site: SiteFile, cases: Sequence[Case], factories: Factories | None = None
) -> CaseTimes:
    """Time a round's work on ``cases`` (at least one, all usable).

    Args:
        factories: open input factories; they hold the tables that were read already, so no file is read twice.

    Raises:
        DataError: a case can't be read, or its label is not in the plan.
        SiteFileError: the site's device does not exist.
    """
    machine = machine_of(site)
    threads = torch.get_num_threads()
    use_threads(machine.threads)
    keep_freed_memory()
    model.network.to(machine.device)

    inputs = site_inputs(plan, site, Store(None), factories)

    def compute(some: LabelledCases, views: int) -> tuple[Examples, float]:
        extractor = FeatureExtractor(plan, model, _NO_DIGEST, inputs, Store(None), machine)
        start = time.perf_counter()
        examples = extractor.examples(some, views)
        return examples, (time.perf_counter() - start) / len(cases)

    try:
        views, start = plan.augment.views, time.perf_counter()
        accepted = accept_whole(cases, plan, inputs)
        decode = (time.perf_counter() - start) / len(cases)
        compute(accepted, 1)  # warm-up: the first call sets things up for this batch size
        examples, once = compute(accepted, 1)
        examples, every = compute(accepted, views) if views > 1 else (examples, once)
        if model.constant.what == FEATURES:
            use_threads(1)  # as a site does (`fedgraft.client.app.workspace`)
        train, evaluate = _rounds(
            plan, model, _repeated(_entering(model, examples), 2 * plan.train.batch_size), site, machine.device
        )
    finally:
        use_threads(threads)
    row = torch.Size(model.constant.shape).numel() * (2 if plan.backbone.keep_as == "float16" else 4)
    view = max(0.0, every - once) / (views - 1) if views > 1 else 0.0
    return CaseTimes(len(cases), decode, once, view, train, evaluate, peak_bytes(), row)


def seconds_per_case(work: Callable[[], int], now: Callable[[], float] = time.perf_counter) -> float:
    """Repeat ``work``, which returns the number of cases it processed; ``now`` is a clock in seconds."""
    work()  # warm-up
    start, cases = now(), 0
    while now() - start < _LEAST_SECONDS:
        cases += work()
    return (now() - start) / cases


def peak_bytes() -> int:
    """The most memory that this process has had so far (getrusage(2): in bytes on macOS, else in KiB)."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _rounds(plan: Plan, model: Model, examples: Examples, site: SiteFile, device: torch.device) -> tuple[float, float]:
    """``(training, evaluation)`` in seconds per case; the examples are at least two batches."""
    generator = torch.Generator().manual_seed(0)
    allowed = site.trusted
    loss = parts.build(plan.loss.target, "loss", plan.loss.options, allowed, class_weights=None)
    # a tiny learning rate: with a real one, so many repetitions could diverge
    task = LocalTraining(examples, loss, replace(plan.train, epochs=1), 1e-9, generator)

    def train() -> int:
        train_locally(model.constant.trained, task, device)
        return len(examples)

    def evaluate() -> int:
        evaluate_split(model.constant.trained, examples, device, tasks.of(plan.data))
        return len(examples)

    return seconds_per_case(train), seconds_per_case(evaluate)


def _entering(model: Model, examples: Examples) -> Examples:
    """The examples with as many features as the head takes (``features.keep``): which ones does not change the time."""
    if model.head_width == model.width or model.constant.what != FEATURES:
        return examples
    return replace(examples, source=examples.stored[:, : model.head_width])


def _repeated(examples: Examples, least: int) -> Examples:
    """The same cases again and again, until there are ``least``."""
    order = torch.arange(max(least, len(examples))) % len(examples)
    places = order[:, None] if examples.places is None else examples.places[order]
    return Examples(examples.source, examples.labels[order], places)


@dataclass(frozen=True)
class Surroundings:
    """What the machine has to offer.

    Attributes:
        memory, disk: memory and free disk in bytes.
        uplink: speed of the line in Mbit/s (10**6 bits); ``None`` if not stated.
        backbone_here: the backbone need not be sent any more.
        on_disk: decoded images and features are kept on disk, not in memory.
        pixels: bytes of decoded images that have yet to be stored.
    """

    memory: int
    disk: int
    uplink: float | None
    backbone_here: bool
    on_disk: bool
    pixels: int


def surroundings(site: SiteFile, chosen: Chosen, uplink: float | None, pixels: int) -> Surroundings:
    """The state of this machine now."""
    backbone = site.shared_store / "backbones" / f"{chosen.backbone}.safetensors"
    return Surroundings(
        memory=memory_bytes(),
        disk=shutil.disk_usage(existing(site.shared_store)).free,
        uplink=uplink,
        backbone_here=chosen.backbone is not None and backbone.is_file(),
        on_disk=site.keep == "disk",
        pixels=pixels,
    )


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder


def pixel_bytes(cases: Sequence[Case], facts: NDArray[np.void], spec: ImageSpec) -> float:
    """Mean bytes of decoded pixels that are stored per case; rows of an array file are not stored again."""
    sizes = [0 if is_row(case) else kept_bytes(int(p), spec) for case, p in zip(cases, facts["planes"], strict=True)]
    return sum(sizes) / len(sizes) if sizes else 0.0
