"""The plan of a simulation, run between a real SuperLink and three real SuperNodes over TLS, gives the same tensors."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import safetensors.torch
import torch
from rich.console import Console

from fedgraft.client.audit.heads import HEADS
from fedgraft.client.audit.verify import verify
from fedgraft.common.logs.heads import read_kept
from fedgraft.common.model_folder.graft import Graft, begun_from
from fedgraft.common.plan.plan import Plan, load_plan
from fedgraft.common.plan.protection.aggregation_section import AggregationSection
from fedgraft.simulations.engine.run import simulate

from .conftest import Deployment, Service


def test_a_deployed_run_equals_the_simulation(
    deployment: Deployment,
    start_site: Callable[..., Service],
    compose_plan: Callable[..., Plan],
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SiloBN: shared and local tensors, and batch statistics; FedProx; two rounds, which begin from the graft of an
    earlier run; three hospitals' DICOM files."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    plan = compose_plan("strategy=fedprox", "adaptation=silobn", "patience.quorum_sites=3", "patience.deadline=120")
    simulate(replace(plan, rounds=1), tmp_path / "earlier", Console(file=StringIO()))
    plan, graft = begun_from(plan, tmp_path / "earlier")
    simulate(plan, tmp_path / "simulated", Console(file=StringIO()), graft=graft)
    for folder in sorted((tmp_path / "simulated" / "sites").iterdir()):
        start_site(deployment.site_file(folder.name, folder / "manifest.csv"))

    out = tmp_path / "deployed"
    plan_file = str(tmp_path / "simulated" / "plan.yaml")
    done = deployment.command(
        "coordinator", "run", str(deployment.folder.root), "--plan", plan_file, "--out", str(out), seconds=240
    )

    assert done.returncode == 0, done.stdout + done.stderr
    expected, found = (
        safetensors.torch.load_file(f / "model" / "model.safetensors") for f in (tmp_path / "simulated", out)
    )
    assert set(expected) == set(found)
    for name, tensor in expected.items():
        assert torch.allclose(tensor, found[name], rtol=1e-5, atol=1e-5), name
    summaries = [json.loads((f / "summary.json").read_text()) for f in (tmp_path / "simulated", out)]
    hospitals = load_plan(out / "plan.yaml")
    assert hospitals == load_plan(tmp_path / "simulated" / "plan.yaml").for_hospitals()
    assert [summary["plan_digest"] for summary in summaries] == [plan.digest, hospitals.digest]
    for site, figures in summaries[0]["sites"].items():
        assert summaries[1]["sites"][site]["auroc"] == pytest.approx(figures["auroc"], abs=1e-4)
    assert summaries[1]["dropped"] == []
    assert graft is not None and hospitals.start_from == graft.digest
    assert summaries[1]["start_from"] == {"digest": graft.digest, "run": "earlier", "plan_digest": graft.trained_by}
    down = [json.loads(line)["bytes_down"] for line in (out / "ledger.jsonl").read_text().splitlines()]
    backbone = 4 * sum(t.numel() for n, t in expected.items() if n.startswith("backbone."))
    assert sum(size > backbone for size in down) == 3, "each site received the backbone once"
    for site in summaries[1]["sites"]:
        phases = [
            json.loads(line) for line in (deployment.scratch / site / "state" / "phases.jsonl").read_text().splitlines()
        ]
        asked = [
            "query.prepare",
            "query.backbone",
            "train",
            "train",
            "evaluate",
            "query.familiarity",
            "query.familiarity",
        ]
        assert [line["what"] for line in phases] == asked
        cases = len((tmp_path / "simulated" / "sites" / site / "manifest.csv").read_text().splitlines()) - 1
        assert [line["computed"] for line in phases] == [0, cases, 0, 0, 0, 0, 0], "each case is decoded once"
        assert {"receive", "build", "cohort", "evaluate", "train", "answer"} == set(phases[3]["seconds"])
        assert site not in json.dumps(phases) and "path" not in json.dumps(phases)
    _logs_hold_by_what_the_others_kept(deployment, out, sorted(summaries[1]["sites"]))
    _secure_sums_give_the_same(deployment, plan, graft, tmp_path)


def _logs_hold_by_what_the_others_kept(deployment: Deployment, out: Path, sites: list[str]) -> None:
    """Each side's logs reach as far as the other side knows, by the statements that went with the messages."""
    for site in sites:
        state = deployment.scratch / site / "state"
        kept = read_kept(deployment.folder.root / "heads" / f"{site}.jsonl")
        assert verify(state, kept).is_clean
        assert set(kept[-1].heads) == {"released", "runs"} and kept[-1].heads["released"].lines >= 6
        assert kept[-1].heads == read_kept(state / HEADS)[-1].heads
    held = ["--held", str(*(state / "ledgers").glob("*.jsonl"))]
    told = deployment.command("coordinator", "audit", str(deployment.folder.root), str(out), *held, seconds=120)
    assert told.returncode == 0 and "(signed)" in told.stdout, told.stdout + told.stderr


def _secure_sums_give_the_same(deployment: Deployment, plan: Plan, graft: Graft, tmp_path: Path) -> None:
    """The same hospitals in secure sums: one message more a round, after two for the first keys and shares."""
    decide, calibration = (
        replace(one, by_site=how) for one, how in ((plan.decide, "pooled"), (plan.calibration, False))
    )
    secure = replace(plan, rounds=1, aggregation=AggregationSection(True), calibration=calibration)
    secure = replace(secure, decide=replace(decide, unseen=None))
    simulate(secure, tmp_path / "in secure sums", Console(file=StringIO()), graft=graft)
    out, plan_file = tmp_path / "deployed in secure sums", str(tmp_path / "in secure sums" / "plan.yaml")
    done = deployment.command(
        "coordinator", "run", str(deployment.folder.root), "--plan", plan_file, "--out", str(out), seconds=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    expected, found = (
        safetensors.torch.load_file(f / "model" / "model.safetensors") for f in (tmp_path / "in secure sums", out)
    )
    for name, tensor in expected.items():
        assert torch.allclose(tensor, found[name], rtol=1e-5, atol=1e-5), name
    lines = [json.loads(line) for line in (out / "ledger.jsonl").read_text().splitlines()]
    assert {line["outcome"] for line in lines} == {"ok"}
    asked = [
        "prepare",
        "secure",
        "secure",
        "secure",
        "train",
        "secure",
        "evaluate",
    ]  # lines of a sum come after its steps
    sites = {line["site"] for line in lines}
    assert len(sites) == 3
    for site in sites:
        assert [line["what"] for line in lines if line["site"] == site] == asked
        state = deployment.scratch / site / "state"
        told = [json.loads(line) for line in (state / "released.jsonl").read_text().splitlines()]
        assert [line["what"] for line in told][-2:] == ["masked evaluate", "shares for a secure sum"]
        assert told[-1]["sites"] == 3 and told[-1]["lost"] == 0
