"""What a process loads: a coordinator nothing of a site's, a site nothing of the coordinator's.

The imports of the source say so too (``test_house.py``), but parts are imported by the dotted paths of a plan. So a
coordinator and its sites run here as processes of their own, with parts that both sides build, and say in the end what
they have imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path

import pytest

from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.sites import lay_out

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[1]
APART = ROOT / "tests" / "apart"
PARTS = (
    "personal=ditto",
    "alignment=mmd",
    "harmonise=histogram",
    "initial=ridge",
    "loss=logit_adjusted",
    "adaptation=ssf",
    "compression=int8",
)
FEDERATED = ("rounds=2", "data.sites=2", "data.cases=96")


def floors(modules: list[str]) -> set[str]:
    """The floors of fedgraft from which a process has imported something; all may read ``conf``."""
    return {name.split(".")[1] for name in modules if name.startswith("fedgraft.")} - {"conf"}


def test_a_run_s_coordinator_has_nothing_of_a_site_and_its_sites_nothing_of_it(
    compose_plan: Callable[..., Plan], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    plan = compose_plan(*PARTS, *FEDERATED)
    sites = [str(path) for path in lay_out(plan, tmp_path / "sites", os.environ).sites.values()]
    (tmp_path / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    ends, out = Pipe(), tmp_path / "out"
    commands = (
        ["coordinator.py", str(ends[0].fileno()), str(tmp_path / "plan.json"), str(out), str(len(sites))],
        ["sites.py", str(ends[1].fileno()), *sites],
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-P", str(APART / name), *arguments],
            stdout=subprocess.PIPE,
            pass_fds=[end.fileno()],
            text=True,
        )
        for (name, *arguments), end in zip(commands, ends, strict=True)
    ]
    for end in ends:
        end.close()  # so that an end closes when the process that has it does
    said = [process.communicate(timeout=300)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert [floors(json.loads(lines[-1])) for lines in said] == [{"common", "server"}, {"common", "client"}]
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["final_round"], summary["dropped"], len(summary["sites"])) == (2, [], len(sites))
