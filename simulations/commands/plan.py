"""``fedgraft plan``: what a run would do and send, without training."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from rich.console import Console
from rich.table import Table

from fedgraft.common import tasks, tensors
from fedgraft.common.adaptation.insertion import stage_of_layer
from fedgraft.common.compression.compression import require_effect
from fedgraft.common.harmonisation.reference import wants_reference
from fedgraft.common.heads.start import build_initial, no_sums
from fedgraft.common.interfaces.head_start import Sums
from fedgraft.common.interfaces.inputs import TableSpec
from fedgraft.common.models.build import build
from fedgraft.common.models.frozen_part import FEATURES, IMAGES
from fedgraft.common.models.model import Model
from fedgraft.common.models.traffic import volume
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.summary import switched_on
from fedgraft.server.aggregation.strategies import build_strategy
from fedgraft.simulations.commands.compose import run_hydra
from fedgraft.simulations.federation.local_statistics import statistics_of_simulation
from fedgraft.simulations.study.baselines import require_suited
from fedgraft.simulations.study.options import Study

QUIET = (
    "hydra.run.dir=.",
    "hydra.output_subdir=null",
    "hydra.sweep.dir=.",
    "hydra.sweep.subdir=.",
    "hydra/job_logging=disabled",
    "hydra/hydra_logging=disabled",
)


def main(arguments: Sequence[str]) -> int:
    """The command; takes the overrides of ``fedgraft simulate``."""
    return run_hydra(arguments, _job, QUIET)


def _job(plan: Plan, study: Study) -> None:
    console = Console()
    show(plan, console)
    if study.is_asked:
        require_suited(plan, study, os.environ)
        console.print(f"study: {study.sentence(plan)}", highlight=False)


def show(plan: Plan, console: Console) -> None:
    """Print tensor groups by role, bytes by round, the metrics that leave, and the digest.

    Raises:
        PlanError, BackboneError: as `fedgraft.common.models.build.build`.
        DataError: a table's statistics are federated, and the data to simulate them with is not here.
    """
    asked, plan = plan, statistics_of_simulation(plan, os.environ)
    model = build(plan, None, plan.engine.trusted)
    build_strategy(plan)
    require_effect(plan.compression, model.tensors(model.names("shared")), plan.engine.trusted)
    for line in switched_on(plan):
        console.print(line, highlight=False, markup=False)
    console.print(_groups_table(model))
    console.print(_bytes_table(plan, model))
    for line in _sentences(plan, model, asked):
        console.print(line, highlight=False)


def _groups_table(model: Model) -> Table:
    table = Table(title="tensors", title_justify="left")
    for name in ("group", "role", "tensors", "numbers", "bytes"):
        table.add_column(name, justify="left" if name in ("group", "role") else "right")
    state = model.network.state_dict()
    for (group, role), names in _grouped(model).items():
        some = {name: state[name] for name in names}
        numbers = sum(tensor.numel() for tensor in some.values())
        style = {"frozen": "dim", "shared": "bold", "local": "green"}[role]
        table.add_row(group, role, str(len(some)), f"{numbers:,}", f"{tensors.count_bytes(some):,}", style=style)
    return table


def _grouped(model: Model) -> dict[tuple[str, str], list[str]]:
    """Names by (stage, role), from the input to the head."""
    stage_of = {f"backbone.{name}": f"backbone {stage.name}" for stage in model.stages for name in stage.tensors}
    groups: dict[tuple[str, str], list[str]] = {}
    for name, role in model.roles.items():
        inserted = stage_of_layer(name, model.stages)
        group = f"adapters {inserted.name}" if inserted else stage_of.get(name) or name.partition(".")[0]
        groups.setdefault((group, role), []).append(name)
    return groups


def _bytes_table(plan: Plan, model: Model) -> Table:
    sent = volume(plan, model)
    table = Table(title="bytes for one site", title_justify="left")
    for name in ("what", "down", "up"):
        table.add_column(name, justify="left" if name == "what" else "right")
    table.add_row("once: the plan", f"{sent.question:,}", "about 200")
    table.add_row("once, if the site lacks it: the backbone", f"{sent.backbone:,}", "0")
    sums = _sums(plan, model)
    if sums:
        table.add_row("once: sums for the head's start", "about 70", f"{tensors.count_bytes(sums):,}")
    table.add_row("each round", f"{sent.down:,}", f"{sent.up:,} + evaluation")
    table.add_row("after the last round", f"{sent.last:,}", "evaluation")
    total = 2 * sent.question + sent.backbone + sent.down * plan.rounds + sent.last
    table.add_row(
        f"in total, {plan.rounds} rounds",
        f"{total:,}",
        f"{sent.up * plan.rounds + tensors.count_bytes(sums):,} + evaluations",
        style="bold",
    )
    return table


def _sentences(plan: Plan, model: Model, asked: Plan) -> list[str]:
    task = tasks.of(plan.data)
    leaving = ["shared tensors", "number of training cases"]
    leaving += ["training loss"] if plan.release.train_loss else []
    leaving += [f"evaluation: {task.leaving}"] * plan.release.evaluation
    leaving += [f"{task.counting}, once (0 or at least the site's min_count)"] * plan.release.class_counts
    leaving += ["cases that can't be used, by reason, once"] * plan.release.quarantine
    leaving += [
        "means over its training cases of what features are aligned to (reference.*; at least min_count patients)"
    ] * (plan.alignment.target is not None)
    leaving += [
        "before the first round, of each column of the table: count, mean and M2, or categories with their cases "
        "(nothing of fewer patients than table.min_count and the site's min_count)"
    ] * (asked is not plan)
    leaving += [
        "before the first round, means over its training images, for harmonising (nothing of fewer patients than the "
        "site's min_count)"
    ] * wants_reference(plan)
    sums = _sums(plan, model)
    leaving += [
        f"before the first round, over training cases: {', '.join(sorted(sums))} ({tensors.count_bytes(sums):,} bytes; "
        "nothing if a class that is there has fewer patients than the site's min_count)"
    ] * bool(sums)
    stages = ", ".join(stage.name for stage in model.stages)
    kept = _kept(model, plan.engine.keep)
    shape = " x ".join(map(str, model.spec.shape))
    numbers = torch.Size(model.constant.shape).numel()
    return [
        f"leaves a site: {'; '.join(leaving)}. A site's own file can only take away from this.",
        f"stays at a site: cases, and {len(model.names('local'))} local tensor(s).",
        f"computed once per case and kept at the site: {kept} ({numbers:,} numbers per case).",
        f"input: {shape}; {model.width} features; stages: {stages}",
        f"plan digest: {asked.digest}",
    ]


def _sums(plan: Plan, model: Model) -> Sums:
    """What ``initial`` asks of a site; empty for nothing."""
    if plan.initial.target is None:
        return {}
    initial = build_initial(plan, plan.engine.trusted)
    return no_sums(initial, model.network.head.state_dict(), plan.data.outputs)


def _kept(model: Model, keep: bool) -> str:
    if model.constant.what == FEATURES:
        return "the backbone's features"
    if model.constant.what != IMAGES:
        return f"the output of {model.constant.what}"
    if isinstance(model.spec, TableSpec):
        return "the encoded row of the table; nothing behind it" + ("" if keep else ", as engine.keep=false says")
    if not keep:
        return "the normalised images only, as engine.keep=false says"
    return (
        "the normalised images; nothing behind them: the first stage can change, or what comes out of it is more than "
        "twice as large, or the network can't be started behind it"
    )
