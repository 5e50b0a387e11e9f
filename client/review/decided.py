"""``fedgraft site decisions``."""

from __future__ import annotations

import argparse

from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.runtime.processes import say

DESCRIPTION = "Lists what was decided here, by whom; verifies the log."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare no option: ``--site`` is shared."""


def run(given: argparse.Namespace) -> int:
    """Print the list."""
    lines = Decisions(read_site_file(given.site)).lines()
    for line in lines:
        until = line.get("receipt", {}).get("until")
        more = f": {line['why']}" if "why" in line else f", until {until}" if until else ""
        say(f"{line['time']}  {line['plan'][:16]}  {line['what']} by {line['by']}{more}")
    say(f"{len(lines)} decision(s), no line was changed" if lines else "nothing was decided yet")
    return 0
