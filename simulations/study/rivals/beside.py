"""The recipes of a study beside each other: the key ``rivals`` of ``study.json``.

- ``reference``: the method from which the others are subtracted; ``names.<method>``: what each recipe is called, the
  recipe itself (``federated``) first; ``words.<method>``, ``digests.<method>``; ``without.<method>``: words of the
  recipe that have no place there
- ``difference.<method>``: the other recipe minus the reference: ``mean_over_sites`` and ``by_site.<site>`` as for a
  baseline; ``p_holm``: the p of ``mean_over_sites``, corrected for the number of rivals; ``outcome``: ``better``,
  ``worse``, ``better_alone`` and ``worse_alone`` (only if it were the only comparison), ``no_difference`` (none that
  these data can show), ``same`` (in all resamples), ``cannot_tell``, ``one_seed``, ``missing``; ``ruled_out``: whether
  a difference of ``margin`` either way is; ``paired``: whether the scores of the same cases were compared
- ``margin``
- ``validation.<method>``: the headline figure on validation cases: ``mean``, ``sd``, ``values`` by seed
- ``chosen``: ``method``, the one with the best mean of these, over the seeds that have it of all, null if several are
  equal: ``tied``, else empty; ``by_seed``: the best with each such seed (of equal ones the first recipe); ``test``: the
  test figure of the best with each seed, ``mean``, ``sd``, ``values``; null if nothing can be chosen so
- ``sentences``: the same in words
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, Protocol

from fedgraft.simulations.study.certainty.compared import Compared
from fedgraft.simulations.study.certainty.several import holm
from fedgraft.simulations.study.figures import Difference, Figure, over_sites, plain, spread
from fedgraft.simulations.study.rivals.recipes import Recipes
from fedgraft.simulations.study.rivals.sentences import sentences

SHOWN = 0.05


class Validated(Protocol):
    """The parts of a training that are read here (`fedgraft.simulations.study.summary.Trained`)."""

    @property
    def method(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def val(self) -> Figure: ...


def beside(
    recipes: Recipes, compared: Compared, trained: Sequence[Validated], sites: Sequence[str], heading: str
) -> dict[str, Any]:
    """The content of the key ``rivals``.

    Args:
        compared: with the figures of all recipes (and baselines).
        trained: every training of every recipe.
        heading: of the headline figure.
    """
    seeds = list(dict.fromkeys(one.seed for one in trained))
    validation = {
        method: [_mean(one.val for one in trained if (one.method, one.seed) == (method, seed)) for seed in seeds]
        for method in recipes.names
    }
    found = {
        "reference": recipes.reference,
        "names": dict(recipes.names),
        "words": dict(recipes.words),
        "digests": dict(recipes.digests),
        "without": {method: list(words) for method, words in recipes.without.items()},
        "margin": compared.judging.margin,
        "difference": _differences(recipes, compared, sites),
        "validation": {method: plain(spread(values)) for method, values in validation.items()},
        "chosen": _chosen(validation, compared, seeds),
    }
    return {**found, "sentences": sentences(found, heading, seeds)}


def _differences(recipes: Recipes, compared: Compared, sites: Sequence[str]) -> dict[str, Any]:
    over = {method: replace(compared, first=method).over(recipes.reference) for method in recipes.others}
    corrected = holm([1.0 if one.same else one.p for one in over.values()])
    found = {}
    for (method, one), p in zip(over.items(), corrected, strict=True):
        theirs = replace(compared, first=method)
        margin = compared.judging.margin
        found[method] = {
            **theirs.plain(recipes.reference, sites),
            "p_holm": None if one.same or p is None else round(p, 6),
            "outcome": "cannot_tell" if compared.none_enough and one.low is not None else outcome_of(one, p),
            "ruled_out": one.low is not None and one.high is not None and -margin < one.low and one.high < margin,
            "paired": theirs.paired(recipes.reference),
        }
    return found


def outcome_of(found: Difference, p_holm: Figure) -> str:
    """What a difference shows, given its p corrected for the number of comparisons."""
    if found.mean is None:
        return "missing"
    if found.same:
        return "same"
    if found.low is None or found.high is None or p_holm is None:
        return "one_seed"
    if found.low <= 0 <= found.high:
        return "no_difference"
    return ("better" if found.mean > 0 else "worse") + ("" if p_holm < SHOWN else "_alone")


def _chosen(
    validation: Mapping[str, Sequence[Figure]], compared: Compared, seeds: Sequence[int]
) -> dict[str, Any] | None:
    """By the seeds with a validation figure of every recipe that has any."""
    there = {method: values for method, values in validation.items() if any(value is not None for value in values)}
    common = [place for place in range(len(seeds)) if all(values[place] is not None for values in there.values())]
    if not there or not common:
        return None
    by_seed = [max(there, key=lambda method: there[method][place] or 0.0) for place in common]
    means = {method: fmean(values[place] or 0.0 for place in common) for method, values in there.items()}
    tests = {method: over_sites(compared.enough, method).values for method in there}
    best = [method for method, mean in means.items() if mean > max(means.values()) - _EQUAL]
    return {
        "method": best[0] if len(best) == 1 else None,
        "tied": best if len(best) > 1 else [],
        "by_seed": {str(seeds[place]): method for place, method in zip(common, by_seed, strict=True)},
        "test": plain(spread([tests[method][place] for place, method in zip(common, by_seed, strict=True)])),
    }


_EQUAL = 1e-9
"""Means that differ by less differ by rounding."""


def _mean(values: Iterable[Figure]) -> Figure:
    """Over the folds of a seed; undefined if one is."""
    every = list(values)
    known = [value for value in every if value is not None]
    return fmean(known) if known and len(known) == len(every) else None
