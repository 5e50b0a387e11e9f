"""``fedgraft audit privacy``: attack a simulated run, and say what the attacks got."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fedgraft.simulations.audit.audit import PAGE, SHADOWS, Asked, audit, names
from fedgraft.simulations.audit.finding import Finding
from fedgraft.simulations.audit.page import WHOSE

EPILOG = """\
  fedgraft audit privacy runs/2026-11-24/10-00-00                          all attacks: a minute or three
  fedgraft audit privacy runs/2026-11-24/10-00-00 --shadows 512            narrower intervals
  fedgraft audit privacy runs/2026-11-24/10-00-00 --attacks canaries,differencing
"""


def main(arguments: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="fedgraft audit",
        description="Attack a run of simulated hospitals: who trained its model, what its messages tell, what its "
        "noise is worth. Writes audit.html and audit.json into the run's folder, and a section into its report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=["privacy"], help="what is attacked")
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a simulated run that has ended")
    parser.add_argument("--attacks", metavar="NAME,...", help=f"some of {', '.join(names())} (default: all)")
    parser.add_argument("--shadows", type=int, default=SHADOWS, metavar="N", help="shadow heads (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn, but not of a plan's noise")
    given = parser.parse_args(arguments)
    attacks = tuple(names()) if given.attacks is None else tuple(given.attacks.split(","))
    console, begun = Console(), time.monotonic()

    def told(name: str) -> None:
        console.print(f"{time.monotonic() - begun:6.1f} s  {name} ...", highlight=False, markup=False)

    for one in audit(given.run, Asked(attacks, given.shadows, given.seed), told):
        _print(console, one)
    console.print(WHOSE, style="dim", highlight=False, markup=False)
    console.print(f"see {given.run / PAGE}", highlight=False, markup=False)
    return 0


def _print(console: Console, found: Finding) -> None:
    console.print(f"\n{found.title}", style="bold", highlight=False, markup=False)
    for sentence in found.said:
        console.print(sentence, highlight=False, markup=False)
    if found.table is not None:
        table = Table(*found.table.headings)
        for row in found.table.rows:
            table.add_row(*row)
        console.print(table)
