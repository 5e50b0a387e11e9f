"""What a plan names on the coordinator's machine stays there: no message and no run's configuration holds it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from flwr.app import Message

from fedgraft.common.plan.plan import Plan
from fedgraft.server.app import with_tracking
from fedgraft.server.deployment.folder import REGISTERED
from fedgraft.server.deployment.launch import leave_for_server_app
from fedgraft.server.exchange.roster import admit
from fedgraft.simulations.federation.sites import lay_out

from ..in_process import Tampered, context_over

Composer = Callable[..., Plan]
FOLDER = "/srv/only-of-the-coordinator"


def test_the_plan_that_sites_get_names_no_folder_of_the_coordinator(
    compose_plan: Composer, cache: Path, tmp_path: Path
) -> None:
    plan = compose_plan("tracking=tensorboard", f"tracking.folder={FOLDER}")
    assert FOLDER in plan.to_json() and plan.for_sites().digest == plan.digest
    told: list[str] = []

    def listen(message: Message, reply: Message) -> Message:
        told.extend(str(value) for record in message.content.config_records.values() for value in record.values())
        return reply

    sites = lay_out(plan, tmp_path / "sites", {"FEDGRAFT_CACHE": str(cache)}).sites
    context = context_over(plan, Tampered(list(sites.values())[:1], {0: listen}))
    roster = admit(context.delivery, plan, context.backbone, context.delivery.nodes(), 0, context.ledger)
    assert [offer.site for offer in roster.values()] == ["alder"]
    assert any('"rounds"' in text for text in told) and not any(FOLDER in text for text in told)


def test_the_server_app_finds_its_tracking_in_the_run_s_folder(compose_plan: Composer, tmp_path: Path) -> None:
    plan = compose_plan("tracking=mlflow", f"tracking.folder={FOLDER}")
    assert with_tracking(plan.for_sites(), tmp_path) == plan.for_sites()
    leave_for_server_app(tmp_path, plan, {"7": "north"}, tmp_path / "sites.json")
    assert with_tracking(plan.for_sites(), tmp_path) == plan
    assert json.loads((tmp_path / REGISTERED).read_text()) == {"7": "north"}
