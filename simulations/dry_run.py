"""``fedgraft plan``: what a run would do and send, without training."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from flwr.app import ConfigRecord, MetricRecord, RecordDict
from rich.console import Console
from rich.table import Table

from fedgraft.common import tensors, wire
from fedgraft.common.backbone_record import pack_backbone
from fedgraft.common.compression import down_encode, largest_payload, require_effect, up_codec
from fedgraft.common.constant import FEATURES, IMAGES
from fedgraft.common.model import Model, build
from fedgraft.common.plan import Plan
from fedgraft.common.table import TableSpec
from fedgraft.server.aggregation import build_strategy
from fedgraft.simulations.compose import run_hydra
from fedgraft.simulations.table_statistics import statistics_of_simulation

_QUIET = (
    "hydra.run.dir=.",
    "hydra.output_subdir=null",
    "hydra.sweep.dir=.",
    "hydra.sweep.subdir=.",
    "hydra/job_logging=disabled",
    "hydra/hydra_logging=disabled",
)


def main(arguments: Sequence[str]) -> int:
    """The command; takes the overrides of ``fedgraft simulate``."""
    return run_hydra(arguments, lambda plan: show(plan, Console()), _QUIET)


def show(plan: Plan, console: Console) -> None:
    """Print tensor groups by role, bytes by round, the metrics that leave, and the digest.

    Raises:
        PlanError, BackboneError: as `fedgraft.common.model.build`.
        DataError: a table's statistics are federated, and the data to simulate them with is not here.
    """
    asked, plan = plan, statistics_of_simulation(plan, os.environ)
    model = build(plan, None)
    build_strategy(plan)
    require_effect(plan.compression, model.tensors(model.names("shared")))
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
        group = stage_of.get(name) or name.partition(".")[0]
        groups.setdefault((group, role), []).append(name)
    return groups


def message_bytes(plan: Plan, model: Model) -> tuple[int, int]:
    """``(down, up)`` of one train message and its answer without evaluations (they depend on the number of cases)."""
    shared = model.tensors(model.names("shared"))
    sent = wire.pack_tensors(down_encode(shared, plan.compression.down))
    answered = wire.pack_tensors(largest_payload(up_codec(plan.compression), shared))
    counts = (0,) * len(plan.data.classes) if plan.loss.weights == "global" else None
    config = wire.pack_config(plan.digest, counts)
    config["server-round"] = plan.rounds
    if "proximal_mu" in plan.strategy.options:
        config["proximal-mu"] = 0.0
    metrics = MetricRecord({wire.EXAMPLES: 1, **({"train-loss": 0.0} if plan.release.train_loss else {})})
    site = ConfigRecord({"name": "site-01", "plan": plan.digest, "round": plan.rounds})
    down = wire.count_bytes(RecordDict({wire.ARRAYS: sent, wire.CONFIG: config}))
    up = wire.count_bytes(RecordDict({wire.ARRAYS: answered, wire.METRICS: metrics, wire.SITE: site}))
    return down, up


def _bytes_table(plan: Plan, model: Model) -> Table:
    down, up = message_bytes(plan, model)
    backbone = wire.count_bytes(RecordDict({wire.FROZEN: pack_backbone(model.backbone_state())}))
    question = wire.count_bytes(wire.pack_prepare(plan.to_json(), plan.digest, "0" * 64))
    table = Table(title="bytes for one site", title_justify="left")
    for name in ("what", "down", "up"):
        table.add_column(name, justify="left" if name == "what" else "right")
    table.add_row("once: the plan", f"{question:,}", "about 200")
    table.add_row("once, if the site lacks it: the backbone", f"{backbone:,}", "0")
    table.add_row("each round", f"{down:,}", f"{up:,} + evaluation")
    exact = wire.count_bytes(wire.pack_evaluate(model.tensors(model.names("shared")), plan.digest, plan.rounds))
    table.add_row("after the last round", f"{exact:,}", "evaluation")
    total = 2 * question + backbone + down * plan.rounds + exact
    table.add_row(f"in total, {plan.rounds} rounds", f"{total:,}", f"{up * plan.rounds:,} + evaluations", style="bold")
    return table


def _sentences(plan: Plan, model: Model, asked: Plan) -> list[str]:
    leaving = ["shared tensors", "number of training cases"]
    leaving += ["training loss"] if plan.release.train_loss else []
    leaving += [
        "evaluation: confusion counts and score histograms (each case's score to a quarter of a percent, without "
        "saying whose; 8 bytes per filled bin)"
    ] * plan.release.evaluation
    leaving += ["class counts, once (0 or at least the site's min_count)"] * plan.release.class_counts
    leaving += [
        "before the first round, of each column of the table: count, mean and M2, or categories with their cases "
        "(nothing of fewer cases than table.min_count and the site's min_count)"
    ] * (asked is not plan)
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
