"""A plan for use in a notebook, with the study and the words that belong to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fedgraft.common.model_folder.graft import Graft
from fedgraft.common.plan.choice_names import choice_of
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.planning.description import Description, describe
from fedgraft.simulations.planning.html import html_lines, html_table
from fedgraft.simulations.planning.options import Study

_SECTIONS = ("data", "partition", "backbone", "adaptation", "head", "loss", "strategy", "compression", "engine")


@dataclass(frozen=True)
class Words:
    """What the user wrote to make a plan.

    Attributes:
        words: Hydra's overrides: ``"data=busi"``, ``"partition.sites=5"``, ``"~data.sites"``.
        options: values by dotted name; they win over ``words``. A mapping is merged into its section.
        config_dir: a folder with the user's own groups, as ``--config-dir`` of the command line.
    """

    words: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    config_dir: Path | None = None

    def after(self, words: Sequence[str], options: Mapping[str, Any]) -> Words:
        """These words and options, with defaults put before them: where both set an option, these win."""
        return replace(self, words=(*words, *self.words), options={**options, **self.options})


@dataclass(frozen=True)
class Planned:
    """Has all attributes of its `plan`: ``planned.rounds``, ``planned.digest``, ``planned.to_dict()``.

    Attributes:
        plan: what would run.
        study: ``baselines``, ``seeds`` and ``lrs``, which `fedgraft.study` runs.
        words: what the user wrote, without a ``source``; ``None`` if the plan was read from a file.
        found: sentences to show the user, for instance which classes were found in the labels.
        graft: from which the run begins (``start_from``); ``None`` if from none, or if it is not here.
        whole: ``words`` with those that a ``source`` adds, from which rivals are composed; ``None`` if these are all.
    """

    plan: Plan
    study: Study = field(default_factory=Study)
    words: Words | None = field(default=None, compare=False)
    found: tuple[str, ...] = field(default=(), compare=False)
    graft: Graft | None = field(default=None, compare=False, repr=False)
    whole: Words | None = field(default=None, compare=False, repr=False)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python's own protocols must not reach the plan
            raise AttributeError(name)
        return getattr(self.plan, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self.plan)})

    def __repr__(self) -> str:
        return f"<plan {self.plan.digest[:12]}: {'; '.join(' '.join(row) for row in _rows(self.plan))}>"

    def _repr_html_(self) -> str:
        return html_table(f"plan {self.plan.digest[:12]}", ("section", "choice"), _rows(self.plan)) + html_lines(
            self.found
        )

    def describe(self) -> Description:
        """Tensors by role, bytes by round, and what leaves a site: what ``fedgraft plan`` prints.

        Raises:
            PlanError, BackboneError: as `fedgraft.common.models.build.build`.
            DataError: a table's statistics are federated, and the data to simulate them with is not here.
        """
        return describe(self.plan)


def _rows(plan: Plan) -> list[tuple[str, str]]:
    """The seed, the number of rounds, and each section with the part that it names."""
    plain = plan.to_dict()
    named = ((name, plain[name].get("_target_") or plain[name].get("name")) for name in _SECTIONS)
    return [
        ("seed", str(plan.seed)),
        ("rounds", str(plan.rounds)),
        *((a, choice_of(a, b, plain[a])) for a, b in named if b),
    ]
