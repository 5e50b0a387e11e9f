"""``fedgraft clock``: compute the time that a finished run would have taken with other network lines and machines."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.common.errors import DataError, PlanError
from fedgraft.common.plan.plan import Plan, from_dict, load_plan
from fedgraft.common.plan.sections import ClockSection, Profile
from fedgraft.server.exchange.ledger import Entry
from fedgraft.simulations.clock.case_cost import MeasuredCosts, calibrate
from fedgraft.simulations.clock.figures import figures
from fedgraft.simulations.clock.folder import pace_of, read_facts, read_lines, site_names, write_clock
from fedgraft.simulations.clock.report import clock_sentences, clock_table
from fedgraft.simulations.clock.timeline import CaseCosts, profiles

EPILOG = """\
  fedgraft clock runs/2026-11-24/10-00-00 clock.sites.north.uplink=10      the run's own clock, one value changed
  fedgraft clock runs/2026-11-24/10-00-00 --profile clinics                one that FedGraft brings
  fedgraft clock runs/2026-11-24/10-00-00 --profile ours.yaml              or your own, in the form of those
"""


def main(arguments: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="fedgraft clock",
        description="How long a run would have taken at other sites, from its ledger, without training again.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run that has ended")
    parser.add_argument("changes", nargs="*", metavar="clock.OPTION=VALUE", help="as for fedgraft simulate")
    parser.add_argument("--profile", metavar="NAME_OR_FILE", help="a clock instead of the run's own")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write clock.jsonl and clock.png there")
    given = parser.parse_intermixed_args(arguments)
    found = reckon(given.run, given.profile, given.changes, given.out)
    console = Console()
    console.print(clock_table(found))
    for sentence in clock_sentences(found):
        console.print(sentence, highlight=False)
    return 0


def reckon(run: Path, profile: str | None, changes: Sequence[str], out: Path | None) -> dict[str, Any]:
    """The virtual time of a finished run (`fedgraft.simulations.clock.figures`).

    Args:
        profile: a name in ``conf/clock``, or a YAML file; ``None`` for the run's own clock.
        changes: ``clock.option=value`` each, applied to the profile.
        out: a folder for ``clock.jsonl`` and ``clock.png``; ``None`` to write nothing.

    Raises:
        PlanError: the clock is not valid, names an unknown site, or changes an availability.
        DataError: the folder holds no finished run, or no cases on which to measure a missing ``case_seconds``.
    """
    was = load_plan(run / "plan.yaml")
    plan = from_dict({**was.to_dict(), "clock": changed(_base(was, profile), changes)})
    assert plan.clock is not None
    names = site_names(run, [Entry(**fields) for fields in read_lines(run / "ledger.jsonl")])
    sites = profiles(plan.clock, names)
    _same_availability(sites, _always(names) if was.clock is None else profiles(was.clock, names))
    facts = read_facts(run, plan)
    pace = pace_of(plan.clock, sites, _measured(run, plan))
    return figures(facts, pace) if out is None else write_clock(out, facts, pace)


def changed(clock: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """A clock, as plain data, with changes of the form ``clock.option=value`` applied.

    Raises:
        PlanError: a change has another form.
    """
    wrong = [text for text in changes if not text.startswith("clock.") or "=" not in text]
    if wrong:
        raise PlanError(
            [f"{text}: give clock.OPTION=VALUE; nothing else of a run can change afterwards" for text in wrong]
        )
    try:
        new = OmegaConf.from_dotlist([text.removeprefix("clock.") for text in changes])
        merged = OmegaConf.to_container(OmegaConf.merge(OmegaConf.create(dict(clock)), new), resolve=True)
    except (OmegaConfBaseException, yaml.YAMLError) as error:
        raise PlanError(f"{' '.join(changes)}: {str(error).splitlines()[0]}") from error
    assert isinstance(merged, dict)
    return {str(name): value for name, value in merged.items()}


def _base(plan: Plan, profile: str | None) -> Mapping[str, Any]:
    ready = files("fedgraft.conf") / "clock"
    names = sorted(path.name.removesuffix(".yaml") for path in ready.iterdir() if path.name != "none.yaml")
    if profile is None:
        own: Mapping[str, Any] | None = plan.to_dict()["clock"]
        if own is None:
            raise PlanError(f"this run has no clock; choose one: --profile {' or '.join(names)}, or a YAML file")
        return own
    if profile not in names and not Path(profile).is_file():
        raise PlanError(f"--profile {profile} is neither a file nor one of: {', '.join(names)}")
    path = ready / f"{profile}.yaml" if profile in names else Path(profile)
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise PlanError(f"--profile {profile} is not valid YAML: {error}") from error
    if not isinstance(raw, dict):
        raise PlanError(f"--profile {profile} must be a mapping with the options of conf/clock/clinics.yaml")
    return raw


def _same_availability(new: Mapping[str, Profile], old: Mapping[str, Profile]) -> None:
    """Check that no site's availability differs: it decides who trains, so that another one needs another run.

    Raises:
        PlanError: one differs.
    """
    problems = []
    for name, option in ((name, f"clock.sites.{name}.availability") for name in new):
        had, has = old[name].availability, new[name].availability
        if had != has:
            problems.append(
                f"{option}={has:g}, but the run had {had:g}, and who answers changes what is trained: "
                f"simulate again, or add {option}={had:g}"
            )
    if problems:
        raise PlanError(problems)


def _always(names: Sequence[str]) -> dict[str, Profile]:
    return dict.fromkeys(names, Profile(1.0, 1.0, 1.0, 1.0))


def _measured(run: Path, plan: Plan) -> MeasuredCosts:
    """The costs that the run measured, or measured now if it had no clock; numbers in the plan override them."""
    assert plan.clock is not None
    path = run / "summary.json"
    held = json.loads(path.read_text(encoding="utf-8")).get("clock") if path.is_file() else None
    if held is None:
        return calibrate(plan, _some_cases(run, plan.clock))
    given = {name: value for name, value in vars(plan.clock.case_seconds).items() if value is not None}
    return MeasuredCosts(CaseCosts(**{**held["case_seconds"], **given}), held["backbone_bytes"])


def _some_cases(run: Path, clock: ClockSection) -> tuple[Case, ...]:
    """Cases on which to measure ``keep``; empty if the plan gives its seconds."""
    if clock.case_seconds.keep is not None:
        return ()
    manifests = sorted(run.glob("sites/*/manifest.csv"))
    if not manifests:
        raise DataError(f"{run} holds no site's cases to measure on; give clock.case_seconds.keep=SECONDS")
    return read_manifest(manifests[0])
