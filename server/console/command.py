"""The command ``fedgraft coordinator console``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedgraft.common.web.serve import add_options as add_place
from fedgraft.common.web.serve import place_of, serve
from fedgraft.server.console.app import Console
from fedgraft.server.console.looking import Looking
from fedgraft.server.deployment.folder import Folder

PORT = 8460
DESCRIPTION = """\
Serves a page on this machine's loopback address, and prints the link that opens it. It shows what `status`, `sites` and
`watch` show, live, and does what `run`, `stop` and `invite` do. It stays until Ctrl-C; runs go on without it.
`/metrics` has figures for Prometheus, for whoever sends the secret in DIR/metrics.token.
"""
EPILOG = """\
examples:
  fedgraft coordinator console /srv/fedgraft
  ssh -L 8460:127.0.0.1:8460 fl.example.org         then open the link on your own machine
  fedgraft coordinator console /srv/fedgraft --listen 0.0.0.0 --host fl.example.org \\
      --certificate web.crt --key web.key --password-file password      (from other machines: a login over TLS)
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    add_place(parser, PORT)


def run(given: argparse.Namespace) -> int:
    """Serve the console until a signal ends it.

    Raises:
        DeploymentError: the folder is no coordinator's, or it can't be served like this.
    """
    folder = Folder(given.folder.resolve())
    folder.settings()
    looking = Looking(folder)
    return serve(place_of(given), folder.root, lambda: Console(folder, looking, looking.again).application())
