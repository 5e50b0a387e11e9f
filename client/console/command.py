"""The command ``fedgraft site console``."""

from __future__ import annotations

import argparse
import time

from fedgraft.client.console.app import Console
from fedgraft.client.overview.overview import overview
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.runtime.files import private_folder
from fedgraft.common.web.serve import add_options as add_place
from fedgraft.common.web.serve import place_of, serve

PORT = 8461
DESCRIPTION = """\
Serves a page on this machine's loopback address, and prints the link that opens it: which plans wait and what each
would do and tell, approve or refuse, what left, the check's page, disk and time, the privacy account, patients who opt
out. It stays until Ctrl-C; nothing is sent. `/metrics` has figures for Prometheus, for whoever sends the secret in
state/metrics.token.
"""
EPILOG = """\
examples:
  fedgraft site console
  fedgraft site console --site /srv/north/site.yaml --port 8500
  ssh -L 8461:127.0.0.1:8461 north.example.org         then open the link on your own machine
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own options; ``--site`` is every site command's."""
    add_place(parser, PORT)


def run(given: argparse.Namespace) -> int:
    """Serve the console until a signal ends it.

    Raises:
        SiteFileError: the site's file is wrong.
        DeploymentError: it can't be served like this.
    """
    file, state, place = given.site.resolve(), read_site_file(given.site).state, place_of(given)
    console = Console(file, lambda: overview(read_site_file(file), time.time()))
    return serve(place, private_folder(state), console.application)
