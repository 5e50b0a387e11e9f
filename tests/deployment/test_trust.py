"""Trust from the first day: what is reachable, whose code runs at a site, and what an exception says outside it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from crowd import Crowd
from PIL import Image

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.manifest import write_manifest
from fedgraft.client.site.site_file import Coordinator, read_site_file, write_site_file
from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.flower import executable, quiet_environment
from fedgraft.server.deployment import orders
from fedgraft.server.deployment.bundle import write_bundle
from fedgraft.server.deployment.health import is_healthy
from fedgraft.server.deployment.pki import make_authority
from fedgraft.simulations.planning.planned import Words
from fedgraft.simulations.planning.words import composed

from .conftest import Deployment, Service

SECRET = "mueller-1957"
HOSTILE_SERVER = """
import json, os, sqlite3
import witness  # here the bundle's code runs, at a site it must not
from pathlib import Path
from flwr.app import Message, RecordDict
from flwr.serverapp import ServerApp
app = ServerApp()

@app.main()
def main(grid, context):
    with sqlite3.connect(os.path.join(os.environ["FLWR_HOME"], "state.db"), timeout=30) as link:
        link.execute("UPDATE task SET type = ? WHERE run_id = ?", (
            context.run_config["plan"], context.run_id - (1 << 64) * (context.run_id >> 63)))
    nodes = list(grid.get_node_ids())
    said = []
    for kind in ("query.prepare", "query.none"):
        for reply in grid.send_and_receive([Message(RecordDict(), node, kind) for node in nodes], timeout=60):
            said.append(reply.error.reason if reply.has_error() else "content")
    Path(context.run_config["run"]).write_text(json.dumps(said))
"""


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def run_ids(deployment: Deployment) -> set[str]:
    return {one.run_id for one in orders.run_states(deployment.folder)}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty-two small pictures of two kinds."""
    folder = tmp_path_factory.mktemp("cohort")
    rng = np.random.default_rng(0)
    cases = []
    for index in range(32):
        label = ("clear", "lesion")[index % 2]
        pixels = rng.integers(0, 120, (48, 48)) + 100 * (index % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index}.png")
        cases.append(Case(str(folder / f"{index}.png"), label, f"p{index}"))
    write_manifest(folder / "manifest.csv", cases)
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def plan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest plan: an untrained network of a hundred thousand parameters, one round."""
    overrides = ["backbone=timm", "backbone.name=test_resnet", "backbone.pretrained=false", "rounds=1"]
    overrides += [
        "data.image_size=32",
        "patience.quorum_sites=1",
        "patience.deadline=90",
        "train.batch_size=8",
        "loss.weights=none",
    ]
    plan = composed(Words(tuple(overrides))).plan
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    path.write_text(plan.to_json(), encoding="utf-8")
    return path


def flower_home(folder: Path, deployment: Deployment, port: int) -> dict[str, str]:
    """The environment of somebody who has Flower's command, the CA certificate and the address."""
    text = '[superlink]\ndefault = "out"\n[superlink.out]\n'
    text += f'address = "localhost:{port}"\nroot-certificates = "{deployment.folder.authority}"\n'
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(text)
    return {**quiet_environment(os.environ), "FLWR_HOME": str(folder)}


@pytest.fixture(scope="module")
def two_sites(
    deployment: Deployment, cohort: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Path]]:
    """One site that is well, and one whose manifest can't be used, so that its exceptions name a file."""
    broken = tmp_path_factory.mktemp("missing") / f"{SECRET}.csv"
    broken.write_text("path,label,patient\n" + f"{SECRET}.png,clear,{SECRET}\n" * 2)
    files = (deployment.site_file("well", cohort), deployment.site_file("broken", broken))
    started = [deployment.start_site(path) for path in files]
    for service in started:
        service.wait_for("connected to")
    yield files
    for service in started:
        assert service.stop() == 0
    deployment.shut_out({path.parent.name for path in files})


@pytest.mark.parametrize(
    "order",
    [("supernode", "list"), ("list",), ("log", "1", "--show"), ("stop", "1"), ("run", "APP")],
    ids=lambda order: str(order[0]),
)
def test_control_calls_from_outside_are_refused(deployment: Deployment, tmp_path: Path, order: tuple[str, ...]) -> None:
    arguments = [str(write_bundle(tmp_path)) if word == "APP" else word for word in order]

    def flwr(port: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [executable("flwr"), *arguments],
            env=flower_home(tmp_path / "home", deployment, port),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    refused = flwr(deployment.settings.port)
    assert refused.returncode != 0
    assert "403" in refused.stdout + refused.stderr
    if order == ("supernode", "list"):
        assert flwr(deployment.settings.internal_port).returncode == 0, "the same order works from inside"


def test_runtime_calls_from_outside_are_refused(deployment: Deployment) -> None:
    """With the very secret of the coordinator's own SuperExec."""
    done = subprocess.run(
        [
            *(executable("flower-superexec"), "--runtime-api-address", deployment.address),
            *("--root-certificates", str(deployment.folder.authority)),
            *("--superexec-auth-secret-file", str(deployment.folder.secret)),
        ],
        env=quiet_environment(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "RunNotRunningException" in done.stderr + done.stdout, "what Flower makes of status 403"


def test_a_run_completes_in_a_crowd_and_a_failing_site_leaves_a_code_only(
    deployment: Deployment, two_sites: tuple[Path, Path], plan_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    arguments = ("--plan", str(plan_file), "--out", str(out))
    with Crowd(deployment.settings.port, deployment.folder.authority, 200) as crowd:
        done = deployment.command("coordinator", "run", str(deployment.folder.root), *arguments, seconds=400)
        assert is_healthy(deployment.folder, deployment.settings.port)
    assert crowd.sent_away >= 72, "128 of one address fit"
    assert done.returncode == 0, done.stdout + done.stderr
    assert ": completed; see " in done.stdout and "round 1: 1 site(s) updated" in done.stdout
    summary = json.loads((out / "summary.json").read_text())
    assert list(summary["sites"]) == ["well"]
    ledger = (out / "ledger.jsonl").read_text()
    assert "data-unusable" in ledger, ledger
    seen = deployment.command("coordinator", "watch", str(deployment.folder.root), str(out), "--once")
    assert seen.returncode == 0 and "run: completed" in seen.stdout, seen.stdout + seen.stderr
    for name, did in (("well", "answered "), ("broken", "failed backbone after ")):
        (line,) = [line for line in seen.stdout.splitlines() if line.startswith(name)]
        assert " ago " in line and did in line, line
    everywhere = [*deployment.folder.root.rglob("*"), *out.rglob("*")]
    for path in (path for path in everywhere if path.is_file()):
        assert SECRET.encode() not in path.read_bytes(), path
    at_sites = [path for site in two_sites for path in (site.parent / "state").rglob("*")]
    for path in (*everywhere, *at_sites, deployment.folder.root, out):
        assert not path.lstat().st_mode & 0o077, f"{path} can be read by others"
    assert SECRET not in done.stdout + done.stderr


def test_a_plan_that_does_not_fit_is_refused_before_anything_is_submitted(
    deployment: Deployment, two_sites: tuple[Path, Path], table_plan: Callable[..., Plan], tmp_path: Path
) -> None:
    told = [deployment.folder.facts / f"{name}.json" for name in ("well", "broken")]
    until(lambda: all(path.is_file() for path in told))
    asked = tmp_path / "plan.json"
    asked.write_text(table_plan().to_json(), encoding="utf-8")
    runs, root = run_ids(deployment), str(deployment.folder.root)
    done = deployment.command("coordinator", "run", root, "--plan", str(asked), "--out", str(tmp_path / "out"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "nothing was submitted: the plan does not fit 2 site(s)" in done.stderr
    for name in ("well", "broken"):
        (line,) = [line for line in done.stderr.splitlines() if line.startswith(name)]
        assert "a case of the plan is a row of the table, of its manifest a file or an array" in line
        assert "another plan for this site" in line
    assert run_ids(deployment) == runs and not (tmp_path / "out").exists()


def hostile_bundle(folder: Path, touched: Path) -> Path:
    """A bundle whose ServerApp asks sites what it likes, with code for them to run that leaves a trace."""
    attack = f"import os\nprint(os.environ['FLWR_HOME'], file=open({str(touched)!r}, 'a'))\napp = None\n"
    bundle = write_bundle(folder)
    settings = (bundle / "pyproject.toml").read_text()
    settings = settings.replace("fedgraft.server.app:app", "hostile_server:app")
    settings = settings.replace("[tool.flwr.app]", '[tool.flwr.app]\nfab-include = ["**/*.py"]')
    (bundle / "pyproject.toml").write_text(settings)
    (bundle / "hostile_server.py").write_text(HOSTILE_SERVER)
    for name in (
        "fedgraft/client/app/client_app.py",
        "fedgraft/__init__.py",
        "torch.py",
        "numpy/__init__.py",
        "witness.py",
    ):
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_text(attack)
    return bundle


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("flwr-serverapp", {"fedgraft:wire", "fedgraft:unexpected"}),
        ("flwr-agentapp", {"AgentApp failed before replying."}),
    ],
)
def test_code_in_a_bundle_has_no_effect_at_a_site(
    deployment: Deployment, two_sites: tuple[Path, Path], tmp_path: Path, kind: str, said: set[str]
) -> None:
    """Sites answer with the ClientApp they installed, and turn down the other kind of app that Flower knows.

    The coordinator's own machine runs the bundle's ServerApp, which here even changes the coordinator's database.
    """
    touched = tmp_path / "touched"
    bundle = hostile_bundle(tmp_path, touched)
    config = tmp_path / "run.toml"
    config.write_text(f'run = "{tmp_path / "replies.json"}"\nplan = "{kind}"\n')
    run = orders.submit(deployment.folder, bundle, config)
    while not (state := orders.run_state(deployment.folder, run)).finished:
        time.sleep(0.5)
    assert state.completed
    replies = json.loads((tmp_path / "replies.json").read_text())
    assert (len(replies), set(replies)) == (4, said)
    ran_at = {Path(home) for home in touched.read_text().split()}
    assert deployment.folder.link in ran_at, "the attack works where bundles are trusted"
    assert ran_at <= {deployment.folder.link, deployment.folder.cli_home}
    for site in two_sites:
        assert list((site.parent / "state").rglob("*.py")) == []


def test_an_unregistered_key_is_said_in_one_sentence(
    deployment: Deployment, start_site: Callable[..., Service], cohort: Path
) -> None:
    site = deployment.site_file("stranger", cohort, register=False)
    service = start_site(site, "--patience", "0", wait=False)
    assert service.process.wait(60) == 1
    assert service.said().count("\n") == 1
    assert "site stranger: giving up: the coordinator does not admit site stranger: its key" in service.said()


def test_a_wrong_authority_is_said_in_one_sentence(
    deployment: Deployment, start_site: Callable[..., Service], cohort: Path, tmp_path: Path
) -> None:
    path = deployment.site_file("misled", cohort, register=False)
    make_authority(tmp_path / "ca.crt", tmp_path / "ca.key")
    site = read_site_file(path)
    assert site.coordinator is not None
    other = Coordinator(site.coordinator.address, tmp_path / "ca.crt", site.coordinator.key)
    write_site_file(path, type(site)(**{**site.__dict__, "coordinator": other}))
    service = start_site(path, wait=False)
    assert service.process.wait(60) == 1
    assert service.said().count("\n") == 1
    assert "is not the one that coordinator.ca" in service.said()
