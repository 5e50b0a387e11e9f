"""The options of a study (``baselines``, ``against``, ``reference``, ``seeds``, ``lrs``, ``folds``, ``cases``,
``margin``), read and checked with the plan.

They are not part of the plan and are not sent to sites.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from fedgraft.common import tasks
from fedgraft.common.errors import PlanError
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.data_sections import DataSection
from fedgraft.common.plan.graft_sections import AdaptSection
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import Positive
from fedgraft.simulations.federation.sites import Partitioned
from fedgraft.simulations.planning.against import AGAINST, AS_GIVEN, Rival

Baseline = Literal["local", "pooled", "leave_one_site_out", "simpler"]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Folds = Annotated[int, Field(ge=2)]
ALL: Literal["all"] = "all"
Size = Annotated[int, Field(ge=1)] | Literal["all"]
BASELINES: tuple[Baseline, ...] = get_args(Baseline)
_IN_WORDS = {
    "local": "each site alone",
    "pooled": "all cases together",
    "leave_one_site_out": "all sites but one, for each one",
    "simpler": "the same with the simplest network for such cases",
}
OPTIONS = ("baselines", "against", "reference", "seeds", "lrs", "folds", "cases", "margin")
_NONE = {"reference": None, "folds": None, "margin": None}


@dataclass(frozen=True)
class Study:
    """Runs to compare.

    Attributes:
        baselines: what the federation is compared with: each site alone, all cases together, all sites but one, and the
            same federation with the simplest network that its kind of input has (`HasSimpler`).
        against: the words of each rival: other recipes for the same cases, which are compared with this one.
        reference: the name of the rival with which all recipes are compared; ``None`` for the recipe itself.
        seeds: all methods run once with each seed; empty for the plan's seed.
        lrs: learning rates to try; each method uses the one that is best on validation cases. Empty for ``train.lr``.
        folds: into how many folds each site's cases are dealt; ``None`` for one split by the plan's fractions.
        cases: numbers of training cases per class and site to compare, or ``all``; empty for all, without a curve.
        margin: the gain in the headline figure that is not worth a federation (or another recipe); ``None`` for 0.02.
        adapt: the section ``adapt`` for the sites that ``leave_one_site_out`` leaves out.
        rivals: ``against``, composed (`fedgraft.simulations.planning.rivals`).
        recipe: what the recipe itself is called beside them.
    """

    baselines: tuple[Baseline, ...] = ()
    seeds: tuple[Seed, ...] = ()
    lrs: tuple[Positive, ...] = ()
    folds: Folds | None = None
    cases: tuple[Size, ...] = ()
    margin: Positive | None = None
    adapt: AdaptSection = field(default_factory=AdaptSection)
    against: tuple[str, ...] = ()
    reference: str | None = None
    rivals: tuple[Rival, ...] = ()
    recipe: str = AS_GIVEN

    @property
    def is_asked(self) -> bool:
        return bool(self.baselines or self.against or self.seeds or self.lrs or self.folds or self.cases)

    @property
    def sizes(self) -> tuple[Size, ...]:
        """`cases`, the smallest first."""
        return tuple(sorted(self.cases, key=lambda size: math.inf if size == ALL else size))

    def sentence(self, plan: Plan) -> str:
        """The runs of the study in words."""
        seeds, lrs = self.seeds or (plan.seed,), self.lrs or (plan.train.lr,)
        rivals = (f"against it {rival.text}" for rival in self.rivals)
        methods = ("the federation", *rivals, *(_IN_WORDS[baseline] for baseline in self.baselines))
        folds = f", in each of {self.folds} folds" if self.folds else ""
        sizes = f", with {', '.join(map(str, self.sizes))} training cases per class and site" if self.cases else ""
        return (
            f"with each of the seeds {', '.join(map(str, seeds))}, at each of the rates "
            f"{', '.join(f'{lr:g}' for lr in lrs)}{folds}{sizes}: {', '.join(methods)}"
        )


def split_off(raw: Mapping[str, Any]) -> tuple[Study, dict[str, Any], list[str]]:
    """Split what Hydra composed into the study, the plan's plain data, and the problems of the study.

    With ``cases`` and neither baseline nor rival, ``local`` is one. With ``leave_one_site_out``, ``adapt`` moves from
    the plan to the study: in the plan itself every site trains.
    """
    plan = {name: value for name, value in raw.items() if name not in OPTIONS}
    given: dict[str, Any] = {}
    problems = []
    kinds = get_type_hints(Study, include_extras=True)
    for name in OPTIONS:
        found = raw.get(name, _NONE.get(name, ()))
        try:
            given[name] = TypeAdapter(kinds[name]).validate_python(
                (found,) if name == AGAINST and isinstance(found, str) else found
            )
        except ValidationError as error:
            problems += [_sentence(name, item) for item in error.errors()]
            continue
        if isinstance(given[name], tuple) and len(set(given[name])) < len(given[name]):
            problems.append(f"{name} names one twice")
    if given.get("cases") and not given.get("baselines") and not given.get(AGAINST):
        given["baselines"] = ("local",)
    adapt = AdaptSection()
    if "leave_one_site_out" in given.get("baselines", ()) and not plan.get("hold_out"):
        adapt, plan = _adapt(plan.get("adapt")), {**plan, "adapt": {"_target_": None}}
    return Study(**given, adapt=adapt), plan, problems


def contradictions(study: Study, sections: Mapping[str, Any]) -> list[str]:
    """Problems of a study together with a plan's sections: options without effect, and runs that are impossible."""
    found = []
    data, release = sections.get("data"), sections.get("release")
    seed, held_out = sections.get("seed", 0), sections.get("hold_out", ())
    if study.seeds and seed and seed not in study.seeds:
        found.append(f"seed={seed} has no effect beside seeds={list(study.seeds)}; add it there, or leave it out")
    if study.is_asked and sections.get("start_from") is not None:
        found.append("start_from begins one run, and a study begins each training from its own head; leave it out")
    if study.is_asked and release is not None and not release.evaluation:
        found.append("a study compares the sites' evaluations; set release.evaluation=true")
    if data is not None and len(study.lrs) > 1 and data.test != "given" and data.val_fraction == 0:
        found.append("lrs needs validation cases to choose by; set data.val_fraction above 0, or leave lrs out")
    if study.lrs and not study.against and "strategy" in sections and is_exact(sections["strategy"]):
        found.append("lrs has no effect with strategy=exact, which has no learning rate; leave it out")
    if study.is_asked and data is not None and data.test == "sites" and data.test_fraction == 0:
        found.append(
            "a study compares test figures, and data.test_fraction=0 leaves the sites no test cases; "
            "set data.test_fraction=0.2"
        )
    if study.margin is not None and "local" not in study.baselines and not study.against:
        found.append(
            f"margin={study.margin:g} has no effect: only baselines=[local] gives a verdict, and only against=[...] "
            "differences to judge by it; leave it out"
        )
    if study.reference is not None and not study.against:
        found.append(f"reference={study.reference} has no effect without rivals; give against=[...], or leave it out")
    if "leave_one_site_out" in study.baselines:
        if data is not None and data.test == "coordinator":
            found.append(
                "baselines=leave_one_site_out tests at the site that was left out, and data.test=coordinator leaves "
                "it no test cases; use data.test=sites data.test_fraction=0.2"
            )
        if held_out:
            found.append("hold_out and baselines=leave_one_site_out both choose who is left out; leave out one of them")
    return found if data is None else [*found, *_draw_contradictions(study, data)]


def _draw_contradictions(study: Study, data: DataSection) -> list[str]:
    """Problems of ``folds`` and ``cases`` with the plan's data."""
    found = []
    if study.folds and data.test == "coordinator":
        found.append(
            f"folds={study.folds} scores the sites' own cases, and with data.test=coordinator the official test set is "
            "scored; use data.test=sites, or leave folds out"
        )
    if study.folds and data.test == "given":
        found.append(
            f"folds={study.folds} deals the cases anew, and with data.test=given they keep the split that they bring; "
            "use a data set (or option of it) without a split, or leave folds out"
        )
    if study.cases and "leave_one_site_out" in study.baselines:
        found.append(
            f"cases={list(study.cases)} thins all training cases by their labels, and the site that is left out "
            "may not look at them; leave one of cases and baselines=leave_one_site_out out"
        )
    if study.cases and data.task in tasks.TASKS and not tasks.of(data).one_class_per_case:
        found.append(
            f"cases={list(study.cases)} counts the training cases of each class, and with data.task={data.task} a case "
            "has not one class; leave cases out"
        )
    return found


def _adapt(raw: object) -> AdaptSection:
    given = dict(raw) if isinstance(raw, Mapping) else {}
    target = given.pop("_target_", None)
    return AdaptSection(target=target, options=given)


def _sentence(name: str, error: Mapping[str, Any]) -> str:
    message = f"{error['msg'][0].lower()}{error['msg'][1:]}"
    return f"{name}={error['input']!r}: {message}"


def require_cases(plan: Plan, study: Study, partitioned: Partitioned) -> None:
    """Check that a data set's own split (``data.test=given``) has the cases a study needs.

    For other splits, `contradictions` checks the fractions.

    Raises:
        PlanError: no case is a test case, or several ``lrs`` have no validation case to be chosen by.
    """
    if plan.data.test != "given":
        return
    splits = {case.split for cases in partitioned.sites.values() for case in cases}
    problems = []
    if "test" not in splits:
        problems.append(
            "a study compares test figures, and this data set's own split has no test cases; use a "
            "data set (or option of it) without a split, with data.test=sites data.test_fraction=0.2"
        )
    if len(study.lrs) > 1 and "val" not in splits:
        problems.append(
            "lrs needs validation cases to choose by, and this data set's own split has none; leave lrs out, or use a "
            "data set (or option of it) without a split, with data.test=sites data.val_fraction=0.15"
        )
    if problems:
        raise PlanError(problems)
