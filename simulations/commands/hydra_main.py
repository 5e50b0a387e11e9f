"""The command line of a researcher: Hydra's flags and overrides, composed into a plan (and a study of it)."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from fedgraft.common.errors import FedGraftError, PlanError
from fedgraft.common.plan.patience_section import OLD_NAMES, renamed_sentence
from fedgraft.simulations.commands.misread import misread, raising
from fedgraft.simulations.planning.against import quoted
from fedgraft.simulations.planning.choices import groups, name_of, several_members
from fedgraft.simulations.planning.compose import to_study
from fedgraft.simulations.planning.planned import Planned, Words
from fedgraft.simulations.planning.rivals import with_rivals

CONFIG = "pkg://fedgraft.conf"
QUIET = (
    "hydra.run.dir=.",
    "hydra.output_subdir=null",
    "hydra.sweep.dir=.",
    "hydra.sweep.subdir=.",
    "hydra/job_logging=none",
    "hydra/hydra_logging=none",
)
_NOTES, _COMMAND_LINE = ".hydra", "command-line"
_FLAGS = {
    *("--help", "--hydra-help", "--version", "--cfg", "--resolve", "--package", "--run", "--multirun"),
    *("--shell-completion", "--shell_completion", "--config-path", "--config-name", "--config-dir"),
    *("--experimental-rerun", "--info"),
}
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
    def asked(config: DictConfig) -> None:
        try:
            before_plan(config)
            with _no_folder_of_a_wrong_plan():
                planned = _planned(config)
            job(planned)
        except FedGraftError as error:
            failures.append(error)

    flags, overrides = flags_and_overrides([*map(quoted, arguments)])
    _require_fitting(flags, overrides)
    before = sys.argv
    sys.argv = ["fedgraft", *flags, *overrides, *(() if _COMPLETION & set(flags) else extra)]
    try:
        with raising():
            asked()
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise misread(flags, overrides, error) from error
    finally:
        sys.argv = before
    if len(failures) > 1:
        raise FedGraftError(f"{len(failures)} runs of the sweep failed:\n" + "\n".join(map(str, failures)))
    if failures:
        raise failures[0]
    return 0


def _planned(config: DictConfig) -> Planned:
    """The plan, study and rivals of the point that Hydra has composed, with its words."""
    known = HydraConfig.get()
    folders = [Path(source.path) for source in known.runtime.config_sources if source.provider == _COMMAND_LINE]
    words = Words(tuple(known.overrides.task), config_dir=folders[0] if folders else None)
    plan, study, graft = to_study(config, print, {*map(name_of, words.words)})
    return with_rivals(Planned(plan, study, words, graft=graft))


def _require_fitting(flags: Sequence[str], overrides: Sequence[str]) -> None:
    """
    Raises:
        PlanError: a group is given a list, an option has another name by now, or a flag is none.
    """
    known = groups()
    wrong = [found for word in overrides if (found := several_members(word, known)) is not None]
    wrong += [renamed_sentence(name) for word in overrides if (name := name_of(word)) in OLD_NAMES]
    wrong += [
        f"{flag} is not a flag of this command; options are written name=value, as {flag.lstrip('-')}=..."
        for flag in flags
        if flag.startswith("--") and flag.partition("=")[0] not in _FLAGS
    ]
    if wrong:
        raise PlanError(wrong)


@contextmanager
def _no_folder_of_a_wrong_plan() -> Iterator[None]:
    """Remove the folder that Hydra has made for a run, if its plan is wrong, and if nothing else is there."""
    try:
        yield
    except FedGraftError:
        folder = Path(HydraConfig.get().runtime.output_dir)
        if {one.name for one in folder.glob("*")} == {_NOTES}:
            shutil.rmtree(folder)
        raise


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
