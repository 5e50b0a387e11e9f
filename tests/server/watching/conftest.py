"""A coordinator's folder with a run of a table over three sites, one of which is left out, that was really run."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import pytest
from flwr.app import Context, Message

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.run_lock import run_lock
from fedgraft.common.wire.site_facts import WIRE, SiteFacts, pack_facts
from fedgraft.server import app
from fedgraft.server.checkpoints.folder import Checkpoints
from fedgraft.server.deployment.folder import Folder, RegisteredSite, Settings, create, write_sites
from fedgraft.server.deployment.launch import leave_for_server_app
from fedgraft.server.deployment.public.announced import read_announced
from fedgraft.server.exchange.deployed_grid import deployed
from fedgraft.server.watching.observed import Observed, observe
from fedgraft.simulations.engine.grid import InProcessGrid

from ...conftest import hospitals_with_tables, plan_of_table


@dataclass
class Watched:
    """The folder, the run's, and what was seen whenever a site got a message."""

    folder: Folder
    out: Path
    names: tuple[str, ...]
    during: list[Observed] = field(default_factory=list)

    def look(self) -> Observed:
        return observe(self.out, read_announced(self.folder), time.time())

    def tell(self, site: str, seconds_ago: float = 5.0) -> None:
        """Facts of a site, as the gateway keeps them."""
        self.folder.facts.mkdir(exist_ok=True)
        kept = {
            "received": time.time() - seconds_ago,
            "facts": pack_facts(SiteFacts(version("fedgraft"), WIRE, "rows")).decode(),
        }
        (self.folder.facts / f"{site}.json").write_text(json.dumps(kept))


def begun(root: Path, plan: Plan) -> Watched:
    """A coordinator and three hospitals below a folder, and a run that was submitted."""
    folder = create(root / "coordinator", Settings(("localhost",)))
    sites = hospitals_with_tables(root / "hospitals")
    names = tuple(site.parent.name for site in sites)
    nodes = {str(1000 + index): name for index, name in enumerate(names)}
    write_sites(folder, tuple(RegisteredSite(name, node, f"SHA256:{name}") for node, name in nodes.items()))
    found = Watched(folder, folder.runs / "first", names)
    found.out.mkdir(parents=True)
    leave_for_server_app(found.out, plan, nodes, folder.sites_file, {"1002": names[2]})
    return found


def carried_out(watched: Watched, plan: Plan, looks: bool = True) -> Watched:
    """The same after the run's end; ``looks``: at each message."""
    hospitals = watched.folder.root.with_name("hospitals")
    sites = [hospitals / name / "site.yaml" for name in watched.names]
    answering = client_app.build(client_app.MessageHandler(Workspace(), sites))

    def answer(message: Message, context: Context) -> Message:
        if looks:
            watched.during.append(watched.look())
        return answering(message, context)

    for name in watched.names[:2]:
        watched.tell(name)
    grid = InProcessGrid(answer, [{"site-file": str(site)} for site in sites], {})  # type: ignore[arg-type]
    with run_lock(watched.out):
        registered = app._registered(watched.out)
        app.serve(deployed(grid, watched.out, registered), plan, watched.out, None, lambda round_: None, draw=False)
        Checkpoints(watched.out).end()
    return watched


@pytest.fixture
def watched(table_plan: Callable[..., Plan], tmp_path: Path) -> Watched:
    return begun(tmp_path, table_plan("decide.unseen=null"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """After the run's end; made once."""
    plan = plan_of_table("decide.unseen=null")
    return carried_out(begun(tmp_path_factory.mktemp("finished"), plan), plan)


@pytest.fixture
def run(finished: Watched, tmp_path: Path) -> Watched:
    """A copy of the finished run."""
    shutil.copytree(finished.folder.root, tmp_path / "coordinator", dirs_exist_ok=True)
    folder = Folder(tmp_path / "coordinator")
    copied = Watched(folder, folder.runs / "first", finished.names, finished.during)
    for name in copied.names[:2]:
        copied.tell(name)
    return copied
