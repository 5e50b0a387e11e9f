"""Models on the gateway over real TLS, in front of a stand-in for a SuperLink: who gets what, and what is kept."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from fedgraft.client.deployment.fetching import fetch, published
from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.site_file import Coordinator, SiteFile, write_site_file
from fedgraft.common.cli import main
from fedgraft.common.errors import DeploymentError, ModelError
from fedgraft.common.model_folder.digests import write_digests
from fedgraft.common.model_folder.folder import open_model, write_model
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.ssh_keys import key_fingerprint
from fedgraft.server.deployment.folder import Folder, RegisteredSite, Settings, create, write_sites
from fedgraft.server.deployment.publishing import publish

from .front import Upstream, gateway_of


@dataclass
class Running:
    """A gateway, and a site that it knows."""

    folder: Folder
    site: Path
    port: int
    upstream: Upstream

    def get(self, path: str) -> httpx.Response:
        context = ssl.create_default_context(cafile=str(self.folder.authority))
        with httpx.Client(verify=context, trust_env=False) as client:
            return client.get(f"https://localhost:{self.port}{path}")

    @property
    def fetched(self) -> Path:
        return self.site.parent / "state" / "models"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    folder = create(tmp_path / "coordinator", Settings(("localhost",)))
    upstream = Upstream()
    with gateway_of(folder, upstream) as port:
        public = make_key_pair(tmp_path / "north" / "site.key", "north")
        write_sites(folder, (RegisteredSite("north", "1", key_fingerprint(public)),))
        site, state = tmp_path / "north" / "site.yaml", tmp_path / "north" / "state"
        coordinator = Coordinator(f"localhost:{port}", folder.authority, tmp_path / "north" / "site.key")
        write_site_file(site, SiteFile("north", tmp_path / "m.csv", state, coordinator=coordinator))
        yield Running(folder, site, port, upstream)


@pytest.fixture
def run(tmp_path: Path, compose_plan: Callable[..., Plan]) -> Path:
    plan = compose_plan()
    write_model(tmp_path / "lungs" / "model", plan, build(plan, None))
    return tmp_path / "lungs"


def test_a_model_by_the_name_of_its_run(running: Running, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["site", "fetch", "--site", str(running.site)]) == 0
    assert "the coordinator has published no model" in capsys.readouterr().out
    assert main(["coordinator", "publish", str(running.folder.root), str(run)]) == 0
    assert "published lungs: every registered site can fetch it" in capsys.readouterr().out
    assert published(running.site)[1] == ["lungs"]
    model = fetch(running.site, "lungs")
    assert model.path == running.fetched / "lungs"
    capsys.readouterr()
    assert main(["site", "fetch", "lungs", "--site", str(running.site)]) == 0
    said = capsys.readouterr().out
    assert f"next: fedgraft site evaluate lungs --site {running.site} " in said
    assert f"  or: fedgraft predict lungs --site {running.site} --manifest new.csv" in said
    assert model.about == open_model(run).about
    assert publish(running.folder, run, None).path == running.folder.published / "lungs", "the same again"
    assert set(running.upstream.seen) == {("GET", "/health")}, "nothing of it reaches the SuperLink"


def test_another_model_of_that_name_is_no_replacement(running: Running, run: Path) -> None:
    publish(running.folder, run, "first")
    fetch(running.site, "first")
    (run / "model" / "README.md").write_text("another", encoding="utf-8")
    names = [path.name for path in (run / "model").iterdir() if path.name != "digests.json"]
    write_digests(run / "model", names)
    with pytest.raises(DeploymentError, match=r"--name first is another model's; name this one differently, or remove"):
        publish(running.folder, run, "first")
    publish(running.folder, run, "second")
    (running.folder.published / "first").rename(running.folder.published / "old")
    (running.folder.published / "second").rename(running.folder.published / "first")
    with pytest.raises(ModelError, match=r"first is another model of that name, fetched before; remove it"):
        fetch(running.site, "first")


@pytest.mark.parametrize("file", ["model.safetensors", "plan.yaml", "about.json", "README.md"])
def test_a_changed_byte_is_refused_by_the_file_that_holds_it(running: Running, run: Path, file: str) -> None:
    path = publish(running.folder, run, "first").path / file
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ModelError, match=rf"{file} is not as it was written: its SHA-256 is another"):
        fetch(running.site, "first")
    assert not list(running.fetched.iterdir())


def test_strangers_get_nothing(running: Running, run: Path) -> None:
    publish(running.folder, run, "first")
    for path in ("/models", "/models/first/plan.yaml", "/models/none"):
        answer = running.get(path)
        assert (answer.status_code, "models are for registered sites" in answer.text) == (401, True)
    assert running.get("/models?a=b").text == "only the Fleet API is reachable here"
    write_sites(running.folder, ())
    with pytest.raises(DeploymentError, match=r"gives no /models/first/digests.json: models are for registered sites"):
        fetch(running.site, "first")


@pytest.mark.parametrize("name", ["none", "..", ".first.partial", "first/../../link"])
def test_only_what_was_published_is_there(running: Running, run: Path, name: str) -> None:
    publish(running.folder, run, "first")
    (running.folder.published / ".first.partial").mkdir()
    with pytest.raises(DeploymentError, match=r"there is no such model|is no name of a model: letters, digits"):
        fetch(running.site, name)


def test_a_coordinator_that_is_away_is_said(running: Running, run: Path) -> None:
    text = running.site.read_text(encoding="utf-8").replace(f":{running.port}", ":1")
    running.site.write_text(text, encoding="utf-8")
    with pytest.raises(DeploymentError, match=r"the coordinator at localhost:1 can't be reached"):
        fetch(running.site, "first")
    with pytest.raises(DeploymentError, match=r"holds no coordinator.yaml"):
        publish(Folder(run), run, None)
