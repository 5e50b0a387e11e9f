"""A coordinator and hospitals with pictures that a program draws, each a process of its own, over TLS on loopback.

It is what a real federation is: a certificate authority, a gateway, a key for each hospital, invitations, and sites
that connect to one port. Only the pictures are drawn, and everything is on one machine. Since nobody's films are drawn,
a site tells each case's score: some forty test cases in groups of five would tell next to nothing of the model.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fedgraft.client.joining.applying import apply, fetch_authority
from fedgraft.client.site.first_file import AUTHORITY, key_file
from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.site_file import Coordinator, ReleasePolicy, SiteFile, read_site_file, write_site_file
from fedgraft.common.errors import DeploymentError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.flower import module, quiet_environment
from fedgraft.common.runtime.invitation import Invitation
from fedgraft.common.runtime.processes import Child, Program, free_port, start, stop
from fedgraft.server.deployment.folder import Folder, Settings, create
from fedgraft.server.deployment.invitations import invite
from fedgraft.simulations.federation.sites import lay_out

DAY, LONGEST_SECONDS = 86400.0, 600.0
UP, CONNECTED, OPEN = "coordinator is up", "connected to", "console: "
"""What a coordinator, a site, and a console say once they are ready."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Demo:
    """A running federation.

    Attributes:
        sites: their files by name.
        consoles: the addresses of the coordinator's console and of the first site's, by whose they are.
    """

    folder: Folder
    sites: Mapping[str, Path]
    consoles: Mapping[str, str]


@contextmanager
def running(plan: Plan, root: Path, say: Say) -> Iterator[Demo]:
    """A federation of the hospitals of a plan, below ``root``, which is made; all processes end with the block.

    Args:
        say: called with a sentence for each step.

    Raises:
        DeploymentError: the folder is in use, or a process ended before it was ready.
    """
    if root.exists() and any(root.iterdir()):
        raise DeploymentError(f"--folder {root} is not empty; name another, or remove it")
    settings = Settings(("localhost",), free_port(), "127.0.0.1", free_port())
    folder = create(root / "coordinator", settings)
    children = [_started(root, "coordinator", "coordinator", "start", str(folder.root))]
    try:
        say(f"coordinator: https://localhost:{settings.port}, its own certificate authority in {folder.root}")
        cohorts = lay_out(plan, root / "hospitals", {**os.environ, "FEDGRAFT_CACHE": str(root / "cache")}).sites
        _await(children[0], UP)
        invitations = dict(zip(cohorts, invite(folder, list(cohorts), DAY, time.time()), strict=True))
        files: dict[str, Path] = {}
        with ThreadPoolExecutor() as pool:  # Flower's own program registers each, and takes a second
            for name, joined in {
                name: pool.submit(_joined, root, name, invitations[name], cohorts[name]) for name in cohorts
            }.items():
                files[name] = joined.result()
                children.insert(0, _started(root, name, "site", "start", "--site", str(files[name])))
        say(f"invited and registered: {', '.join(files)}, each with a key of its own")
        sites = children[:-1]
        pages = _consoles(root, folder, files)
        children[:0] = pages.values()
        for child in sites:
            _await(child, CONNECTED)
        say("all are connected; each has films of its own scanner, and tells no more than its site.yaml allows")
        say("(they may tell each case's score: drawn films are nobody's; a real hospital's default is groups of five)")
        addresses = {whose: _address(page) for whose, page in pages.items()}
        for whose, address in addresses.items():
            say(f"the console of {whose}: {address}")
        yield Demo(folder, files, addresses)
    finally:
        stop(children)


def _consoles(root: Path, folder: Folder, files: Mapping[str, Path]) -> dict[str, Child]:
    """Start the coordinator's console and the first site's, each at a port that is free; by whose they are."""
    first, file = next(iter(files.items()))
    commands = {
        "the coordinator": ("coordinator", "console", str(folder.root)),
        first: ("site", "console", "--site", str(file)),
    }
    return {whose: _started(root, f"{words[0]}-console", *words, "--port", "0") for whose, words in commands.items()}


def _joined(root: Path, name: str, invitation: Invitation, cohort: Path) -> Path:
    """Join as a hospital does that was invited, over TLS; returns its site file."""
    home = root / "sites" / name
    make_key_pair(home / key_file(name), name)
    (home / AUTHORITY).write_bytes(fetch_authority(invitation))
    if not apply(invitation, home / AUTHORITY, home / key_file(name)):
        raise DeploymentError(f"{name} waits to be confirmed, in a demo that confirms nobody")
    like = read_site_file(cohort)
    coordinator = Coordinator(invitation.address, home / AUTHORITY, home / key_file(name))
    site = SiteFile(
        name,
        like.manifest,
        home / "state",
        threads=1,
        workers=0,
        split=like.split,
        approval="all",
        release=ReleasePolicy(scores="fine"),
        warm=True,
        coordinator=coordinator,
    )
    write_site_file(home / "site.yaml", site)
    return home / "site.yaml"


def _started(root: Path, name: str, *command: str) -> Child:
    argv = tuple(module("fedgraft.common.cli", *command))
    return start(Program(name, argv, quiet_environment(os.environ), root / "logs" / f"{name}.log", root))


def _address(child: Child) -> str:
    """What a console prints once it can be opened."""
    _await(child, OPEN)
    return child.output().partition(OPEN)[2].split()[0]


def _await(child: Child, words: str) -> None:
    """
    Raises:
        DeploymentError: the process ended before it said so, or says nothing for ten minutes.
    """
    until = time.monotonic() + LONGEST_SECONDS
    while words not in child.output():
        if not child.alive or time.monotonic() > until:
            raise DeploymentError(
                f"{child.name} did not come up; {child.program.log} ends with:\n{child.output()[-2000:]}"
            )
        time.sleep(0.1)
