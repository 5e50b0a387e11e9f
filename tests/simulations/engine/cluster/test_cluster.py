"""``engine=ray``: Ray on this machine, and a cluster of two nodes, each a set of processes, of which one is killed.

Nothing here waits for seconds: what is to be lost is lost when a site is in the middle of its training.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from time import sleep
from typing import Any

import pytest
import safetensors.torch
from flwr.serverapp import ServerApp
from rich.console import Console

from fedgraft.common.errors import ClusterError, DataError
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.engine.cluster.joining import joined
from fedgraft.simulations.engine.cluster.run import Asked, run_on_ray
from fedgraft.simulations.engine.run import simulate
from fedgraft.simulations.federation.availability import always

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install 'fedgraft[ray]'")

Composer = Callable[..., Plan]
Sites = Callable[..., list[Path]]
PLAN = (
    *("rounds=3", "personal=ditto", "engine.allow=[mortal]", "loss.weights=none", "+sampling._target_=mortal.Mortal"),
)
"""Each site draws the order of its cases twice a round, for the shared model and for its own, which it keeps."""
SAMPLER = """
import os
import signal
import time
from pathlib import Path

import torch

CALLS = []


class Mortal:
    def order(self, labels, generator):
        CALLS.append(labels)
        call, place = os.environ.get("MORTAL"), Path(__file__).parent
        if call == f"dies {len(CALLS)}" and not (place / "died").exists():
            (place / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        while call == f"waits {len(CALLS)}":
            (place / "waits").touch()
            time.sleep(0.1)
        return torch.randperm(len(labels), generator=generator)
"""
SOON = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 5}
"""How soon a cluster finds out that a node is gone: of Ray's 15 seconds, two and a half."""


@pytest.fixture
def mortal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a sampler that kills its process once, or waits to be killed, at a call that the environment
    says."""
    (tmp_path / "mortal").mkdir()
    (tmp_path / "mortal" / "__init__.py").write_text(SAMPLER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("FEDGRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return tmp_path / "mortal"


class Two:
    """A cluster of two nodes with one processor and a cache each; ``b`` names two sites among its resources."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster  # four seconds, in the one process of the tests that needs it

        common: dict[str, Any] = {"num_cpus": 1, "include_log_monitor": False}
        self.caches = {name: folder / f"cache-{name}" for name in "ab"}
        self.cluster = Cluster()
        self.cluster.add_node(
            node_name="a",
            include_dashboard=False,
            no_monitor=True,
            _system_config=SOON,
            env_vars={"FEDGRAFT_CACHE": str(self.caches["a"])},
            **common,
        )
        self.b = self.cluster.add_node(
            node_name="b",
            resources={"site:birch": 1, "site:cedar": 1},
            env_vars={"FEDGRAFT_CACHE": str(self.caches["b"]), "MORTAL": "waits 5"},
            **common,
        )

    def lose_b(self, once: Path) -> None:
        """Kill node ``b`` as soon as there is a file."""
        while not once.exists():
            sleep(0.05)
        self.cluster.remove_node(self.b, allow_graceful=False)


@pytest.fixture
def two(tmp_path: Path, mortal: Path) -> Iterator[Two]:
    with unless_too_busy():
        made = Two(tmp_path)
    yield made
    made.cluster.shutdown()


@contextmanager
def unless_too_busy() -> Iterator[None]:
    """Ray gives a node 30 seconds to start, whatever else the machine has to do."""
    try:
        yield
    except Exception as error:
        if "timed out during startup" not in str(error):
            raise
        pytest.skip("this machine is too busy: Ray could not start a node within its own 30 seconds")


def tensors_of(run: Path) -> dict[str, Any]:
    """Of the final model, and of what each site keeps for itself."""
    files = [run / "model" / "model.safetensors", *sorted(run.glob("sites/*/state/local/*.safetensors"))]
    assert len(files) == 4
    return {f"{file.relative_to(run)}": safetensors.torch.load_file(file) for file in files}


def require_same(one: Path, other: Path) -> None:
    """Bit for bit."""
    left, right = tensors_of(one), tensors_of(other)
    assert [sorted(tensors) for tensors in left.values()] == [sorted(tensors) for tensors in right.values()]
    assert all((left[file][name] == right[file][name]).all() for file in left for name in left[file])


def asked_again(run: Path) -> list[tuple[int, str, str]]:
    lines = [json.loads(line) for line in (run / "ledger.jsonl").read_text().splitlines()]
    return sorted((line["round"], line["site"], line["reason"]) for line in lines if line["what"] == "again")


def simulated(plan: Plan, out: Path) -> dict[str, Any]:
    return simulate(plan, out, Console(file=StringIO()))


def test_a_process_that_is_killed_is_started_again_and_changes_nothing(
    mortal: Path, compose_plan: Composer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated(compose_plan(*PLAN, "engine.together=false"), tmp_path / "here")
    monkeypatch.setenv("MORTAL", "dies 3")
    with unless_too_busy():
        summary = simulated(compose_plan(*PLAN, "engine=ray"), tmp_path / "there")
    require_same(tmp_path / "here", tmp_path / "there")
    ((number, site, reason),) = asked_again(tmp_path / "there")
    assert number in (1, 2) and reason == "train: the site reported `process-ended`, and was asked again"
    told = f"the process on this machine ended while it computed for {site}; it was started again"
    assert told in summary["warnings"] and summary["dropped"] == []


def test_a_node_that_is_lost_changes_nothing_and_is_told(
    two: Two, compose_plan: Composer, table_sites: Sites, tmp_path: Path
) -> None:
    plan = compose_plan(*PLAN, "engine=ray")
    simulated(compose_plan(*PLAN, "engine.together=false"), tmp_path / "here")
    with joined(two.cluster.address) as own:
        assert not own
        _requires_what_it_needs(tmp_path, plan, *table_sites(1))
        _copies_networks(two, tmp_path)
        with killed(two, tmp_path / "mortal" / "waits"):
            summary = simulated(plan, tmp_path / "there")
    require_same(tmp_path / "here", tmp_path / "there")
    why = "train: the site reported `node-lost`, and was asked again"
    assert asked_again(tmp_path / "there") == [(2, "birch", why), (2, "cedar", why)]
    assert summary["dropped"] == []
    assert [text for text in summary["warnings"] if "birch, cedar" in text] == [
        "the node b was lost (asked: train): its sites birch, cedar go on elsewhere",
        "birch, cedar on a: what that node has not kept of them is computed again",
    ]
    kept = {name: len(list((cache / "store" / "kept").glob("*/rows.bin"))) for name, cache in two.caches.items()}
    assert min(kept.values()) > 0, "each node keeps what it has computed"
    assert not list((tmp_path / "there").glob("cluster.token"))


@contextmanager
def killed(two: Two, once: Path) -> Iterator[None]:
    killer = threading.Thread(target=two.lose_b, args=(once,), daemon=True)
    killer.start()
    yield
    killer.join()


def _requires_what_it_needs(folder: Path, plan: Plan, file: Path) -> None:
    from fedgraft.simulations.engine.cluster.survey import Wanted, require_nodes  # which import Ray

    unshared = Wanted([], (folder / "none" / "cluster.token", "text"), 1, "cpu")
    with pytest.raises(ClusterError, match=r"a does not see .*none: the run's folder must be on a shared disk; b does"):
        require_nodes(unshared, own=False)
    with pytest.raises(ClusterError, match=r"no node has 2 processor\(s\) and a GPU for a process"):
        require_nodes(Wanted([], (folder, ""), 2, "cuda"), own=False)
    (file.parent / "table.csv").rename(folder / "elsewhere.csv")
    asked = Asked(plan.engine, [file], folder / "out", 0, lambda *cases: None, print, {}, always)
    with pytest.raises(DataError, match=r"no node sees the data of site-0 \(not there: \S+table.csv on a, \S+ on b\)"):
        run_on_ray(ServerApp(), asked, {})
    with pytest.raises(ClusterError, match=r"engine.address=auto: this process has joined Ray already"):
        joined("auto").__enter__()


def _copies_networks(two: Two, folder: Path) -> None:
    from fedgraft.simulations.engine.cluster.networks import spread
    from fedgraft.simulations.engine.cluster.survey import Wanted, require_nodes

    (folder / "token").write_text("text")
    nodes = require_nodes(Wanted([], (folder / "token", "text"), 1, "cpu"), own=False)
    files = {name: cache / "store" / "backbones" / "0a.safetensors" for name, cache in two.caches.items()}
    files["a"].parent.mkdir(parents=True)
    files["a"].write_bytes(b"a network")
    spread(["0a", "0b"], nodes)
    assert files["b"].read_bytes() == b"a network"
