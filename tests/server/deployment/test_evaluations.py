"""`site evaluate --send` over real TLS: figures go to the coordinator if both sides allow it, and are checked there."""

from __future__ import annotations

import http.client
import json
import ssl
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import fedgraft as fg
from fedgraft.client.deployment.fetching import fetch
from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.privacy_budget import PrivacyBudget
from fedgraft.client.site.site_file import (
    Coordinator,
    ReleasePolicy,
    SiteFile,
    read_site_file,
    write_site_file,
)
from fedgraft.common.cli import main
from fedgraft.common.runtime.signed_requests import CONTENT, signed_headers
from fedgraft.common.runtime.ssh_keys import key_fingerprint
from fedgraft.server.deployment.folder import Folder, RegisteredSite, Settings, create, write_sites
from fedgraft.server.deployment.public.gateway import EVALUATION_LIMIT_BYTES
from fedgraft.server.deployment.publishing import publish

from .front import gateway_of

RNG = np.random.default_rng(1)
AGE = RNG.normal(60, 10, 240).round()
FRAME: dict[str, Any] = {
    "age": AGE,
    "hospital": np.repeat(["north", "south", "west"], 80),
    "patient": [f"P{number}" for number in range(240)],
    "ill": np.where((AGE - 60) / 10 + RNG.normal(0, 1, 240) > 0.5, "yes", "no"),
}
PATH = "/models/first/evaluations"
AS_THEY_ARE = ReleasePolicy(scores="fine")


@dataclass
class Running:
    """A gateway, a coordinator's folder, and the files of two registered sites; ``west`` did not train ``run``."""

    folder: Folder
    run: Path
    port: int
    sites: dict[str, Path]

    def evaluate(self, site: str, *more: str) -> int:
        file = self.sites[site]
        model = read_site_file(file).state / "models" / "first"
        return main(["site", "evaluate", str(model), "--site", str(file), *more])

    @property
    def kept(self) -> Path:
        return self.folder.published / "first" / "evaluations"

    def post(self, content: bytes, key: str = "west", path: str = PATH, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPSConnection(
            "localhost", self.port, context=ssl.create_default_context(cafile=str(self.folder.authority))
        )
        signed = signed_headers(self.sites[key].parent / "site.key", path, time.time(), content)
        connection.request("POST", path, body=content, headers={**signed, **headers})
        answer = connection.getresponse()
        said = answer.status, answer.read().decode()
        connection.close()
        return said


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("external")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDGRAFT_CACHE", str(root / "cache"))
        words = {"numeric": ["age"], "site": "hospital", "label": "ill", "patient": "patient"}
        source = fg.Source.from_frame(FRAME, **words, folder=root / "frames")  # type: ignore[arg-type]
        plan = fg.plan(source=source, rounds=1, engine__threads=1, data__val_fraction=0.3, hold_out=["west"])
        run = fg.simulate(plan, root / "run", quiet=True).out
        folder = create(root / "coordinator", Settings(("localhost",)))
    with gateway_of(folder) as port:
        sites, registered = {}, []
        for number, name in enumerate(("north", "west")):
            sites[name], state = root / name / "site.yaml", run / "sites" / name / "state"
            public = make_key_pair(root / name / "site.key", name)
            registered.append(RegisteredSite(name, str(number), key_fingerprint(public)))
            coordinator = Coordinator(f"localhost:{port}", folder.authority, root / name / "site.key")
            manifest = run / "sites" / name / "manifest.csv"
            write_site_file(
                sites[name],
                SiteFile(name, manifest, state, device="cpu", threads=1, release=AS_THEY_ARE, coordinator=coordinator),
            )
        write_sites(folder, tuple(registered))
        publish(folder, run, "first")
        for file in sites.values():
            fetch(file, "first")
        yield Running(folder, run, port, sites)


@pytest.fixture
def running(place: Running) -> Iterator[Running]:
    """With evaluations accepted, and none there."""
    publish(place.folder, place.run, "first", accepts=True)
    yield place
    for path in place.kept.iterdir():
        path.unlink()


def test_both_sides_allow_it_and_the_table_has_each_site(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(running.folder.root)
    assert stat.S_IMODE(running.kept.stat().st_mode) == 0o700
    assert running.evaluate("west", "--send") == 0
    assert "sent counts and histograms of scores to localhost" in capsys.readouterr().out
    log = read_site_file(running.sites["west"]).state / "released.jsonl"
    last = json.loads(log.read_text().splitlines()[-1])
    assert (last["what"], last["model"], last["evaluations"]["all"]["cases"]) == ("external", "first", 80)
    (written,) = (read_site_file(running.sites["west"]).state / "evaluations").iterdir()
    own = json.loads(written.read_text())
    assert main(["coordinator", "evaluations", root, "first"]) == 0
    head, west = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["site", "cases", "AUROC"] and west.split()[:2] == ["west", "80"]
    at = own["decisions"]["thresholds"]["yes"]
    assert f"{own['figures']['auroc']['value']:.3f} [" in west
    for what in ("sensitivity", "specificity"):
        assert f"{at[what]['value']:.3f} [{at[what]['low']:.3f}, {at[what]['high']:.3f}]" in west
    assert running.evaluate("north", "--send") == running.evaluate("west", "--send") == 0, "sent again it is replaced"
    capsys.readouterr()
    assert sorted(path.name for path in running.kept.iterdir()) == ["north.json", "west.json"]
    assert main(["coordinator", "evaluations", root, "first"]) == 0
    _, north, again = capsys.readouterr().out.splitlines()
    assert north.endswith("trained it: no external validation") and again.split() == west.split()
    assert fetch(running.sites["west"], "first").path.name == "first", "what was sent is no file of the model"
    assert not (read_site_file(running.sites["west"]).state / "models" / "first" / "evaluations").exists()


def test_two_sites_that_did_not_train_it_are_put_together(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert running.evaluate("west", "--send") == 0
    told = json.loads((running.kept / "west.json").read_text())
    (running.kept / "elm.json").write_text(json.dumps({**told, "site": "elm"}))
    capsys.readouterr()
    assert main(["coordinator", "evaluations", str(running.folder.root), "first"]) == 0
    _, elm, west, together = capsys.readouterr().out.splitlines()
    assert elm.split()[1:] == west.split()[1:]
    assert together.split()[:2] == ["together", "160"] and together.endswith("the 2 sites that did not train it")


def test_a_coordinator_that_does_not_ask_gets_nothing(place: Running, capsys: pytest.CaptureFixture[str]) -> None:
    publish(place.folder, place.run, "shy")
    root = str(place.folder.root)
    assert place.post(b"{}", path="/models/shy/evaluations") == (
        403,
        "the coordinator asks for no evaluations of this model; nothing was taken",
    )
    assert main(["coordinator", "evaluations", root, "shy"]) == 2
    assert "shy was published without --accept-evaluations; publish it again with it" in capsys.readouterr().err
    assert main(["coordinator", "publish", root, str(place.run), "--name", "shy", "--accept-evaluations"]) == 0
    assert main(["coordinator", "evaluations", root, "shy"]) == 2
    assert "no site has sent an evaluation of shy yet" in capsys.readouterr().err
    assert main(["coordinator", "evaluations", root, "../first"]) == 2
    assert "no model '../first' was published; there are: first, shy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ({"evaluation": False}, "has release.evaluation: false; nothing is sent. Leave out --send, or allow it"),
        ({"min_count": 81}, "80 case(s) are fewer than release.min_count=81; not sent"),
        ({}, "site.yaml has a `privacy` budget, and figures would leave without noise; leave out --send"),
    ],
)
def test_a_site_that_forbids_it_sends_nothing(
    running: Running, capsys: pytest.CaptureFixture[str], release: dict[str, Any], said: str
) -> None:
    file = running.sites["west"]
    before, site = file.read_text(), read_site_file(file)
    budget = None if release else PrivacyBudget(epsilon=8.0)
    try:
        write_site_file(file, replace(site, release=replace(site.release, **release), privacy=budget))
        assert running.evaluate("west", "--send") == 2
    finally:
        file.write_text(before)
    assert said in capsys.readouterr().err and not list(running.kept.iterdir())


def test_only_a_model_of_this_coordinator_can_be_told_of(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    file = running.sites["west"]
    assert main(["site", "evaluate", str(running.run), "--site", str(file), "--send"]) == 2
    assert "--send is for models that the coordinator published" in capsys.readouterr().err
    alone = file.with_name("alone.yaml")
    write_site_file(alone, replace(read_site_file(file), coordinator=None))
    model = read_site_file(file).state / "models" / "first"
    assert main(["site", "evaluate", str(model), "--site", str(alone), "--send"]) == 2
    assert "has no `coordinator` section" in capsys.readouterr().err


def test_what_a_stranger_posts_is_not_read(running: Running) -> None:
    content = b"{}"
    assert running.post(content, path="/models/none/evaluations") == (404, "there is no such model")
    assert running.post(content, path="/models/first/other")[0] == 404
    assert running.post(content, **{CONTENT: "0" * 64})[0] == 401, "the signature is of another content"
    context = ssl.create_default_context(cafile=str(running.folder.authority))
    with httpx.Client(verify=context, trust_env=False) as client:
        assert client.post(f"https://localhost:{running.port}{PATH}", content=content).status_code == 401
    long = running.post(b" " * (EVALUATION_LIMIT_BYTES + 1))
    assert long == (413, "the body is too large")


def test_content_that_does_not_hold_together_is_refused_and_not_kept(running: Running) -> None:
    assert running.evaluate("west", "--send") == 0
    good = json.loads(json.loads((running.kept / "west.json").read_text())["content"])
    (running.kept / "west.json").unlink()
    record = good["evaluation"]
    confusion = [record["confusion"][0] + 1, *record["confusion"][1:]]
    for wrong, status, said in (
        ("[" * 100_000, 400, "is not JSON"),
        ({**good, "format": 2}, 400, "not of a format that is known here"),
        ({**good, "more": 1}, 400, "not of a format that is known here"),
        ({**good, "trained": 1}, 400, "is not of its type"),
        ({**good, "model": "0" * 64}, 409, "another model was published under this name; fetch it again"),
        ({**good, "evaluation": {**record, "confusion": confusion}}, 400, "disagree on the number of cases"),
        ({**good, "evaluation": {**record, "confusion": [1.5] * 4}}, 400, "one whole number per pair of classes"),
        ({**good, "evaluation": {**record, "loss-sum": float("nan")}}, 400, "loss is not a finite number"),
        ({**good, "evaluation": {**record, "bins": {"base64": "!"}}}, 400, "holds a value of another type"),
        ({**good, "evaluation": {**record, "bins": None}}, 400, "holds a value of another type"),
        ({**good, "evaluation": {}}, 400, "one whole number per pair of classes"),
    ):
        content = wrong if isinstance(wrong, str) else json.dumps(wrong)
        found = running.post(content.encode())
        assert found[0] == status and said in found[1], (said, found)
    assert running.post(b"\xff\xfe")[0] == 400
    assert list(running.kept.iterdir()) == []
    assert running.post(json.dumps(good).encode()) == (200, "kept")


def test_a_coordinator_that_refuses_is_said(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    running.kept.rename(running.folder.published / "aside")
    try:
        assert running.evaluate("west", "--send") == 2
    finally:
        (running.folder.published / "aside").rename(running.kept)
    assert "does not take the evaluation: the coordinator asks for no evaluations" in capsys.readouterr().err
