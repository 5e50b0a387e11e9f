"""The command ``fedgraft site evaluate``: external validation of a model on all cases of a site."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fedgraft.client.cohort.enrolment.withdrawn import without_withdrawn
from fedgraft.client.cohort.manifest.own_words import listed_cases
from fedgraft.client.deployment.sending import require_sendable, send
from fedgraft.client.prediction.evaluating import evaluate_all
from fedgraft.client.prediction.loading import Call, LoadedModel, load
from fedgraft.client.prediction.predicting import Desk
from fedgraft.client.site.fetched import model_at
from fedgraft.client.site.machine import machine_of
from fedgraft.client.site.own_tensors import MODELS
from fedgraft.client.site.role import trains_in
from fedgraft.client.site.site_file import SiteFile, read_site_file
from fedgraft.common.model_folder.folder import ModelFolder, open_model
from fedgraft.common.runtime.files import private_folder, replacing
from fedgraft.common.runtime.processes import say
from fedgraft.common.runtime.scratch import ending_in_order, scratch_folder

DESCRIPTION = """\
External validation: evaluates a model on all cases of this site's manifest, which are not split. Figures with 95 %
intervals (bootstrap by patient), calibration, decisions and flags are written to evaluations/ of the site's state,
which only this account can read. Nothing is sent, but with --send counts and histograms of scores, as in a run, if
site.yaml (release.evaluation, min_count) and the coordinator (publish --accept-evaluations) allow it.
Exit code 0: all cases were evaluated; 1: some can't be used.
"""
TRAINED = (
    "this site trained this model: its training cases are among these cases, and the figures are no external validation"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help="a fetched model's name, a model's folder, or a run's"
    )
    parser.add_argument(
        "--send", action="store_true", help="tell the coordinator; MODEL must be one that was fetched from it"
    )


def run(given: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    site = read_site_file(given.site)
    folder = open_model(model_at(given.model, site))
    coordinator = require_sendable(site, given.site, folder) if given.send else None
    loaded = _loaded(folder, site)
    cases = without_withdrawn(listed_cases(site), site.state)
    private_folder(site.state)
    with ending_in_order(), scratch_folder(site.state, ".evaluate-") as scratch:
        evaluated = evaluate_all(loaded, cases, Desk(scratch))
    found, trained = evaluated.figures, trained_here(folder, site)
    if trained:
        found["notes"].append(TRAINED)
    about = {"site": site.name, "plan_digest": folder.about.plan_digest, "shared_digest": folder.about.shared_digest}
    out = private_folder(site.state / "evaluations") / f"{folder.about.shared_digest[:16]}.json"
    with replacing(out, private=True) as partial:
        partial.write_text(json.dumps({**about, **found}, indent=2) + "\n", encoding="utf-8")
    for line in told(found):
        say(line)
    say(f"wrote {out}" if given.send else f"wrote {out}; nothing was sent")
    if coordinator is not None:
        sent = send(coordinator, site, folder, evaluated.evaluation, trained)
        say(f"sent counts and histograms of scores to {coordinator.address}: {sent:,} bytes, no case by name")
    return 1 if found["quarantined"] else 0


def trained_here(folder: ModelFolder, site: SiteFile) -> bool:
    """Whether the site took part in training the model, and was not held out."""
    noted = site.state / MODELS
    if not trains_in(site, folder.plan) or not noted.is_file():
        return False
    lines = map(json.loads, noted.read_text(encoding="utf-8").splitlines())
    return any(line["plan"] == folder.about.plan_digest for line in lines)


def told(found: dict[str, Any]) -> Iterator[str]:
    """The figures as lines of text."""
    yield f"{found['cases']} cases of {found['patients']} patients"
    if found["quarantined"]:
        yield "  can't be used: " + ", ".join(f"{reason} {count}" for reason, count in found["quarantined"].items())
    for name, figure in found["figures"].items():
        yield f"  {name:<30} {_with_interval(figure)}"
    for name, at in found.get("decisions", {}).get("thresholds", {}).items():
        for what in ("sensitivity", "specificity") if at is not None else ():
            yield f"  {f'{what} for {name}, chosen':<30} {_with_interval(at[what])}"
    if "flags" in found:
        yield f"  {'a person must look at':<30} {_with_interval(found['flags']['flagged'])}"
    yield from (f"  {note}" for note in found["notes"])


def _with_interval(figure: dict[str, Any] | None) -> str:
    if figure is None or figure["value"] is None:
        return "undefined"
    if figure["low"] is None:
        return f"{figure['value']:.3f} (its interval is undefined)"
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def _loaded(folder: ModelFolder, site: SiteFile) -> LoadedModel:
    call = Call(f"site {site.name}", "only the sites that trained it can evaluate it")
    return load(folder, call, site, site.trusted, machine_of(site), scale_from_cases=True)
