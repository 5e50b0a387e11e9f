"""Run a ServerApp over sites that actors of Ray compute for (``pip install 'fedgraft[ray]'``)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flwr.serverapp import ServerApp

from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.common.errors import DataError
from fedgraft.common.plan.sections import EngineSection
from fedgraft.simulations.engine.cluster.joining import joined
from fedgraft.simulations.engine.cluster.placing import Placed, homeless, seated
from fedgraft.simulations.engine.grid import run_over
from fedgraft.simulations.federation.availability import Reaches

_FILES = 8
"""So many files of a site must be seen by the node that computes for it."""


@dataclass(frozen=True)
class Asked:
    """What a run asks of Ray.

    Attributes:
        engine: of the plan.
        sites: site files, sorted by name.
        out: the run's folder.
        expected: cases of all sites and of the coordinator's test set.
        counted: is given numbers of cases decoded and computed.
        say: is told at once of what is lost.
        trouble: is given a sentence for each error at a site.
        reaches: decides which messages reach their site.
    """

    engine: EngineSection
    sites: Sequence[Path]
    out: Path
    expected: int
    counted: Callable[[int, int], None]
    say: Callable[[str], None]
    trouble: dict[str, None]
    reaches: Reaches


def run_on_ray(server_app: ServerApp, asked: Asked, run_config: Mapping[str, str]) -> None:
    """Run with one process for each ``engine.threads`` processors of each node, at most one for each site.

    Raises:
        ClusterError: Ray is not installed, or the cluster can't be joined, or can't carry out the run.
        DataError: no node sees the data of a site.
    """
    with joined(asked.engine.address) as own, _token(asked.out) as token:
        from fedgraft.simulations.engine.cluster.crew import Crew  # Ray takes a second to import
        from fedgraft.simulations.engine.cluster.grid import RayGrid
        from fedgraft.simulations.engine.cluster.survey import Wanted, require_nodes

        sites = [Placed(file, _weight(file), () if own else _looked_for(file)) for file in asked.sites]
        wanted = Wanted(sites, token, asked.engine.threads or 1, asked.engine.device)
        nodes = require_nodes(wanted, own)
        seats = seated(sites, range(len(sites)), nodes, {})
        if nowhere := homeless(sites, set(range(len(sites))) - set(seats), nodes):
            raise DataError(f"engine=ray: {'; '.join(nowhere)}. Bring it to a node, or put it on a shared disk")
        crew = Crew(wanted, nodes, seats, asked.expected, asked.say, asked.counted)
        run_over(RayGrid(len(sites), crew, asked.trouble, asked.reaches), server_app, run_config)


@contextmanager
def _token(out: Path) -> Iterator[tuple[Path, str]]:
    """A file in the run's folder, by which nodes know it again."""
    out.mkdir(parents=True, exist_ok=True)
    file, text = out.absolute() / "cluster.token", uuid.uuid4().hex
    file.write_text(text, encoding="utf-8")
    try:
        yield file, text
    finally:
        file.unlink(missing_ok=True)


def _weight(site_file: Path) -> int:
    """How much there is to do at a site: bytes of its manifest, which has a line a case."""
    return (site_file.parent / "manifest.csv").stat().st_size


def _looked_for(site_file: Path) -> tuple[str, ...]:
    """The site's own file, and some of its cases' files, from all over its manifest."""
    cases = read_manifest(site_file.parent / "manifest.csv")
    files = list(dict.fromkeys(case.path.partition("::")[0] for case in cases))
    return (str(site_file), *files[:: max(1, len(files) // _FILES)][:_FILES])
