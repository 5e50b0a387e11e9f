"""Handle ``query.sums``: sums over a site's training cases, from which the coordinator computes the head's start, or
ranks features."""

from __future__ import annotations

from pathlib import Path

from flwr.app import RecordDict
from torch import Tensor

from fedgraft.client.app.workspace import Workspace
from fedgraft.client.fence.few_patients import require_patients
from fedgraft.client.privacy.answers import private_site
from fedgraft.client.privacy.required import require_unpromised
from fedgraft.client.site.release import append_line, may_release_sums
from fedgraft.client.training.before_head import inputs_of_weights
from fedgraft.client.training.session import Session
from fedgraft.common import tensors
from fedgraft.common.errors import WireError
from fedgraft.common.features.keep import ranking_sums
from fedgraft.common.heads.start import build_initial, starts_head, weighed
from fedgraft.common.interfaces.head_start import COUNTS, BearsNoise, StartsFromSums, Sums
from fedgraft.common.privacy.budget import meets_once
from fedgraft.common.wire.head_sums import (
    SiteSums,
    SumsQuestion,
    pack_sums,
    plan_of_sums_question,
    unpack_sums_question,
)


def tell_sums(content: RecordDict, workspace: Workspace, site_file: Path, run: int) -> RecordDict:
    """Answer with the sums, if plan and site file both allow them, and log the answer.

    Raises:
        WireError: the plan was never prepared here, or asks for no sums.
        DataError: the cohort can't be used.
    """
    digest = plan_of_sums_question(content)
    session = workspace.open(site_file, digest, run)
    private = meets_once(session.plan)
    if not private:
        require_unpromised(session.plan, "sums by class")
    asked = unpack_sums_question(content, {name: session.specs[name] for name in session.model.names("given")})
    ranks = asked.purpose == "ranking"
    wanted = session.plan.features.keep is not None if ranks else starts_head(session.plan)
    if not wanted or session.held_out:
        raise WireError("the plan asks this site for no sums")
    if private:
        found: Sums | None = private_sums(session, asked, workspace)
    else:
        found = sums_for_ranking(session, asked) if ranks else site_sums(session, asked)
    about = {"withheld": True} if found is None else _figures(found)
    append_line(session.release_log, "ranking" if ranks else "sums", run, plan=digest, **about)
    return pack_sums(SiteSums(session.site.name, digest, found))


def site_sums(session: Session, asked: SumsQuestion) -> Sums | None:
    """The plan's sums over this site's training cases, by the untrained model; ``None`` if they may not leave."""
    train, outputs = session.cohort["train"], session.plan.data.outputs
    if not _may_leave(session):
        return None
    _load(session, asked)
    features = inputs_of_weights(session.model.constant.trained, train, session.device)
    initial = weighed(build_initial(session.plan, session.site.trusted), asked.class_counts)
    return initial.sums(features, train.labels, outputs) if isinstance(initial, StartsFromSums) else {}


def private_sums(session: Session, asked: SumsQuestion, workspace: Workspace) -> Sums:
    """The plan's sums with noise, charged; for the noisy counts that were told before."""
    require_patients(session.patients, session.site.release.patients)
    initial = build_initial(session.plan, session.site.trusted)
    assert isinstance(initial, BearsNoise)  # or there was no such plan

    def features() -> Tensor:
        _load(session, asked)
        return inputs_of_weights(session.model.constant.trained, session.cohort["train"], session.device)

    private = private_site(session, workspace.vault(session.site))
    return private.start(tensors.digest(asked.given), initial, features)


def sums_for_ranking(session: Session, asked: SumsQuestion) -> Sums | None:
    """Sums over all scaled features of this site's training cases, by the untrained model; ``None`` if they may not
    leave."""
    if session.scaling is None or not _may_leave(session):
        return None
    _load(session, asked)
    return ranking_sums(session.scaling.scaled, session.cohort["train"].labels, session.plan.data.outputs)


def _load(session: Session, asked: SumsQuestion) -> None:
    """Load the untrained model, with what the question brings."""
    session.load({**{name: session.initial[name] for name in session.model.names("shared")}, **asked.given})


def _may_leave(session: Session) -> bool:
    allowed = may_release_sums(patients_by_class(session), session.plan.release, session.site.release)
    return allowed and session.accepted.may_tell_of_training("sums by class", by_label=True)


def patients_by_class(session: Session) -> tuple[int, ...]:
    """How many patients have a training case of each class."""
    train = session.accepted.splits["train"]
    pairs = {(int(label), patient) for label, patient in zip(train.labels, train.patients, strict=True)}
    return tuple(sum(label == c for label, _ in pairs) for c in range(session.plan.data.outputs))


def _figures(found: Sums) -> dict[str, object]:
    """The log's line on released sums: names with shapes and norms, and the counts."""
    tensors = {name: [list(one.shape), round(float(one.norm()), 6)] for name, one in sorted(found.items())}
    return {"tensors": tensors, "counts": [int(count) for count in found.get(COUNTS, ())]}
