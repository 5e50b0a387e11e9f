"""The trainings of a study: the federation, its rivals, and the baselines: each site alone, all cases pooled, and all
sites but the one that tests.

Every method trains the plan's model from the same start, with the same splits, and shows each training case
``rounds x train.epochs`` times; the federation shows them more often if sites also train something of their own
(`fedgraft.simulations.study.budget`). A site that trains alone has nothing to aggregate, align or send, so `alone`
removes these options from the plan; `without` removes options that have no effect with the cases of a baseline, such as
class weights if all classes are equally common.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.input_kind import HasSimpler
from fedgraft.common.interfaces.roles import HEAD
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.models.build import build
from fedgraft.common.models.model import Model
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.choice_names import choice_of
from fedgraft.common.plan.feature_sections import ScaleName
from fedgraft.common.plan.graft_sections import AdaptSection, AlignmentSection, PersonalSection, SamplingSection
from fedgraft.common.plan.plan import Plan, from_dict
from fedgraft.common.plan.protection.aggregation_section import AggregationSection
from fedgraft.common.plan.sections import CompressionSection, StrategySection
from fedgraft.simulations.federation.local_statistics import statistics_of_simulation
from fedgraft.simulations.federation.sites import Partitioned, only_tests
from fedgraft.simulations.planning.options import Study
from fedgraft.simulations.study.draws import Draw
from fedgraft.simulations.study.splits import with_splits

FEDERATED, LOCAL, POOLED, LEFT_OUT, SIMPLER = "federated", "local", "pooled", "leave_one_site_out", "simpler"
Whose = Literal["none", "local", "global"]
FEDAVG = "flwr.serverapp.strategy.FedAvg"
CROSS_ENTROPY = "fedgraft.common.losses.cross_entropy.CrossEntropy"
FINAL = ("select", "initial.interpolate")
"""The options that choose the final model by validation cases."""


@dataclass(frozen=True)
class Arrangement:
    """One training of a study.

    Attributes:
        method: federated, the name of a rival, or a baseline.
        site: the site that trains alone or is left out; ``""`` if there is none.
        tested: sites at which the model is tested.
        plan: the plan to train by.
        partitioned: the sites and their cases.
        draw: which of the seed's draws these cases are.
        rival: the rival's place among all, from 1; 0 for what is no rival.
    """

    method: str
    site: str
    tested: tuple[str, ...]
    plan: Plan
    partitioned: Partitioned
    draw: Draw = field(default_factory=Draw)
    rival: int = 0

    @property
    def name(self) -> str:
        return f"{self.method}-{self.site}" if self.site else self.method

    @property
    def folder(self) -> str:
        """The name of its folder: a rival's may hold signs that no file can have."""
        return f"rival-{self.rival}-{re.sub(r'[^A-Za-z0-9_.=-]+', '-', self.name)[:60]}" if self.rival else self.name

    @property
    def is_recipe(self) -> bool:
        """Whether it is the plan itself or a rival: nothing is removed from what the user wrote."""
        return self.rival > 0 or self.method == FEDERATED


def arrangements(plan: Plan, study: Study, partitioned: Partitioned, environ: Mapping[str, str]) -> list[Arrangement]:
    """The federation first, then its rivals and the study's baselines, each in the order given.

    Raises:
        PlanError: a baseline is not possible with this plan or with so few sites; names the baseline.
    """
    if study.baselines and len(partitioned.sites) < 2:
        raise PlanError(f"baselines={list(study.baselines)}: with one site there is nothing to federate; give it more")
    found = [Arrangement(FEDERATED, "", tuple(partitioned.sites), plan, partitioned)]
    for place, rival in enumerate(study.rivals, start=1):
        same = replace(plan.data, image_size=rival.plan.data.image_size)
        theirs = replace(rival.plan, seed=plan.seed, data=same)
        found.append(Arrangement(rival.name, "", tuple(partitioned.sites), theirs, partitioned, rival=place))
    for baseline in study.baselines:
        if baseline == LOCAL:
            training = [site for site, cases in partitioned.sites.items() if not only_tests(cases)]
            found += [_local(plan, partitioned, site) for site in training]
        elif baseline == POOLED:
            found.append(_pooled(plan, partitioned, environ))
        elif baseline == SIMPLER:
            found.append(_simpler(plan, partitioned))
        else:
            found += [_without(plan, study, partitioned, site) for site in partitioned.sites]
    for one in found:
        if not one.is_recipe:
            _require_valid(one)
    return found


def require_suited(plan: Plan, study: Study, environ: Mapping[str, str]) -> None:
    """Check that each baseline's model can be tested: its tensors do not stay at another site, and ``adapt`` acts; and
    that each rival's model can be built.

    Raises:
        PlanError: one can't; names the baseline, or the rival.
    """
    for rival in study.rivals:
        try:
            _built(statistics_of_simulation(rival.plan, environ))
        except PlanError as error:
            raise PlanError([f"against={rival.text!r}: {problem}" for problem in error.problems]) from error
    if all(section.target is None for section in (plan.adaptation, plan.personal, study.adapt)):
        return
    known, chosen = statistics_of_simulation(plan, environ), plan.adaptation
    problems = []
    if POOLED in study.baselines and _built(alone(known)).needs_its_site:
        problems.append(
            f"baselines=pooled: the layers of adaptation={choice_of('adaptation', str(chosen.target), chosen.options)} "
            "stay where they were trained, and no site could test them; leave pooled out, or use adaptation=none or a "
            "shared one"
        )
    if LEFT_OUT in study.baselines and any(name.startswith(HEAD) for name in _built(known).names("local")):
        problems.append(
            "baselines=leave_one_site_out: the head stays at each site, and a site that was left out has none; leave "
            "leave_one_site_out out, or use personal=none"
        )
    elif study.adapt.target is not None:
        _built(replace(known, adapt=study.adapt))
    if problems:
        raise PlanError(problems)


def _built(plan: Plan) -> Model:
    return build(plan, None, plan.engine.trusted)


def alone(plan: Plan) -> Plan:
    """The plan for one site that trains by itself.

    Its update becomes the new model (FedAvg, no compression; of ``strategy=exact`` the fit is over its gradient alone);
    global class counts become its own; the personal, alignment and adapt sections, the masking of absent classes,
    secure sums and the clock are removed. Features that are scaled by moments are scaled by those of
    its training cases, which whoever tests the model is given.
    """
    loss = replace(plan.loss, weights=_own(plan.loss.weights), prior=_own(plan.loss.prior), absent="keep")
    return replace(
        plan,
        loss=loss,
        strategy=_strategy_alone(plan),
        patience=replace(plan.patience, quorum_sites=1),
        compression=CompressionSection(target=None, down="exact"),
        personal=PersonalSection(),
        alignment=AlignmentSection(),
        adapt=AdaptSection(),
        aggregation=AggregationSection(),
        clock=None,
        hold_out=(),
        features=replace(plan.features, scale=_of_one_site(plan.features.scale), shrink=0.0),
    )


def _strategy_alone(plan: Plan) -> StrategySection:
    """FedAvg; of a strategy that fits over gradients, the same fit over one site's."""
    if is_exact(plan.strategy):
        return plan.strategy
    return StrategySection(FEDAVG, fraction=1.0)


def without(plan: Plan, options: Collection[str]) -> Plan:
    """The plan without options that `fedgraft.common.errors.InertError` named, or without those in `FINAL`.

    Without ``loss.prior``, the loss becomes cross-entropy, to which it is equal if all classes are equally common.
    """
    loss, initial = plan.loss, plan.initial
    if "loss.weights" in options:
        loss = replace(loss, weights="none", scheme="inverse", beta=None)
    if "loss.prior" in options:
        loss = replace(loss, target=CROSS_ENTROPY, prior="none", options={})
    if "loss.absent" in options:
        loss = replace(loss, absent="keep")
    return replace(
        plan,
        loss=loss,
        sampling=SamplingSection() if "sampling" in options else plan.sampling,
        select=("best" if plan.select == "unseen" else "last") if "select" in options else plan.select,
        initial=replace(initial, interpolate=()) if "initial.interpolate" in options else initial,
    )


def scaled_by_itself(plan: Plan) -> Plan:
    """The plan of `alone`, with features that were scaled by common moments scaled by the site's own, which are the
    same and need not be sent, and with all features: a site by itself saves nothing by ``features.keep``, and its sums
    by class may not be told to anyone. Where the coordinator tests, the moments must be told, for it to scale by."""
    here = plan.features.scale == "common" and plan.data.test != "coordinator"
    scale: ScaleName = "own" if here else plan.features.scale
    return replace(plan, features=replace(plan.features, scale=scale, keep=None))


def _local(plan: Plan, partitioned: Partitioned, site: str) -> Arrangement:
    return Arrangement(
        LOCAL, site, (site,), scaled_by_itself(alone(plan)), replace(partitioned, sites={site: partitioned.sites[site]})
    )


def _pooled(plan: Plan, partitioned: Partitioned, environ: Mapping[str, str]) -> Arrangement:
    """One site holds the training and validation cases of all sites; each site tests on its own test cases."""
    joined = tuple(
        case
        for site, cases in partitioned.sites.items()
        if site not in plan.hold_out
        for case in with_splits(plan, cases, environ)
        if case.split != "test"
    )
    name = POOLED
    while name in partitioned.sites:
        name += "-all"
    testing = {} if plan.data.test == "coordinator" else partitioned.sites
    pooled = replace(alone(plan), hold_out=tuple(testing))
    return Arrangement(
        POOLED, "", tuple(partitioned.sites), pooled, replace(partitioned, sites={name: joined, **testing})
    )


def _simpler(plan: Plan, partitioned: Partitioned) -> Arrangement:
    """The federation with the simplest network that the plan's kind of input has."""
    kind = kind_of(plan, plan.engine.trusted)
    sections = kind.simpler() if isinstance(kind, HasSimpler) else None
    if sections is None:
        raise PlanError(
            f"baselines=simpler: for {kind.facts().every} there is none simpler than {plan.backbone.name}; leave it out"
        )
    return Arrangement(SIMPLER, "", tuple(partitioned.sites), replace(plan, **sections), partitioned)


def holding_out(plan: Plan, site: str, sites: int) -> Plan:
    """The plan in which one of so many sites never trains, and only evaluates the final model."""
    patience = replace(plan.patience, quorum_sites=min(plan.patience.quorum_sites, sites - 1))
    return replace(plan, hold_out=(site,), patience=patience)


def _without(plan: Plan, study: Study, partitioned: Partitioned, site: str) -> Arrangement:
    left_out = holding_out(plan, site, len(partitioned.sites))
    clear = AggregationSection()  # whose figures are told by name
    left_out = replace(left_out, adapt=study.adapt, clock=None, aggregation=clear)
    return Arrangement(LEFT_OUT, site, (site,), left_out, partitioned)


def _of_one_site(scale: ScaleName) -> ScaleName:
    """The common scale in the place of any that needs several sites: moments of one site are those of all."""
    return scale if scale in ("none", "case") else "common"


def _own(counts: Whose) -> Whose:
    return "local" if counts == "global" else counts


def _require_valid(one: Arrangement) -> None:
    try:
        from_dict(one.plan.to_dict())
    except PlanError as error:
        raise PlanError([f"baselines={one.method}: {problem}" for problem in error.problems]) from error
