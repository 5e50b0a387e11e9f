"""Whether two runs, with and without a patient, give that patient away: differences of a hospital's sums."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from fedgraft.client.app.workspace import Workspace
from fedgraft.client.cohort.accepted import AcceptedCohort, accept
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.enrolment.roll import roll_of
from fedgraft.client.cohort.manifest.own_words import listed_cases
from fedgraft.client.privacy.clipping import Patients
from fedgraft.client.privacy.sums import noisy_gradient
from fedgraft.client.site.site_file import SiteFile
from fedgraft.client.training.session import Session
from fedgraft.common.errors import FedGraftError
from fedgraft.simulations.audit.canaries import Mechanism
from fedgraft.simulations.audit.cases import AuditedRun, Pool
from fedgraft.simulations.audit.finding import Finding, NotTriedError, Table, not_tried
from fedgraft.simulations.audit.heads import Heads, residuals
from fedgraft.simulations.audit.reconstruction import Standard

NAME, TITLE = "differencing", "Do two runs, with and without a patient, give the patient away?"
_ASKED = (
    "The coordinator asks a hospital for the same sum in two runs, between which one patient was taken off the list, "
    "and subtracts."
)
_TRIALS = 20


def differencing(audited: AuditedRun, noise: Mechanism | None, seed: int = 0) -> Finding:
    """Subtract sums of the smallest hospital, as they are, with the hospital's account of answers, and with noise.

    Args:
        noise: as for `reconstruction`.
    """
    try:
        pool = audited.pool
    except NotTriedError as why:
        return not_tried(NAME, TITLE, _ASKED, str(why))
    place, session = _smallest(audited)
    trained = pool.of(pool.member)
    site = trained.of(trained.site == place)
    plain = _read(trained, site, seed, None)
    rows, said = (
        [("sums as they are", f"{plain:.2f}", "1")],
        [
            f"Without anything in the way: the difference is one patient's, correlation {plain:.2f} with that "
            f"patient's features (of the hospital with the fewest, {len(site)} training cases)."
        ],
    )
    apart = _after_one_left(session, audited)
    rows.append(("with the hospital's account (release.min_count)", "–", apart))
    said.append(
        f"With the hospital's own account of whom it has answered over, which every hospital keeps: {_account(apart)}"
    )
    figures: dict[str, object] = {"plain": plain, "apart": apart}
    if noise is not None:
        hidden = _read(trained, site, seed, noise)
        figures["noise"] = hidden
        rows.append(("with the plan's noise, and no account", f"{hidden:.2f}", "1"))
        said.append(f"With the plan's noise, and no account: correlation {hidden:.2f}.")
    headings = ("", "correlation of the difference with the patient's features", "patients between the two sums")
    return Finding(NAME, TITLE, _ASKED, tuple(said), Table(headings, tuple(rows)), figures)


def _account(apart: str) -> str:
    if apart == "refused":
        return "the second sum is refused."
    if apart == "0":
        return "the second sum is over the same patients; the one who left is not missed in it."
    return f"the second sum is over so many patients fewer, or others, that {apart} stand between the two, not one."


def _smallest(audited: AuditedRun) -> tuple[int, Session]:
    """The training site with the fewest cases, of those that have ten, else with the most."""
    sessions = [(place, one) for place, one in enumerate(audited.sessions) if not one.held_out]
    large = [one for one in sessions if len(one[1].cohort["train"]) >= 10]
    if large:
        return min(large, key=lambda one: len(one[1].cohort["train"]))
    return max(sessions, key=lambda one: len(one[1].cohort["train"]))


def _read(pool: Pool, site: Pool, seed: int, noise: Mechanism | None) -> float:
    """The mean correlation over patients who were left out, each once."""
    generator, standard, found = torch.Generator().manual_seed(seed), Standard(pool.inputs), []
    heads = Heads.zeros(1, int(pool.labels.max()) + 1, pool.inputs.shape[1])
    slopes = residuals(heads.outputs(site.inputs), site.labels, torch.nn.functional.cross_entropy)[0] * len(site)
    for patient in torch.randperm(len(site), generator=generator)[:_TRIALS].tolist():
        without = torch.arange(len(site)) != patient
        weight, bias = (
            one - two
            for one, two in zip(
                _told(slopes, site, torch.ones(len(site), dtype=torch.bool), noise),
                _told(slopes, site, without, noise),
                strict=True,
            )
        )
        guess = standard.of((weight / bias)[None].float())[0]
        found.append(float(guess @ standard.of(site.inputs[patient][None])[0]))
    return float(torch.tensor(found).mean())


def _told(slopes: Tensor, site: Pool, some: Tensor, noise: Mechanism | None) -> tuple[Tensor, Tensor]:
    """A class's row and bias of the sum over some of the cases, in float64."""
    own, inputs = slopes[some].double(), site.inputs[some]
    if noise is None:
        return own[:, 0] @ inputs.double(), own[:, 0].sum()
    patients = Patients([str(one) for one in site.patient[some].tolist()])
    weight, bias = noisy_gradient(own, inputs, patients, noise.clip, noise.noise, noise.parties)
    return weight[0], bias[0]


def _after_one_left(session: Session, audited: AuditedRun) -> str:
    """How many patients stand between a real hospital's two sums if one is taken off its list; ``refused`` if it gives
    no second one. The hospital keeps its account on its disk, in a folder that is gone afterwards."""
    listed = listed_cases(session.site)
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        state.mkdir()
        shutil.copy(session.site.state / "site.secret", state / "site.secret")
        site = replace(session.site, state=state)
        first = _asked(listed, site, audited, 1)
        gone = first.splits["train"].patients[0]
        try:
            second = _asked([case for case in listed if case.patient != gone], site, audited, 2)
        except FedGraftError:
            return "refused"
    before, after = ({*one.splits["train"].patients} for one in (first, second))
    return str(len(before ^ after))


def _asked(listed: Sequence[Case], site: SiteFile, audited: AuditedRun, run: int) -> AcceptedCohort:
    """The cohort over which the site tells a gradient in a run, entered into its account.

    Raises:
        FedGraftError: it tells none.
    """
    workspace = Workspace(lasting=True)
    inputs, roll = workspace.inputs(site, audited.plan), roll_of(site, True)
    try:
        found = accept(listed, audited.plan, inputs, None, True, roll, run)
        found.require_training("gradient")
    finally:
        roll.book.close()
    return found
