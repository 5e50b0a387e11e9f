"""What a federation is compared with: each site alone, all cases together, all sites but the one that tests.

Every method trains the plan's graft from the same start, and shows each of its training cases ``rounds x train.epochs``
times; but where sites train something of their own besides (`fedgraft.simulations.study.budget`), the federation shows
them more often. Every site's cases are in the same splits under each. Where one site trains there is nothing to
aggregate, align or send, so that `alone` takes away what would act on that; `without` takes away what these cases leave
without effect, as equal classes do with weights.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.splits import split_as_planned
from fedgraft.client.images.expansion import expanded
from fedgraft.client.images.reader import Reading
from fedgraft.client.site.limits import Limits
from fedgraft.client.site.row_store import Store
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.roles import HEAD
from fedgraft.common.models.build import build
from fedgraft.common.models.model import Model
from fedgraft.common.plan.graft_sections import AdaptSection, AlignmentSection, PersonalSection, SamplingSection
from fedgraft.common.plan.plan import Plan, from_dict
from fedgraft.common.plan.sections import CompressionSection, StrategySection
from fedgraft.simulations.federation.local_statistics import statistics_of_simulation
from fedgraft.simulations.federation.sites import Partitioned, cache_folder
from fedgraft.simulations.planning.options import Study

FEDERATED, LOCAL, POOLED, LEFT_OUT = "federated", "local", "pooled", "leave_one_site_out"
Whose = Literal["none", "local", "global"]
FEDAVG = "flwr.serverapp.strategy.FedAvg"
CROSS_ENTROPY = "fedgraft.common.losses.cross_entropy.CrossEntropy"
FINAL = ("select", "initial.interpolate")
"""What chooses the final model by validation cases."""


@dataclass(frozen=True)
class Arrangement:
    """One training: by ``method``, over the sites in ``dealt``; its model is tested at the sites ``tested``.

    ``site``: the one that trains alone or is left out; ``""`` where there is none.
    """

    method: str
    site: str
    tested: tuple[str, ...]
    plan: Plan
    dealt: Partitioned

    @property
    def name(self) -> str:
        return f"{self.method}-{self.site}" if self.site else self.method


def arrangements(plan: Plan, study: Study, dealt: Partitioned, environ: Mapping[str, str]) -> list[Arrangement]:
    """The federation first, then the study's baselines in the order given.

    Raises:
        PlanError: a baseline can't be had of this plan, or not of so few sites; names the baseline.
    """
    if study.baselines and len(dealt.sites) < 2:
        raise PlanError(f"baselines={list(study.baselines)}: with one site there is nothing to federate; give it more")
    found = [Arrangement(FEDERATED, "", tuple(dealt.sites), plan, dealt)]
    for baseline in study.baselines:
        if baseline == LOCAL:
            found += [_local(plan, dealt, site) for site in dealt.sites]
        elif baseline == POOLED:
            found.append(_pooled(plan, dealt, environ))
        else:
            found += [_without(plan, study, dealt, site) for site in dealt.sites]
    for one in found[1:]:
        _require_valid(one)
    return found


def require_suited(plan: Plan, study: Study, environ: Mapping[str, str]) -> None:
    """Whether a baseline's model is whole where it is tested, and a site that is left out can adapt it.

    Raises:
        PlanError: it is not; names the baseline.
    """
    if all(section.target is None for section in (plan.adaptation, plan.personal, study.adapt)):
        return
    known = statistics_of_simulation(plan, environ)
    problems = []
    if POOLED in study.baselines and _built(alone(known)).needs_its_site:
        problems.append(
            f"baselines=pooled: the layers of adaptation._target_={plan.adaptation.target} stay where they were "
            "trained, and no site could test them; leave pooled out, or use adaptation=none or a shared one"
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
    """The plan of one site that trains by itself.

    Its only update is the new model (FedAvg, exact); global counts are its own; no class is one that others have;
    nothing is personal, aligned to others or adapted, and no line is simulated.
    """
    loss = replace(plan.loss, weights=_own(plan.loss.weights), prior=_own(plan.loss.prior), absent="keep")
    return replace(
        plan,
        loss=loss,
        strategy=StrategySection(FEDAVG, fraction=1.0, min_sites=1, timeout=plan.strategy.timeout),
        compression=CompressionSection(target=None, down="exact"),
        personal=PersonalSection(),
        alignment=AlignmentSection(),
        adapt=AdaptSection(),
        clock=None,
        hold_out=(),
    )


def without(plan: Plan, options: Collection[str]) -> Plan:
    """The plan less options of `fedgraft.common.errors.InertError`, or of `FINAL`.

    Without a prior, the loss that asks for one becomes cross-entropy, which it is with equal priors.
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
        select="last" if "select" in options else plan.select,
        initial=replace(initial, interpolate=()) if "initial.interpolate" in options else initial,
    )


def with_splits(plan: Plan, cases: tuple[Case, ...], environ: Mapping[str, str]) -> tuple[Case, ...]:
    """A site's cases, each with the split that the site itself would give it."""
    store = Store(cache_folder(environ) / "store" / "kept" if plan.engine.store == "disk" else None)
    several = cases if plan.table is not None else expanded(cases, Reading(plan.dicom, Limits()), store)
    side = {
        case.patient: name for name, some in split_as_planned(several, plan.data, plan.seed).items() for case in some
    }
    return tuple(replace(case, split=side[case.patient]) for case in cases)


def _local(plan: Plan, dealt: Partitioned, site: str) -> Arrangement:
    return Arrangement(LOCAL, site, (site,), alone(plan), replace(dealt, sites={site: dealt.sites[site]}))


def _pooled(plan: Plan, dealt: Partitioned, environ: Mapping[str, str]) -> Arrangement:
    """One site has all that the others train and choose on; they test, each on its own test cases."""
    joined = tuple(
        case
        for site, cases in dealt.sites.items()
        if site not in plan.hold_out
        for case in with_splits(plan, cases, environ)
        if case.split != "test"
    )
    name = POOLED
    while name in dealt.sites:
        name += "-all"
    testing = {} if plan.data.test == "coordinator" else dealt.sites
    pooled = replace(alone(plan), hold_out=tuple(testing))
    return Arrangement(POOLED, "", tuple(dealt.sites), pooled, replace(dealt, sites={name: joined, **testing}))


def _without(plan: Plan, study: Study, dealt: Partitioned, site: str) -> Arrangement:
    strategy = replace(plan.strategy, min_sites=min(plan.strategy.min_sites, len(dealt.sites) - 1))
    left_out = replace(plan, hold_out=(site,), adapt=study.adapt, strategy=strategy, clock=None)
    return Arrangement(LEFT_OUT, site, (site,), left_out, dealt)


def _own(counts: Whose) -> Whose:
    return "local" if counts == "global" else counts


def _require_valid(one: Arrangement) -> None:
    try:
        from_dict(one.plan.to_dict())
    except PlanError as error:
        raise PlanError([f"baselines={one.method}: {problem}" for problem in error.problems]) from error
