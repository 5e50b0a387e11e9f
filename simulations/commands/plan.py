"""``fedgraft plan``: print what a run would do and send, without training."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.console import Console

from fedgraft.simulations.commands.hydra_main import QUIET, run_hydra
from fedgraft.simulations.planning.planned import Planned
from fedgraft.simulations.study.baselines import require_suited


def main(arguments: Sequence[str]) -> int:
    """Run the command; takes the overrides of ``fedgraft simulate``."""
    return run_hydra(arguments, _job, QUIET)


def _job(planned: Planned) -> None:
    console = Console()
    planned.describe().print(console)
    if planned.study.is_asked:
        require_suited(planned.plan, planned.study, os.environ)
        console.print(f"study: {planned.study.sentence(planned.plan)}", highlight=False)
