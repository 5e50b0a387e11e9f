"""A site's own copy of the model: kept on its disk between rounds, and evaluated there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from fedgraft.client.training.loop import LocalTraining
from fedgraft.client.training.personalisation import NetworkTraining
from fedgraft.client.training.session import Session
from fedgraft.common import tensors
from fedgraft.common.interfaces.personalisation import TrainsCopy
from fedgraft.common.interfaces.roles import REFERENCE


def train_own_copy(session: Session, received: Mapping[str, Tensor], task: LocalTraining) -> None:
    """One round's training of the copy, if the plan's ``personal`` has one; the network is afterwards what it was.

    Args:
        received: what came in this round, by name in the model's state.
    """
    personal = session.personal
    if not isinstance(personal, TrainsCopy):
        return
    held = _held(session)
    before = session.model.tensors((*session.model.names("shared"), *session.model.names("local")))
    session.model.load(received)
    session.model.load(held or {name: session.initial[name] for name in session.model.names("local")})
    personal.train_copy(NetworkTraining(session.model.constant.trained, task, session.device))
    tensors.save(_file(session), session.model.tensors(_names(session)))
    session.model.load(before)


@contextmanager
def own_copy(session: Session) -> Iterator[None]:
    """Within the block the network is the site's own copy, if it has one; afterwards it is what it was."""
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
    """All that training changes, but what features are aligned to: that is of the round, not of a model."""
    shared = (name for name in session.model.names("shared") if not name.startswith(REFERENCE))
    return (*shared, *session.model.names("local"))


def _file(session: Session) -> Path:
    return session.local_file.with_name(f"{session.local_file.stem}-own.safetensors")
