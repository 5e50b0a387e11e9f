"""A coordinator that would like to see a patient: it writes the messages of a run itself, and reads the replies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flwr.app import Message, RecordDict
from torch import Tensor

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.common import tasks
from fedgraft.common.models.build import build
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages
from fedgraft.common.wire.backbone import pack_backbone
from fedgraft.common.wire.gradient import GRADIENT, Gradient, pack_gradient_question, pack_matrices, unpack_gradient
from fedgraft.common.wire.messages import Update
from fedgraft.common.wire.offer import Offer, unpack_offer
from fedgraft.common.wire.run_name import name_run
from fedgraft.simulations.engine.grid import InProcessGrid


@dataclass(frozen=True)
class Curious:
    """Asks one site, as a deployed one answers: what it keeps lies on its disk.

    A refusal is returned as its code.
    """

    site: Path
    plan: Plan
    workspace: Workspace = field(default_factory=Workspace)

    @property
    def model(self) -> Model:
        return build(self.plan, None)

    def ask(self, content: RecordDict, kind: str, run: int = 1, continues: str = "") -> RecordDict | str:
        app = client_app.build(client_app.MessageHandler(self.workspace, [self.site], keep_answers=True))
        grid = InProcessGrid(app, [{"site-file": str(self.site)}], {})
        message = Message(content, next(iter(grid.get_node_ids())), kind)
        name_run([message], run, continues)
        (reply,) = grid.send_and_receive([message])
        return reply.error.reason.removeprefix("fedgraft:") if reply.has_error() else reply.content

    def ask_plan(self) -> RecordDict | str:
        """Send the plan, of which no model is made here."""
        return self.ask(messages.pack_prepare(self.plan.to_json(), self.plan.digest, "0" * 64), messages.PREPARE)

    def prepare(self, run: int = 1, continues: str = "") -> Offer | str:
        """Send the plan and the pretrained network."""
        question = messages.pack_prepare(self.plan.to_json(), self.plan.digest, self.model.backbone_name)
        first = self.ask(question, messages.PREPARE, run, continues)
        if isinstance(first, str) or unpack_offer(first, tasks.of(self.plan.data)).has_backbone:
            return first if isinstance(first, str) else unpack_offer(first, tasks.of(self.plan.data))
        parcel = RecordDict({**question, messages.FROZEN: pack_backbone(self.model.backbone_states())})
        found = self.ask(parcel, messages.BACKBONE, run, continues)
        return found if isinstance(found, str) else unpack_offer(found, tasks.of(self.plan.data))

    def train(self, shared: Mapping[str, Tensor], number: int, run: int = 1, mu: float = 0.0) -> Update | str:
        """Send weights of its own choice to be trained in a round, with a proximal term of weight ``mu``."""
        config = messages.pack_config(self.plan.digest, None)
        config["server-round"] = number
        if mu:
            config["proximal-mu"] = mu
        content = RecordDict({messages.ARRAYS: messages.pack_tensors(shared), messages.CONFIG: config})
        found = self.ask(content, messages.TRAIN, run)
        if isinstance(found, str):
            return found
        return messages.unpack_update(found, messages.specs_of(shared), tasks.of(self.plan.data))

    def gradient(self, shared: Mapping[str, Tensor], number: int, run: int = 1) -> Gradient | str:
        """Ask for a sum of gradients at weights of its own choice (``strategy=exact``)."""
        sent = pack_matrices({name: tensor.double() for name, tensor in shared.items()}, "float64")
        content = pack_gradient_question(sent, {}, self.plan.digest, number, None, evaluate=False)
        found = self.ask(content, GRADIENT, run)
        if isinstance(found, str):
            return found
        return unpack_gradient(found, messages.specs_of(shared), "float64", tasks.of(self.plan.data))
