"""``fedgraft site fetch``."""

from __future__ import annotations

import argparse
from shlex import quote

from fedgraft.client.deployment import fetching
from fedgraft.common.runtime.processes import say

DESCRIPTION = """\
Gets a model that the coordinator published; without a name: lists them.
Downloads it over TLS, verifies the coordinator's signature and the SHA-256 of every file, and puts it into models/NAME
of the site's state. A changed byte is refused.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own options; ``--site`` is shared."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the model's name")


def run(given: argparse.Namespace) -> int:
    """Fetch the model, or list those that there are."""
    if given.name is None:
        _, names = fetching.published(given.site)
        say("\n".join(names) or "the coordinator has published no model")
        return 0
    model = fetching.fetch(given.site, given.name)
    say(f"{model.path}: signed by the coordinator, and every file is as it was signed")
    at = f"{given.name} --site {quote(str(given.site))}"
    say(f"next: fedgraft site evaluate {at}    (figures on all cases here; nothing is sent)")
    say(f"  or: fedgraft predict {at} --manifest new.csv --out predictions.csv")
    return 0
