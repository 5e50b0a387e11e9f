"""Ask the nodes of a Ray cluster what they are: their versions, where they keep what is computed, and what they see."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgraft.common.errors import ClusterError, first_line
from fedgraft.simulations.engine.cluster import calls
from fedgraft.simulations.engine.cluster.placing import SITE_RESOURCE, Node, Placed
from fedgraft.simulations.federation.sites import cache_folder

PACKAGES = ("fedgraft", "torch", "timm", "flwr", "numpy")
"""Those whose version may change a result or a message."""
Facts = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What a run wants to know of nodes.

    Attributes:
        sites: all of them.
        token: a file in the run's folder, and the text in it.
        threads: processors of a process.
        device: as the plan's engine says.
    """

    sites: Sequence[Placed]
    token: tuple[Path, str]
    threads: int
    device: str


def probe() -> Callable[[Sequence[str], str, str, Sequence[Sequence[str]]], Facts]:
    """The function that a node runs. It is sent as code, since the node may have no fedgraft, and uses Python's own
    library only."""

    def look(packages: Sequence[str], token: str, text: str, looked_for: Sequence[Sequence[str]]) -> dict[str, Any]:
        import os
        import platform
        from importlib import metadata
        from pathlib import Path

        versions: dict[str, str | None] = {"python": platform.python_version()}
        for package in packages:
            try:
                versions[package] = metadata.version(package)
            except metadata.PackageNotFoundError:
                versions[package] = None
        known: dict[str, bool] = {}
        for files in looked_for:
            known |= {file: Path(file).exists() for file in files if file not in known}
        missing = [next((file for file in files if not known[file]), None) for files in looked_for]
        try:
            shares = Path(token).read_text(encoding="utf-8") == text
        except OSError:
            shares = False
        cache = os.environ.get("FEDGRAFT_CACHE") or str(Path.home() / ".cache" / "fedgraft")
        return {"versions": versions, "missing": missing, "shares": shares, "cache": cache}

    return look


def here() -> Mapping[str, str | None]:
    """The versions of this process."""
    versions: Mapping[str, str | None] = probe()(PACKAGES, os.devnull, "", ())["versions"]
    return versions


def differing(name: str, versions: Mapping[str, str | None], ours: Mapping[str, str | None]) -> str:
    """In which versions a node differs from this process; empty if in none. Of Python the third number may differ."""

    def minor(package: str, version: str | None) -> str | None:
        return version if version is None or package != "python" else ".".join(version.split(".")[:2])

    unlike = [
        f"{package} {versions[package] or 'not at all'} (here {ours[package] or 'not at all'})"
        for package in ours
        if minor(package, versions[package]) != minor(package, ours[package])
    ]
    return f"{name} has {', '.join(unlike)}" if unlike else ""


def survey(wanted: Wanted, known: Sequence[Node] = ()) -> tuple[list[Node], list[str]]:
    """The nodes that live and can compute for this run, and a sentence for each that can't.

    Args:
        known: nodes that were asked before, which are not asked again.
    """
    before = {node.key: node for node in known}
    alive = sorted(calls.alive(), key=lambda facts: (facts["NodeName"], facts["NodeID"]))
    names, found, wrong = _names(alive), [], []
    fresh = {
        key: _ask(key, wanted)
        for key in (facts["NodeID"] for facts in alive if _seats(facts["Resources"], wanted)[0])
        if key not in before
    }
    for facts in alive:
        key = facts["NodeID"]
        if key in before:
            found.append(before[key])
        elif key in fresh:
            try:
                said: Facts = calls.value(fresh[key])
            except calls.FailedError as error:
                wrong.append(f"{names[key]} can't say what it has ({first_line(error)})")
                continue
            except calls.LostError:
                continue  # the node was lost meanwhile
            problem = unfit(names[key], said, wanted)
            wrong += [problem] if problem else []
            found += [] if problem else [_node(names[key], facts, said, wanted)]
    return found, wrong


def _ours(wanted: Wanted) -> tuple[list[Node], list[str]]:
    said: Facts = {"missing": [], "cache": str(cache_folder(os.environ))}
    return [_node("this machine", facts, said, wanted) for facts in calls.alive()], []


def unfit(name: str, said: Facts, wanted: Wanted) -> str:
    """Why a node can't compute for this run; empty if it can."""
    if not said["shares"]:
        return f"{name} does not see {wanted.token[0].parent}: the run's folder must be on a shared disk"
    return differing(name, said["versions"], here())


def _node(name: str, facts: Mapping[str, Any], said: Facts, wanted: Wanted) -> Node:
    seats, gpus = _seats(facts["Resources"], wanted)
    return Node(
        key=facts["NodeID"],
        name=name,
        seats=seats,
        gpus=gpus,
        cache=said["cache"],
        unseen={place: file for place, file in enumerate(said["missing"]) if file is not None},
        named=frozenset(
            name.removeprefix(SITE_RESOURCE) for name in facts["Resources"] if name.startswith(SITE_RESOURCE)
        ),
    )


def require_nodes(wanted: Wanted, own: bool) -> list[Node]:
    """The nodes of the cluster that have processors; all of them can compute for this run.

    Args:
        own: whether it is of this machine only, which need not be asked.

    Raises:
        ClusterError: one can't, or none has processors enough.
    """
    nodes, wrong = _ours(wanted) if own else survey(wanted)
    if wrong:
        raise ClusterError(
            f"engine=ray: {'; '.join(wrong)}. Install the same versions on every node, let every node see the run's "
            "folder (hydra.run.dir, or out) under the same path, or take the node out of the cluster"
        )
    if not any(node.seats for node in nodes):
        gpu = " and a GPU" if wanted.device.startswith("cuda") else ""
        raise ClusterError(
            f"engine=ray: no node has {wanted.threads} processor(s){gpu} for a process (engine.threads, "
            "engine.device); `ray status` says what the cluster has"
        )
    return nodes


def _ask(key: str, wanted: Wanted) -> calls.Reference:
    token, text = wanted.token
    return calls.run_at(key, probe(), PACKAGES, str(token), text, [site.looked_for for site in wanted.sites])


def _seats(resources: Mapping[str, float], wanted: Wanted) -> tuple[int, int]:
    """How many processes a node has room for, and how many GPUs each gets."""
    by_processors, gpus = int(resources.get("CPU", 0)) // wanted.threads, int(resources.get("GPU", 0))
    if wanted.device.startswith("cuda") or (wanted.device == "auto" and gpus):
        return min(by_processors, gpus), 1
    return by_processors, 0


def _names(alive: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Nodes by their own names; those whose name another one has, with the beginning of Ray's id."""
    often = Counter(facts["NodeName"] for facts in alive)
    return {
        facts["NodeID"]: facts["NodeName"] + (f" ({facts['NodeID'][:6]})" if often[facts["NodeName"]] > 1 else "")
        for facts in alive
    }
