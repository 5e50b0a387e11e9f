"""``fedgraft augment --show``: draw cases beside their augmented views under a plan, before anything is trained."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from fedgraft.client.check.reading import spread, store_of
from fedgraft.client.cohort.enrolment.roll import roll_of
from fedgraft.client.cohort.inputs import InputContext, factory_of, site_context
from fedgraft.client.cohort.manifest.own_words import listed_cases
from fedgraft.client.cohort.quarantine import USABLE
from fedgraft.client.cohort.splits import require_given
from fedgraft.client.images.contact_sheet import Shown, draw_sheet, require_new, row_of
from fedgraft.client.images.inputs import ImageInputs
from fedgraft.client.site.row_store import Store
from fedgraft.client.site.site_file import SiteFile, read_site_file
from fedgraft.common import tasks
from fedgraft.common.errors import DataError, PlanError
from fedgraft.common.harmonisation.reference import wants_reference
from fedgraft.common.plan.plan import Plan, load_plan
from fedgraft.common.runtime.processes import say
from fedgraft.simulations.commands import notes_shown
from fedgraft.simulations.commands.hydra_main import QUIET, run_hydra
from fedgraft.simulations.federation.local_statistics import with_answers
from fedgraft.simulations.federation.sites import lay_out

DESCRIPTION = """\
Draws training cases beside what a plan makes of them: harmonised, and in each view of augment.views. The cases are a
simulated data set's, or with --site a hospital's own. The picture has no name, path or number of a case in it; a
patient's images they are all the same. Mixed cases (augment.mixup, augment.cutmix) are not drawn: what is mixed is what
is kept of a case, mostly no image.
"""
EPILOG = """\
examples:
  fedgraft augment --show augment=radiograph data=pneumoniamnist
  fedgraft augment --show harmonise=histogram augment=mild          phantom hospitals, one case of each
  fedgraft augment --show --site site.yaml augment=ultrasound data.image_size=224
  fedgraft augment --show --site site.yaml --plan plan.yaml         as the coordinator's plan says
  fedgraft augment --show --notes samples --synonyms 0.1            notes: fedgraft augment --notes --help
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command; besides its own options it takes the overrides of ``fedgraft simulate``, or ``--notes``."""
    if any(argument.partition("=")[0] == "--notes" for argument in arguments):
        return notes_shown.main(arguments)
    parser = argparse.ArgumentParser(
        prog="fedgraft augment",
        usage="fedgraft augment --show [--out FILE] [--cases N] [--site site.yaml] [--plan plan.yaml | OVERRIDE ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--show", action="store_true", required=True, help="draw the picture")
    parser.add_argument("--out", type=Path, default=Path("augment.png"), help="the new file (default: %(default)s)")
    parser.add_argument("--cases", type=int, default=4, metavar="N", help="rows of the picture (default: %(default)s)")
    parser.add_argument("--site", type=Path, help="cases of this site's manifest, instead of a simulated data set's")
    parser.add_argument("--plan", type=Path, help="a plan.yaml, instead of overrides")
    given, overrides = parser.parse_known_args(arguments)
    if given.cases < 1:
        raise PlanError(f"--cases {given.cases} must be 1 or more")
    if given.plan is not None and overrides:
        raise PlanError(f"--plan and the override {overrides[0]} contradict each other; leave one out")
    if given.plan is not None:
        show(load_plan(given.plan), given.site, given.cases, given.out)
        return 0
    return run_hydra(overrides, lambda planned: show(planned.plan, given.site, given.cases, given.out), QUIET)


def show(plan: Plan, site: Path | None, cases: int, out: Path) -> None:
    """Draw ``cases`` rows into ``out``.

    Args:
        site: a site file; ``None`` for the sites that ``fedgraft simulate`` would lay out.

    Raises:
        PlanError: the plan changes no image, or needs statistics that ``site`` alone does not have.
        DataError: no case can be used, or ``out`` exists.
    """
    _image_inputs(InputContext(plan, plan.engine.trusted, Store(None)))
    if plan.augment.views == 1 and plan.harmonise.target is None:
        raise PlanError(
            "--show has nothing to show: augment.views=1 and harmonise=none leave each case as it is; choose for "
            "instance augment=mild, or harmonise=histogram"
        )
    if site is not None and wants_reference(plan):
        raise PlanError(
            "harmonise.reference=[]: one site does not know the numbers that all sites share; show the plan of a run, "
            "which has them: --plan RUN/plan.yaml"
        )
    require_new(out)  # fail before the minutes of decoding
    rows = _of_simulation(plan, cases, os.environ) if site is None else _rows(plan, read_site_file(site), cases)
    if not rows:
        raise DataError("none of the cases that were tried can be used; see `fedgraft site check`")
    draw_sheet(out, rows)
    say(f"wrote {out}: {len(rows)} case(s) in {len(rows[0])} images; they are patients' own: keep it where they are")


def _of_simulation(plan: Plan, cases: int, environ: Mapping[str, str]) -> list[list[Shown]]:
    """``cases`` cases in all, spread over the simulated sites."""
    with tempfile.TemporaryDirectory(prefix="fedgraft-augment-") as folder:
        federation = lay_out(plan, Path(folder), environ)
        store = Store(federation.store / "kept" if plan.engine.store == "disk" else None)
        plan = with_answers(plan, federation.sites, store)
        sites = [read_site_file(path) for path in spread(cases, list(federation.sites.values()))]
        shares = [cases // len(sites) + (place < cases % len(sites)) for place in range(len(sites))]
        return [row for site, share in zip(sites, shares, strict=True) for row in _rows(plan, site, share)]


def _rows(plan: Plan, site: SiteFile, cases: int) -> list[list[Shown]]:
    """Usable training cases, evenly spread over the manifest."""
    inputs = _image_inputs(site_context(plan, site, store_of(site)))
    everything = inputs.expanded(listed_cases(site))
    require_given(everything, plan.data)
    train = roll_of(site).parts(everything, tasks.of(plan.data), keep=False)["train"]
    chosen = spread(cases, train) if train else []
    usable = [case for case, verdict in zip(chosen, inputs.verdicts(chosen), strict=True) if verdict == USABLE]
    return [row_of(case, inputs) for case in usable]


def _image_inputs(context: InputContext) -> ImageInputs:
    """
    Raises:
        PlanError: the plan is for another kind of input.
    """
    inputs = factory_of(context.kind, context.trusted).inputs(context)
    if not isinstance(inputs, ImageInputs):
        every = context.kind.facts().every
        raise PlanError(f"--show is for images, and the plan is for {every}; choose another data set")
    return inputs
