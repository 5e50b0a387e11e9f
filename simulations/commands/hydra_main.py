"""The command line of a researcher: Hydra's flags and overrides, composed into a plan (and a study of it)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import hydra
from omegaconf import DictConfig

from fedgraft.common.errors import FedGraftError, PlanError
from fedgraft.common.plan.patience_section import OLD_NAMES, renamed_sentence
from fedgraft.simulations.planning.choices import groups, several_members
from fedgraft.simulations.planning.compose import to_study
from fedgraft.simulations.planning.planned import Planned
from fedgraft.simulations.planning.words import name_of

CONFIG = "pkg://fedgraft.conf"
QUIET = (
    "hydra.run.dir=.",
    "hydra.output_subdir=null",
    "hydra.sweep.dir=.",
    "hydra.sweep.subdir=.",
    "hydra/job_logging=none",
    "hydra/hydra_logging=none",
)
_COMPLETION = {"-sc", "--shell-completion", "--shell_completion"}


def run_hydra(
    arguments: Sequence[str],
    job: Callable[[Planned], None],
    extra: Sequence[str] = (),
    before_plan: Callable[[DictConfig], None] = lambda config: None,
) -> int:
    """Compose plan and study from the command line and run ``job`` on them; with ``-m`` once per point of the sweep.

    Args:
        arguments: the words after the command.
        extra: overrides that come last.
        before_plan: is called with what Hydra composed for each point before its plan is made, which may fail.

    Raises:
        PlanError: a group is given a list, or a plan is wrong.
        FedGraftError: an error of ``job``; after a sweep, all of them together.
    """
    failures: list[FedGraftError] = []

    @hydra.main(version_base="1.3", config_path=CONFIG, config_name="plan")
    def composed(config: DictConfig) -> None:
        try:
            before_plan(config)
            plan, study, graft = to_study(config, print)
            job(Planned(plan, study, graft=graft))
        except FedGraftError as error:
            failures.append(error)

    flags, overrides = flags_and_overrides(arguments)
    known = groups()
    wrong = [found for word in overrides if (found := several_members(word, known)) is not None]
    wrong += [renamed_sentence(name) for word in overrides if (name := name_of(word)) in OLD_NAMES]
    if wrong:
        raise PlanError(wrong)
    before = sys.argv
    sys.argv = ["fedgraft", *flags, *overrides, *(() if _COMPLETION & set(flags) else extra)]
    try:
        composed()
    finally:
        sys.argv = before
    if len(failures) > 1:
        raise FedGraftError(f"{len(failures)} runs of the sweep failed:\n" + "\n".join(map(str, failures)))
    if failures:
        raise failures[0]
    return 0


def flags_and_overrides(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Sort the words into Hydra's flags and overrides, since Hydra wants its flags first.

    A word without ``=`` after a flag is the flag's value (``--cfg job``), and so is any word after ``-sc``.
    """
    flags: list[str] = []
    overrides: list[str] = []
    for before, word in zip(("", *arguments), arguments, strict=False):
        value = before.startswith("-") and (before in _COMPLETION or ("=" not in word and word[:1] not in ("~", "+")))
        (flags if word.startswith("-") or value else overrides).append(word)
    return flags, overrides
