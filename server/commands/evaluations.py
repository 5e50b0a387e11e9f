"""``fedgraft coordinator evaluations``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedgraft.common.model_folder.folder import open_model
from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.public.evaluations import read_evaluations
from fedgraft.server.evidence.external import external_table

DESCRIPTION = """\
What sites found with a published model on all their cases, by site.
Of models that were published with --accept-evaluations. A site sends what its own file allows.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("name", metavar="NAME", help="the published model")


def run(given: argparse.Namespace) -> int:
    """Print the table."""
    folder = Folder(given.folder.resolve())
    task, kept = read_evaluations(folder, given.name)
    for line in external_table(task, kept, open_model(folder.published / given.name).decisions):
        say(line)
    return 0
