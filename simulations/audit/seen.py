"""What a coordinator saw of each site: the run once more, in a folder that is gone afterwards, with every answer "
"kept."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from flwr.app import Context, Message, MessageType
from flwr.clientapp import ClientApp
from torch import Tensor

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.common.errors import WireError
from fedgraft.common.exact.suitability import path_of
from fedgraft.common.wire import messages
from fedgraft.common.wire.gradient import GRADIENT, unpack_matrices
from fedgraft.common.wire.messages import Specs
from fedgraft.server import app
from fedgraft.simulations.audit.cases import AuditedRun
from fedgraft.simulations.engine.grid import run_in_process
from fedgraft.simulations.federation.site_folders import MARK

SECRET = "site.secret"


@dataclass(frozen=True)
class Seen:
    """An answer of a site: its update (what it trained less what it received), or its gradient with the sign turned,
    so that both point downhill; by name in the model."""

    site: str
    at: dict[str, Tensor]
    step: dict[str, Tensor]


@dataclass
class _Kept:
    """Keeps the answers to questions about trained tensors."""

    specs: Specs
    precision: str
    found: list[Seen] = field(default_factory=list)

    def keep(self, question: Message, context: Context, answer: Message) -> Message:
        kind = question.metadata.message_type
        if kind in (MessageType.TRAIN, GRADIENT) and not answer.has_error():
            site = Path(str(context.node_config["site-file"])).parent.name
            told = self._tensors(answer, kind)
            at = self._tensors(question, kind)
            sign = -1.0 if kind == GRADIENT else 1.0
            step = {name: sign * one if kind == GRADIENT else one - at[name] for name, one in told.items()}
            self.found.append(Seen(site, at, step))
        return answer

    def _tensors(self, message: Message, kind: str) -> dict[str, Tensor]:
        record = messages.unpack_arrays(message.content, messages.ARRAYS)
        named = {name: array for name, array in record.items() if name in self.specs}
        if kind == GRADIENT:
            return unpack_matrices(type(record)(named), self.specs, self.precision)
        found = messages.unpack_tensors(type(record)(named), self.specs)
        return {name: tensor.double().clone() for name, tensor in found.items()}


def seen(audited: AuditedRun) -> list[Seen]:
    """Run the plan again, and keep what each site told.

    Raises:
        WireError: answers are no tensors in the clear (compressed, or masked).
        FedGraftError: the run failed.
    """
    plan, model = audited.plan, audited.model
    if plan.compression.target is not None or plan.aggregation.secure:
        raise WireError("answers are compressed or masked")
    path = path_of(plan, plan.engine.trusted)
    specs = messages.specs_of(model.tensors(model.names("shared")))
    kept = _Kept(specs, "" if path is None else path.precision)
    with tempfile.TemporaryDirectory() as folder:
        files = [_copied(session.site.manifest.parent, Path(folder) / "sites") for session in audited.sessions]
        handler = client_app.MessageHandler(Workspace(lasting=False), files)
        sites = client_app.build(handler)

        def one(question: Message, context: Context) -> Message:
            return kept.keep(question, context, sites(question, context))

        def together(asked: Sequence[tuple[Message, Context]]) -> list[Message]:
            answers = handler.train_all(asked)
            return [kept.keep(*pair, answer) for pair, answer in zip(asked, answers, strict=True)]

        config = {"plan": plan.to_json(), "out": str(Path(folder) / "run"), "resume": "", "extend": "0"}
        coordinator = app.build(None, lambda _: None, False, durable=False, clock=None)
        nodes = [{"site-file": str(file)} for file in files]
        with _quiet():
            run_in_process(coordinator, cast(ClientApp, one), nodes, config, together if plan.engine.together else None)
    return kept.found


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Flower's lines about each round."""
    flower = logging.getLogger("flwr")
    before = flower.level
    flower.setLevel(logging.WARNING)
    try:
        yield
    finally:
        flower.setLevel(before)


def _copied(site: Path, folder: Path) -> Path:
    """A copy of a simulated site as it was before the run."""
    new = folder / site.name
    (new / "state").mkdir(parents=True)
    for name in ("site.yaml", "manifest.csv", MARK):
        shutil.copy(site / name, new / name)
    shutil.copy(site / "state" / SECRET, new / "state" / SECRET)
    return new / "site.yaml"
