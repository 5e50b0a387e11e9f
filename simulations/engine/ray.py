"""Run a simulation on Ray, with Flower's own engine, if one process is too small (``pip install 'fedgraft[ray]'``)."""

from __future__ import annotations

import importlib.util
import logging
import time

from flwr.app import Context
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from fedgraft.common.errors import PlanError

_CONNECT = 60.0
"""Seconds for Flower's engine to make its nodes, which it does beside the ServerApp."""


def run_on_ray(
    server_app: ServerApp, client_app: ClientApp, sites: int, run_config: dict[str, str], threads: int
) -> None:
    """Run with one Ray actor per ``threads`` CPU cores; Flower's partition id identifies the site.

    Raises:
        PlanError: Ray is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise PlanError("engine=ray needs Ray: pip install 'fedgraft[ray]', or use engine=inprocess")
    from flwr.simulation import run_simulation  # a second to import, and only needed here

    configured = ServerApp()
    failure: list[BaseException] = []

    @configured.main()
    def main(grid: Grid, context: Context) -> None:
        context.run_config.update(run_config)
        deadline = time.monotonic() + _CONNECT
        while len(list(grid.get_node_ids())) < sites and time.monotonic() < deadline:
            time.sleep(0.1)
        try:
            server_app(grid, context)
        except BaseException as error:  # Flower's engine would only log it
            failure.append(error)
            raise

    logging.getLogger("flwr").setLevel(logging.ERROR)
    backend = {"client_resources": {"num_cpus": threads, "num_gpus": 0.0}}
    try:
        run_simulation(configured, client_app, sites, backend_name="ray", backend_config=backend)  # type: ignore[arg-type]
    except BaseException:
        if not failure:
            raise
    if failure:
        raise failure[0]
