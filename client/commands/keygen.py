"""``fedgraft site keygen``."""

from __future__ import annotations

import argparse

from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.errors import SiteFileError
from fedgraft.common.runtime.processes import say
from fedgraft.common.runtime.ssh_keys import key_fingerprint

DESCRIPTION = """\
Makes the key pair by which the coordinator knows this site.
Writes coordinator.key and its .pub half, which you send to the coordinator. Nothing is overwritten: a site with a new
key must be registered again.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare no option: ``--site`` is shared."""


def run(given: argparse.Namespace) -> int:
    """Make the keys."""
    site = read_site_file(given.site)
    if site.coordinator is None:
        raise SiteFileError(f"{given.site} has no `coordinator` section, which names the key file")
    public = make_key_pair(site.coordinator.key, site.name)
    say(f"made {site.coordinator.key} (keep it here) and {public} (send this one to the coordinator)")
    say(f"its fingerprint, to compare by telephone: {key_fingerprint(public)}")
    return 0
