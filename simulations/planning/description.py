"""Describe a plan without training: tensors by role, bytes by round, and what leaves a site."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO

import torch
from rich.console import Console
from rich.table import Table

from fedgraft.client.fence.plan_bounds import beyond
from fedgraft.client.site.bounds import Bounds
from fedgraft.common import tasks, tensors
from fedgraft.common.adaptation.insertion import stage_of_layer
from fedgraft.common.compression.compression import require_effect
from fedgraft.common.exact.suitability import is_convex, path_of
from fedgraft.common.features.keep import ranking_sums
from fedgraft.common.features.scale import SAID
from fedgraft.common.heads.start import build_initial, no_sums, starts_head
from fedgraft.common.interfaces.head_start import Sums
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.models.build import build
from fedgraft.common.models.frozen_part import FEATURES, INPUTS
from fedgraft.common.models.model import Model
from fedgraft.common.models.traffic import volume
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.prior import estimates_prevalence
from fedgraft.common.plan.summary import summary_lines
from fedgraft.server.rounds.prepare import rounds_of
from fedgraft.simulations.federation.local_statistics import statistics_of_simulation
from fedgraft.simulations.planning.html import html_lines, html_table
from fedgraft.simulations.planning.kept_features import keep_sentences
from fedgraft.simulations.planning.promise import promise_sentences, promised_leaving, red_flags

_WIDTH = 120
_STYLES = {"frozen": "dim", "shared": "bold", "local": "green", "given": "cyan"}
_TENSORS = ("tensors", ("group", "role", "tensors", "numbers", "bytes"))
_BYTES = ("bytes for one site", ("what", "down", "up"))
_FINAL = {
    "last": "the last of them",
    "best": "the best of them by the sites' validation cases",
    "unseen": "the best of them on each site's validation cases, fitted without this site",
}

_ESTIMATED = (
    "the class-balanced scale at {} (hold_out) rests on an estimate of its prevalence by the trained model; its labels "
    "are not looked at."
)


_UNLESS_FEW = "nothing if a class that is there has fewer patients than the site's min_count"


@dataclass(frozen=True)
class Group:
    """The tensors of one stage that have one role: how many, their numbers, and their bytes."""

    name: str
    role: str
    tensors: int
    numbers: int
    bytes: int

    @property
    def cells(self) -> tuple[str, ...]:
        return (self.name, self.role, str(self.tensors), f"{self.numbers:,}", f"{self.bytes:,}")


@dataclass(frozen=True)
class Description:
    """What `describe` found. ``print`` and ``str`` show text, a notebook shows tables.

    Attributes:
        summary_lines: what the plan does beyond plain training, a sentence each.
        groups: the model's tensors, from the input to the head.
        traffic: for each message, what it is and its bytes to and from one site, as text; the last row is the total.
        sentences: what leaves a site, what stays, what is computed once, the input, and the plan's digest.
    """

    summary_lines: tuple[str, ...]
    groups: tuple[Group, ...]
    traffic: tuple[tuple[str, str, str], ...]
    sentences: tuple[str, ...]

    def print(self, console: Console) -> None:
        for line in self.summary_lines:
            console.print(line, highlight=False, markup=False)
        table = _table(*_TENSORS, left=2)
        for group in self.groups:
            table.add_row(*group.cells, style=_STYLES[group.role])
        console.print(table)
        table = _table(*_BYTES, left=1)
        for row in self.traffic:
            table.add_row(*row, style="bold" if row is self.traffic[-1] else None)
        console.print(table)
        for line in self.sentences:
            console.print(line, highlight=False)

    def __str__(self) -> str:
        console = Console(file=StringIO(), width=_WIDTH, color_system=None, force_jupyter=False)
        with console.capture() as captured:
            self.print(console)
        return captured.get().rstrip()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "".join(
            (
                html_lines(self.summary_lines),
                html_table(*_TENSORS, [group.cells for group in self.groups]),
                html_table(*_BYTES, self.traffic, marked=len(self.traffic) - 1),
                html_lines(self.sentences),
            )
        )


def describe(plan: Plan) -> Description:
    """Build the plan's model and count what would be sent.

    Raises:
        PlanError, BackboneError: as `fedgraft.common.models.build.build`.
        DataError: a table's statistics are federated, and the data to simulate them with is not here.
    """
    asked, plan = plan, statistics_of_simulation(plan, os.environ)
    model = build(plan, None, plan.engine.trusted)
    rounds_of(plan)
    require_effect(plan.compression, model.tensors(model.names("shared")), plan.engine.trusted)
    return Description(
        tuple(summary_lines(plan)), _groups(model), _traffic(plan, model), tuple(_sentences(plan, model, asked))
    )


def _table(title: str, headings: Sequence[str], left: int) -> Table:
    """A table without rows; its first ``left`` columns are aligned left, the others right."""
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(headings):
        table.add_column(name, justify="left" if number < left else "right")
    return table


def _groups(model: Model) -> tuple[Group, ...]:
    state = model.network.state_dict()
    found = []
    for (name, role), names in _grouped(model).items():
        some = {each: state[each] for each in names}
        numbers = sum(tensor.numel() for tensor in some.values())
        found.append(Group(name, role, len(some), numbers, tensors.count_bytes(some)))
    return tuple(found)


def _grouped(model: Model) -> dict[tuple[str, str], list[str]]:
    """The names of tensors by (stage, role), from the input to the head."""
    stage_of = {f"backbone.{name}": f"backbone {stage.name}" for stage in model.stages for name in stage.tensors}
    groups: dict[tuple[str, str], list[str]] = {}
    for name, role in model.roles.items():
        inserted = stage_of_layer(name, model.stages)
        group = f"adapters {inserted.name}" if inserted else stage_of.get(name) or name.partition(".")[0]
        groups.setdefault((group, role), []).append(name)
    return groups


def _traffic(plan: Plan, model: Model) -> tuple[tuple[str, str, str], ...]:
    sent, sums = volume(plan, model), _sums(plan, model)
    moments = 2 * 8 * model.scaled_width if plan.features.needs_common else 0
    ranking = _ranking_bytes(plan, model)
    told = tensors.count_bytes(sums) + moments + ranking
    most = plan.rounds * sent.times
    total = 2 * sent.question + sent.backbone + sent.down * most + sent.last
    each = "each round" if sent.times == 1 else f"each evaluation of the gradient; at most {sent.times} in a round"
    whole = f"in total, {plan.rounds} rounds" if sent.times == 1 else f"in total, at most {most:,} evaluations"
    return (
        ("once: the plan", f"{sent.question:,}", "about 200"),
        ("once, if the site lacks it: the backbone", f"{sent.backbone:,}", "0"),
        *([("once: mean and squares of each feature", "about 70", f"{moments:,}")] if moments else []),
        *([("once: sums by which features are ranked", "about 70", f"{ranking:,}")] if ranking else []),
        *([("once: sums for the head's start", "about 70", f"{tensors.count_bytes(sums):,}")] if sums else []),
        (each, f"{sent.down:,}", f"{sent.up:,} + evaluation"),
        ("after the last round", f"{sent.last:,}", "evaluation"),
        (whole, f"{total:,}", f"{sent.up * most + told:,} + evaluations"),
    )


def _leaving(plan: Plan, model: Model, asked: Plan) -> list[str]:
    if plan.privacy.on:
        return promised_leaving(plan)
    task = tasks.of(plan.data)
    leaving = ["shared tensors" if path_of(plan, plan.engine.trusted) is None else "gradient of its summed loss"]
    leaving += ["number of training cases", *(["training loss"] if plan.release.train_loss else [])]
    leaving += [f"evaluation: {task.leaving}"] * plan.release.evaluation
    leaving += [f"{task.counting}, once (0 or at least the site's min_count)"] * plan.release.class_counts
    leaving += ["cases that can't be used, by reason, once"] * plan.release.quarantine
    leaving += [
        "means over its training cases of what features are aligned to (reference.*; at least min_count patients)"
    ] * (plan.alignment.target is not None)
    statistics = kind_of(asked, asked.engine.trusted).federated_statistics()
    leaving += [] if statistics is None else [statistics.leaving()]
    leaving += [
        "before the first round, mean and sum of squares of each feature over its training cases (at least the site's "
        "min_count patients)"
    ] * plan.features.needs_common
    if ranking := _ranking_bytes(plan, model):
        leaving.append(
            f"before the first round, over training cases: counts and sums of all features by class, and their squares "
            f"({ranking:,} bytes; {_UNLESS_FEW})"
        )
    sums = _sums(plan, model)
    leaving += [
        f"before the first round, over training cases: {', '.join(sorted(sums))} ({tensors.count_bytes(sums):,} bytes; "
        f"{_UNLESS_FEW})"
    ] * bool(sums)
    leaving += ["of a held-out site, the cases by class that it expects"] * (
        estimates_prevalence(plan) and plan.release.class_counts
    )
    leaving += ["at the end, sums over its patients' features (at least min_count patients)"] * plan.site_distances
    return leaving


def _sentences(plan: Plan, model: Model, asked: Plan) -> list[str]:
    leaving = _leaving(plan, model, asked)
    stages = ", ".join(stage.name for stage in model.stages)
    kept = _kept(model, plan.engine.keep)
    shape = " x ".join(map(str, model.spec.shape))
    numbers = torch.Size(model.constant.shape).numel()
    return [
        *_fit_sentences(plan, model),
        *promise_sentences(plan),
        f"leaves a site: {'; '.join(leaving)}. A site's own file can only take away from this.",
        f"stays at a site: cases, and {len(model.names('local'))} local tensor(s).",
        *([f"features are scaled: {SAID[plan.features.scale]}"] if plan.features.scale != "none" else []),
        *keep_sentences(plan, model),
        *([_ESTIMATED.format(", ".join(plan.hold_out))] if estimates_prevalence(plan) else []),
        f"computed once per case and kept at the site: {kept} ({numbers:,} numbers per case).",
        f"input: {shape}; {model.width} features; stages: {stages or 'none'}",
        *_secured_and_refused(plan),
        *red_flags(plan, model),
        f"plan digest: {asked.digest}",
    ]


_SECURE = (
    "in secure sums: of this the coordinator sees a site's name, its number of training cases, class counts and cases "
    "that can't be used; all else as a sum over the sites. Masked words have as many bytes as the numbers; keys and "
    "shares are 250 bytes more, up and down together, for each other site with which a site shares masks."
)


def _secured_and_refused(plan: Plan) -> list[str]:
    """What secure sums leave in the clear, and what a hospital with the default bounds would refuse."""
    secure, found = [_SECURE] * plan.aggregation.secure, [*beyond(plan, Bounds())]
    if not found:
        return secure
    return [*secure, f"a hospital refuses this plan unless its site.yaml says otherwise: {'; '.join(found)}"]


def _ranking_bytes(plan: Plan, model: Model) -> int:
    """Bytes of the sums by which features are ranked, twice if two scales are compared; 0 without ``features.keep``."""
    if plan.features.keep is None:
        return 0
    nothing = ranking_sums(torch.zeros(0, model.width), torch.zeros(0, dtype=torch.int64), plan.data.outputs)
    return tensors.count_bytes(nothing) * (2 if plan.features.scale == "auto" else 1)


def _fit_sentences(plan: Plan, model: Model) -> list[str]:
    """What ``strategy=exact`` does; nothing for another strategy."""
    path = path_of(plan, plan.engine.trusted)
    if path is None or plan.privacy.on:
        return []
    ridges = ", ".join(f"{ridge:.3g}" for ridge in path.ridges(plan.rounds))
    convex = is_convex(plan, model.network.head, model.head_width, plan.engine.trusted)
    optimum = "the optimum of all sites' cases" if convex else "a local optimum: head or loss are not convex"
    end = _FINAL[plan.select]
    return [
        f"strategy=exact: one round for each ridge ({ridges}), and the final model is {end}; each is {optimum}.",
        "unused by strategy=exact, since sites do not train: all options of train.",
    ]


def _sums(plan: Plan, model: Model) -> Sums:
    """The sums that ``initial`` asks a site for; empty if it asks for none."""
    if not starts_head(plan):
        return {}
    initial = build_initial(plan, plan.engine.trusted)
    return no_sums(initial, model.network.head.state_dict(), plan.data.outputs)


def _kept(model: Model, keep: bool) -> str:
    if model.constant.what == FEATURES:
        return "the backbone's features" if not model.constant.pieces else "the features of each network, by itself"
    if model.constant.what != INPUTS:
        return f"the output of {model.constant.what}"
    if not keep:
        return f"{model.facts.taken} only, as engine.keep=false says"
    return (
        f"{model.facts.taken}; nothing behind them: the first stage can change, or what comes out of it is more than "
        "twice as large, or the network can't be started behind it"
    )
