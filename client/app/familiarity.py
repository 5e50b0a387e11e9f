"""Handle ``query.familiarity``: sums over a site's features, and how far its cases are from what is familiar."""

from __future__ import annotations

from pathlib import Path

import torch
from flwr.app import RecordDict
from torch import Tensor

from fedgraft.client.app.handlers import received_by
from fedgraft.client.app.head_sums import patients_by_class
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.privacy.required import require_unpromised
from fedgraft.client.site.release import append_line, may_release_means, may_release_sums, release_distances
from fedgraft.client.training.before_head import features_before_head
from fedgraft.client.training.session import Session
from fedgraft.common import tasks
from fedgraft.common.errors import WireError
from fedgraft.common.familiarity.between_sites import PatientSums, narrowed, sums_by_patient
from fedgraft.common.familiarity.distances import Counts, counted
from fedgraft.common.familiarity.gaussian import Reference, Sums, projected_width, sums_of
from fedgraft.common.wire import messages
from fedgraft.common.wire.familiarity import (
    Told,
    ToldByPatient,
    asks_by_patient,
    pack_by_patient,
    pack_told,
    unpack_reference,
)


def tell_familiarity(content: RecordDict, workspace: Workspace, site_file: Path, run: int) -> RecordDict:
    """Answer with sums or with counts of distances, as far as the site file allows them, and log the answer.

    Raises:
        WireError: the plan was never prepared here, or asks for nothing of the kind, or for sums of a site that it
            holds out.
    """
    order = messages.unpack_order(content)
    session = workspace.open(site_file, order.plan_digest, run)
    require_unpromised(session.plan, "sums over features")
    if asks_by_patient(content):
        return tell_by_patient(content, session)
    reference = unpack_reference(content, projected_width(session.model.head_width))
    held_out = bool(session.abstains) or session.held_out
    if session.plan.decide.unseen is None or (held_out and reference is None):
        raise WireError("the plan asks this site for nothing on how familiar its cases are")
    session.load(received_by(content, session))
    sums = site_sums(session) if reference is None else None
    counts = {} if reference is None else site_counts(session, reference)
    about: dict[str, object] = {"cases": None if sums is None else sums.cases, "distances": counts}
    append_line(session.release_log, "familiarity", run, plan=order.plan_digest, **about)
    return pack_told(Told(session.site.name, session.plan.digest, sums, counts))


def site_sums(session: Session) -> Sums | None:
    """The sums over this site's training cases; ``None`` if they may not leave."""
    patients = len(set(session.accepted.splits["train"].patients))
    if not may_release_means(patients, session.site.release):
        return None
    if not session.accepted.may_tell_of_training("familiarity"):
        return None
    return sums_of(features_before_head(session.model.constant.trained, session.cohort["train"], session.device))


def site_counts(session: Session, reference: Reference) -> dict[str, Counts]:
    """The counted distances of validation and test cases, without splits of fewer cases than ``min_count``; empty if
    the site or the plan releases no evaluation."""
    permission = session.site.release
    if not (session.plan.release.evaluation and permission.evaluation):
        return {}
    found = {}
    for split in messages.SPLITS:
        examples = session.cohort[split]
        if len(examples) and len(examples) >= permission.min_count:
            features = features_before_head(session.model.constant.trained, examples, session.device)
            found[split] = release_distances(counted(reference.distances(features)), permission)
    return session.accepted.tellable("familiarity", found)


def tell_by_patient(content: RecordDict, session: Session) -> RecordDict:
    """Answer with sums over this site's patients, as far as the site file allows them, and log the answer.

    Raises:
        WireError: the plan asks for nothing of the kind.
    """
    if not session.plan.site_distances:
        raise WireError("the plan does not ask how far sites lie apart")
    session.load(received_by(content, session))
    found = patient_sums(session)
    about = {state: {"patients": one.sums.cases, "labels": one.labels} for state, one in found.items()}
    append_line(session.release_log, "patients' features", session.run, plan=session.plan.digest, **about)
    return pack_by_patient(ToldByPatient(session.site.name, session.plan.digest, found))


def patient_sums(session: Session) -> dict[str, PatientSums]:
    """By state, the sums over the site's training patients, with their labels if class counts may leave; empty if none
    may leave."""
    patients = session.accepted.splits["train"].patients
    if not may_release_means(len(set(patients)), session.site.release):
        return {}
    if not session.accepted.may_tell_of_training("patients' features"):
        return {}
    network, train = session.model.constant.trained, session.cohort["train"]
    after = features_before_head(network, train, session.device)
    if session.scaling is None:
        session.model.load(session.initial)
        before = features_before_head(network, train, session.device)
    else:
        before = session.scaling.features
    labels = _labels(session)
    widths = {"before": tuple(group.width for group in session.model.groups), "after": (after.shape[1],)}
    both = {"before": before, "after": after}
    return {
        state: sums_by_patient(narrowed(features, widths[state]), labels, patients) for state, features in both.items()
    }


def _labels(session: Session) -> Tensor:
    """What each training case's label says, ``(N, classes - 1)``; ``(N, 0)`` if it is not told."""
    labels, task = session.accepted.splits["train"].labels, tasks.of(session.plan.data)
    tells = (
        task.one_class_per_case
        and not session.held_out
        and may_release_sums(patients_by_class(session), session.plan.release, session.site.release)
    )
    if not tells:
        return torch.zeros(len(labels), 0, dtype=torch.float64)
    return torch.nn.functional.one_hot(labels, task.outputs)[:, 1:].double()
