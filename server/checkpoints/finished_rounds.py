"""A round that is over as one line of JSON, with the sites' evaluations of its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.wire.kept import config_from, values_of
from fedgraft.server.bounds.judgement import Figures
from fedgraft.server.bounds.likeness import Likeness
from fedgraft.server.exact.fit import Fit
from fedgraft.server.exact.steps_taken import LostStep, StepsTaken
from fedgraft.server.patience.quorum import RestedOn
from fedgraft.server.rounds.state import Round

_PLAIN = ("number", "train_loss", "seconds", "bytes_up", "bytes_down")
_FIT = ("ridge", "loss", "gradient", "evaluations", "tolerance")


def round_values(one: Round) -> dict[str, Any]:
    """A round as JSON; of a fit without the weights, which are the next model's."""
    central = None if one.central is None else values_of(one.central.pack())
    return {
        **{name: getattr(one, name) for name in _PLAIN},
        "sites": list(one.sites),
        "central": central,
        "by_site": _nested(one.by_site),
        "subgroups": {site: _nested(columns) for site, columns in one.subgroups.items()},
        "expected": {site: list(counts) for site, counts in one.expected.items()},
        "updates": {site: _plain(figures) for site, figures in one.updates.items()},
        "rested_on": None if one.rested_on is None else asdict(one.rested_on),
        **({} if one.steps is None else {"steps": asdict(one.steps)}),
        "fit": None if one.fit is None else {name: getattr(one.fit, name) for name in _FIT},
    }


def round_from(values: Mapping[str, Any], task: AnyTask) -> Round:
    """The reverse of `round_values`."""

    def evaluations(nested: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Evaluation]]:
        return {a: {b: task.unpack(config_from(one)) for b, one in inner.items()} for a, inner in nested.items()}

    central, fit, rested_on = values["central"], values["fit"], values["rested_on"]
    return Round(
        **{name: values[name] for name in _PLAIN},
        task=task,
        sites=tuple(values["sites"]),
        central=None if central is None else task.unpack(config_from(central)),
        by_site=evaluations(values["by_site"]),
        subgroups={site: evaluations(columns) for site, columns in values["subgroups"].items()},
        expected={site: tuple(counts) for site, counts in values["expected"].items()},
        fit=None if fit is None else Fit(weights={}, **fit),
        rested_on=None if rested_on is None else RestedOn(**rested_on),
        steps=_steps(values.get("steps")),
        updates={site: _figures(told) for site, told in values.get("updates", {}).items()},
    )


def _steps(told: Mapping[str, Any] | None) -> StepsTaken | None:
    return None if told is None else StepsTaken(**{**told, "lost": tuple(LostStep(**one) for one in told["lost"])})


def _plain(figures: Figures) -> dict[str, Any]:
    return {**vars(figures), "likeness": dict(vars(figures.likeness))}


def _figures(told: Mapping[str, Any]) -> Figures:
    return Figures(**{**told, "likeness": Likeness(**told["likeness"])})


def _nested(found: Mapping[str, Mapping[str, Evaluation]]) -> dict[str, dict[str, Any]]:
    return {a: {b: values_of(one.pack()) for b, one in inner.items()} for a, inner in found.items()}
