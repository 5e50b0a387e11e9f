"""Compose the rivals of a study, each by the path of any plan, and check that they are compared on the same cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fedgraft.common.errors import DataError, FedGraftError, PlanError
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.planning.against import AGAINST, REFERENCE, Rival, called, split_words
from fedgraft.simulations.planning.choices import groups, name_of
from fedgraft.simulations.planning.options import BASELINES, OPTIONS, Study, contradictions
from fedgraft.simulations.planning.own_parts import Given, with_parts
from fedgraft.simulations.planning.planned import Planned, Words
from fedgraft.simulations.planning.words import composed, option_names

FEDERATED = "federated"
_NOT_THEIRS = {AGAINST, REFERENCE, "lrs", "margin"}
"""Options of the study that a rival's plan is composed without: they are checked with the rivals here."""
_UNCOMPARED = ("decide", "calibration", "audit", "clock", "contributions", "site_distances")
"""Sections that change no figure that is compared."""


def with_rivals(planned: Planned, parts: Mapping[str, Given] | None = None) -> Planned:
    """The plan with the rivals that its study asks for, composed and checked.

    Args:
        parts: of a notebook, as for `with_parts`; a rival has them too, but for those that its own words choose.

    Raises:
        PlanError: all that is wrong, by rival: words that can't be read, options without effect, other cases than the
            recipe's, a rival that is the recipe itself or another rival, a ``reference`` that is none of them.
        DataError: a value that a rival leaves open can't be found in the cases.
    """
    study, words = planned.study, planned.whole or planned.words
    if not study.against:
        return planned
    if words is None:
        raise PlanError(
            f"{AGAINST} replaces words of the plan, and one that was read from a file has none; make it of words: "
            "plan('data=busi', ...)"
        )
    base = replace(planned, plan=with_parts(planned.plan, parts or {}).plan)
    problems: list[str] = []
    rivals: dict[str, Rival] = {}
    for text in study.against:
        try:
            one = _rival(text, base, words, parts or {})
        except PlanError as error:
            problems += [f"{AGAINST}={text!r}: {problem}" for problem in error.problems]
            continue
        except FedGraftError as error:
            raise DataError(f"{AGAINST}={text!r}: {error}") from error
        if one.plan.digest in rivals:
            problems.append(f"{AGAINST}={text!r} trains what {rivals[one.plan.digest].text!r} does; leave one out")
        rivals.setdefault(one.plan.digest, one)
    if study.lrs and not problems and all(is_exact(plan.strategy) for plan in (base.plan, *_plans(rivals))):
        problems.append("lrs has no effect with strategy=exact, which has no learning rate; leave it out")
    if problems:
        raise PlanError(problems)
    named = _named(base, list(rivals.values()), words)
    said = [
        f"{one.name}: without {' '.join(one.without)}, which has no place there" for one in named.rivals if one.without
    ]
    return replace(planned, study=named, found=(*planned.found, *said))


def _plans(rivals: Mapping[str, Rival]) -> list[Plan]:
    return [rival.plan for rival in rivals.values()]


def _named(base: Planned, rivals: Sequence[Rival], words: Words) -> Study:
    """The study with its rivals and all names.

    Raises:
        PlanError: its ``reference`` is no name of a recipe.
    """
    known = groups(words.config_dir)
    recipe, names = called([rival.words for rival in rivals], base.plan, known, (FEDERATED, *BASELINES))
    found = [replace(rival, name=name) for rival, name in zip(rivals, names, strict=True)]
    reference, texts = base.study.reference, {rival.text: rival.name for rival in found}
    reference = None if reference in (None, recipe) else texts.get(str(reference), reference)
    if reference is not None and reference not in names:
        raise PlanError(f"{REFERENCE}={reference}: no recipe is called so; choose one of {', '.join((recipe, *names))}")
    return replace(base.study, rivals=tuple(found), recipe=recipe, reference=reference)


def _rival(text: str, base: Planned, words: Words, parts: Mapping[str, Given]) -> Rival:
    mine = split_words(text)
    names = {name_of(word) for word in mine}
    _require_own(mine, base.study, groups(words.config_dir))
    asked, without = _replaced(words, mine)
    theirs = {section: part for section, part in parts.items() if section not in names}
    plan = with_parts(composed(asked).plan, theirs).plan
    problems = _other_cases(base.plan, plan)
    if plan.aggregation.secure:
        problems.append(
            "aggregation=secure tells no figure by hospital, and recipes are compared by these; leave it out"
        )
    beside = replace(base.study, lrs=() if is_exact(plan.strategy) else base.study.lrs)
    problems = problems or contradictions(beside, vars(plan))
    if not problems and plan.digest == base.plan.digest:
        problems = ["it is the recipe itself; leave it out, or change a word"]
    elif not problems and _compared(plan, base.plan).digest == base.plan.digest:
        problems = ["it has no effect on any figure that is compared; leave it out"]
    if problems:
        raise PlanError(problems)
    return Rival(text, mine, plan, without)


def _compared(plan: Plan, base: Plan) -> Plan:
    """The plan with the base's sections in place of those that change no figure that is compared."""
    return replace(plan, **{name: getattr(base, name) for name in _UNCOMPARED})


def _require_own(words: Sequence[str], study: Study, known: Mapping[str, Sequence[str]]) -> None:
    """
    Raises:
        PlanError: a word sets nothing, is about the whole study, or has no effect beside ``lrs``.
    """
    problems = []
    for word in words:
        if "=" not in word and word[0] != "~":
            meant = [f"{group}={word}" for group, members in known.items() if word in members]
            hint = f" (did you mean {meant[0]}?)" if len(meant) == 1 else ""
            problems.append(f"{word} is not of the form name=value{hint}")
    problems += [
        f"{word} is about the whole study, all of whose recipes have the same; write it beside {AGAINST}"
        for word in words
        if name_of(word) in OPTIONS
    ]
    problems += [
        f"{word} has no effect beside lrs={list(study.lrs)}, of which each recipe takes its best; leave one of them out"
        for word in words
        if name_of(word) == "train.lr" and study.lrs
    ]
    if problems:
        raise PlanError(problems)


def _replaced(words: Words, mine: Sequence[str]) -> tuple[Words, tuple[str, ...]]:
    """The words of the recipe with a rival's in place of those that set the same, and those that have no place in it:
    options of a group of which the rival chooses another member, which does not take them."""
    names, known = {name_of(word) for word in mine}, groups(words.config_dir)
    options = dict(_flat(words.options, {name.partition(".")[0] for name in names}))
    kept = [word for word in words.words if name_of(word) not in names | _NOT_THEIRS]
    options = {name: value for name, value in options.items() if name not in names | _NOT_THEIRS}
    without: list[str] = []
    for group in sorted(names & set(known)):
        inside = f"{group}."
        own = [word for word in kept if name_of(word).startswith(inside)]
        keys = [name for name in options if name.startswith(inside)]
        if own or keys:
            chosen = [word for word in (*kept, *mine) if not name_of(word).startswith(inside)]
            taken = option_names(group, chosen, words.config_dir)
            without += [word for word in own if name_of(word) not in taken]
            without += [f"{name}={options[name]}" for name in keys if name not in taken]
            kept = [word for word in kept if word not in without]
            options = {name: value for name, value in options.items() if name in taken or name not in keys}
    return replace(words, words=(*kept, *mine), options=options), tuple(without)


def _flat(options: Mapping[str, Any], sections: set[str]) -> list[tuple[str, Any]]:
    """The options; a mapping for one of these sections becomes an option for each of its names."""
    found: list[tuple[str, Any]] = []
    for name, value in options.items():
        if name in sections and isinstance(value, Mapping):
            found += [(f"{name}.{inner}", one) for inner, one in value.items()]
        else:
            found.append((name, value))
    return found


def _other_cases(base: Plan, plan: Plan) -> list[str]:
    """A problem, if the two are not for the same cases, splits and seeds."""
    here, there = _of_cases(base), _of_cases(plan)
    other = sorted(name for name in {*here, *there} if here.get(name) != there.get(name))
    said = f"it changes {', '.join(other)}, and recipes are compared on the same cases, sites, splits and seeds"
    return [f"{said}; leave that out"] if other else []


def _of_cases(plan: Plan) -> dict[str, Any]:
    """What decides on the cases of each site, and on which of them are for testing."""
    plain = plan.to_dict()
    data = {f"data.{name}": value for name, value in plain["data"].items() if name != "image_size"}
    frames = {f"dicom.{name}": plain["dicom"][name] for name in ("frames", "slices")}
    whole = {name: plain.get(name) for name in ("seed", "hold_out", "partition")}
    return {**data, **frames, **whole}
