"""A model that was fitted over TLS has the simulation's tensors; it is published, fetched by a site that took no part,
verified, and predicts there."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
import safetensors.torch
import torch
from rich.console import Console

from fedgraft.client.deployment.fetching import fetch, published
from fedgraft.client.site.site_file import Fractions
from fedgraft.common.cli import main
from fedgraft.common.errors import DeploymentError, ModelError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.deployment.publishing import publish
from fedgraft.simulations.engine.run import simulate

from .conftest import Deployment, Service

EVALUATIONS = 2
"""Of the gradient; each is a process at every site: the first question, and one that brings no given tensors."""
WORDS = (
    *("features=taps", "head=plain", "loss.weights=none", "rounds=1", "strategy=exact", "strategy.weakest=0.1"),
    *(f"strategy.most_evaluations={EVALUATIONS}", "patience.quorum_sites=2", "patience.deadline=120"),
    *("data.sites=2", "data.val_fraction=0.3", "decide.unseen=null"),
)


def numbers(path: Path) -> list[dict[str, float]]:
    with path.open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    return [{name: float(cell) for name, cell in line.items() if name[:4] in ("raw_", "cali")} for line in lines]


def test_a_model_is_released(
    deployment: Deployment,
    start_site: Callable[..., Service],
    compose_plan: Callable[..., Plan],
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    plan, here, out = compose_plan(*WORDS), tmp_path / "here", tmp_path / "deployed"
    simulate(plan, here, Console(file=StringIO()))
    manifests = {name: here / "sites" / name / "manifest.csv" for name in ("alder", "birch")}
    for name, manifest in manifests.items():
        split = Fractions(plan.data.val_fraction, plan.data.test_fraction)
        start_site(deployment.site_file(f"release-{name}", manifest, split=split))
    root = str(deployment.folder.root)
    asked = ("--plan", str(here / "plan.yaml"), "--out", str(out))
    done = deployment.command("coordinator", "run", root, *asked, seconds=240)
    assert done.returncode == 0, done.stdout + done.stderr
    _has_the_tensors_of(here, out)

    assert main(["coordinator", "publish", root, str(out), "--name", "first"]) == 0
    new = deployment.site_file("release-new", manifests["alder"])
    assert main(["site", "fetch", "--site", str(new)]) == 0
    assert "first" in capsys.readouterr().out.splitlines()
    assert main(["site", "fetch", "first", "--site", str(new)]) == 0
    assert "signed by the coordinator, and every file is as it was signed" in capsys.readouterr().out
    fetched = new.parent / "state" / "models" / "first"
    sent = {path.name: path.read_bytes() for path in (deployment.folder.published / "first").iterdir()}
    assert {path.name: path.read_bytes() for path in fetched.iterdir()} == sent
    assert {path.name: path.read_bytes() for path in (out / "model").iterdir()} == {
        name: content for name, content in sent.items() if name != "signature"
    }
    assert fetch(new, "first").path == fetched, "fetched again it is the same"

    for model, file, more in ((fetched, "there.csv", ("--site", str(new))), (here, "here.csv", ())):
        given = ("--manifest", str(manifests["birch"]), "--out", str(tmp_path / file))
        assert main(["predict", str(model), *given, *more]) == 0
    there, expected = numbers(tmp_path / "there.csv"), numbers(tmp_path / "here.csv")
    assert len(there) == 32
    for one, other in zip(there, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-5) and len(one) == 4

    capsys.readouterr()
    assert main(["site", "evaluate", str(fetched), "--site", str(new)]) == 0
    assert "nothing was sent" in capsys.readouterr().out
    (written,) = (new.parent / "state" / "evaluations").iterdir()
    assert stat.S_IMODE(written.stat().st_mode) == 0o600 and json.loads(written.read_text())["cases"] == 32
    assert main(["coordinator", "publish", root, str(out), "--name", "first", "--accept-evaluations"]) == 0
    assert main(["site", "evaluate", str(fetched), "--site", str(new), "--send"]) == 0
    capsys.readouterr()
    assert main(["coordinator", "evaluations", root, "first"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["release-new", "32"]
    _refusals(deployment, new, out)


def _refusals(deployment: Deployment, new: Path, out: Path) -> None:
    stranger = deployment.site_file("release-stranger", new, register=False)
    with pytest.raises(DeploymentError, match="models are for registered sites"):
        published(stranger)
    target = publish(deployment.folder, out, "changed").path / "model.safetensors"
    content = bytearray(target.read_bytes())
    content[-10] ^= 1
    target.write_bytes(bytes(content))
    with pytest.raises(ModelError, match=r"model.safetensors is not as it was written: its SHA-256 is another"):
        fetch(new, "changed")
    assert sorted(path.name for path in (new.parent / "state" / "models").iterdir()) == ["first"]
    with pytest.raises(DeploymentError, match="--name 'a b' must be letters, digits, - and _"):
        publish(deployment.folder, out, "a b")


def _has_the_tensors_of(here: Path, out: Path) -> None:
    """Moments are pooled, given tensors come with the first question only, and the head of two classes as one row."""
    expected, found = (safetensors.torch.load_file(f / "model" / "model.safetensors") for f in (here, out))
    assert set(expected) == set(found) and {"scale.mean", "scale.deviation", "head.weight"} <= set(found)
    for name, tensor in expected.items():
        assert torch.allclose(tensor, found[name], rtol=1e-4, atol=1e-4), name
    asked = [json.loads(line) for line in (out / "ledger.jsonl").read_text().splitlines()]
    first, *later = [
        line["bytes_down"] for line in asked if line["what"] == "gradient" and line["site"] == "release-alder"
    ]
    width = found["scale.mean"].numel()
    assert len(later) == EVALUATIONS - 1
    assert first - max(later) > 8 * width
    assert 4 * width < max(later) < 8 * width, "one row of the head in float32"
