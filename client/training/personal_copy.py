"""Train a site's own copy of the model, which is kept on the site's disk between rounds and evaluated there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from fedgraft.client.site.own_tensors import copy_file
from fedgraft.client.training.loop import LocalTraining
from fedgraft.client.training.personalisation import NetworkTraining
from fedgraft.client.training.session import Session
from fedgraft.common import tensors
from fedgraft.common.interfaces.personalisation import TrainsCopy
from fedgraft.common.interfaces.roles import REFERENCE


def train_own_copy(session: Session, received: Mapping[str, Tensor], task: LocalTraining) -> None:
    """Train the copy for one round, if the plan's ``personal`` has one; the network's tensors are restored afterwards,
    also if the training diverges.

    Args:
        received: this round's received tensors, by name in the model's state.
    """
    personal = session.personal
    if not isinstance(personal, TrainsCopy):
        return
    held = _held(session)
    before = session.model.tensors((*session.model.names("shared"), *session.model.names("local")))
    try:
        session.model.load(received)
        session.model.load(held or {name: session.initial[name] for name in session.model.names("local")})
        personal.train_copy(NetworkTraining(session.model.constant.trained, task, session.device))
        tensors.save(_file(session), session.model.tensors(_names(session)))
    finally:
        session.model.load(before)


@contextmanager
def own_copy(session: Session) -> Iterator[None]:
    """Within the block the network holds the site's own copy, if there is one; afterwards its tensors are restored."""
    held = _held(session)
    before = session.model.tensors(held)
    session.model.load(held)
    try:
        yield
    finally:
        session.model.load(before)


def _held(session: Session) -> dict[str, Tensor]:
    path = _file(session)
    return tensors.load(path) if isinstance(session.personal, TrainsCopy) and path.is_file() else {}


def _names(session: Session) -> tuple[str, ...]:
    """Names of all tensors that training changes, without an alignment's reference, which belongs to the round."""
    shared = (name for name in session.model.names("shared") if not name.startswith(REFERENCE))
    return (*shared, *session.model.names("local"))


def _file(session: Session) -> Path:
    return copy_file(session.local_file)
