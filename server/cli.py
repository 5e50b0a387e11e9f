"""``fedgraft coordinator ...``: what the person who coordinates a federation types."""

from __future__ import annotations

from collections.abc import Sequence

from fedgraft.common.commands import Program, run_program

EPILOG = """\
a first federation:
  fedgraft coordinator init /srv/fedgraft --host fl.example.org
  fedgraft coordinator start /srv/fedgraft              (a service; docs/deployment.md has a systemd unit)
  fedgraft coordinator invite /srv/fedgraft north south east
  fedgraft coordinator sites /srv/fedgraft
  fedgraft coordinator run /srv/fedgraft --plan plan.yaml
  fedgraft coordinator watch /srv/fedgraft              (from any other terminal)
  fedgraft coordinator console /srv/fedgraft            (the same and more in a browser)
  fedgraft coordinator publish /srv/fedgraft RUN

`invite` prints a line for each site, which is all that it needs. Or carry files: give a site ca.crt and this machine's
address, it gives you the .pub half of its key, and `register` admits it.
Only the Fleet API and published models (and what sites say of these) are reachable from outside, by registered sites,
besides the authority's certificate and the door for those who were invited.
Accounts on this machine can reach everything.
"""
_HERE = "fedgraft.server.commands"
COMMANDS = {
    "init": (f"{_HERE}.init", "make the folder: certificate authority, certificate, settings"),
    "renew": (f"{_HERE}.renew", "issue a new server certificate; sites need not do anything"),
    "start": ("fedgraft.server.deployment.start_command", "run the coordinator in the foreground"),
    "service": (f"{_HERE}.service", "print a hardened systemd unit for `start`"),
    "invite": (f"{_HERE}.invite", "print a line by which a hospital joins; no file is carried"),
    "confirm": (f"{_HERE}.confirm", "register a key that came with a line of `invite --confirm`"),
    "register": (f"{_HERE}.register", "admit a site by the public half of its key"),
    "unregister": (f"{_HERE}.unregister", "shut a site out"),
    "sites": (f"{_HERE}.sites", "list the registered sites and whether they are online"),
    "draft": (f"{_HERE}.draft", "write a first plan for these sites, from what they tell of their data"),
    "run": (f"{_HERE}.run", "submit a plan, show its progress, return its outcome"),
    "watch": ("fedgraft.server.watching.command", "attach to a run from any terminal"),
    "runs": (f"{_HERE}.runs", "list the runs, the newest first, with how each ended"),
    "console": ("fedgraft.server.console.command", "a web page on this machine: hospitals, runs; start, stop, invite"),
    "status": (f"{_HERE}.status", "is it up, until when does the certificate hold, which runs"),
    "audit": ("fedgraft.server.audit.command", "verify a run's ledger, and what sites said about their own logs"),
    "contributions": (f"{_HERE}.contributions", "who contributed what to a run, and what each site's update changed"),
    "stop": (f"{_HERE}.stop", "stop a run (not the coordinator: end `start` for that)"),
    "publish": (f"{_HERE}.publish", "sign a run's model, and give it to every registered site that asks"),
    "evaluations": (f"{_HERE}.evaluations", "what sites found with a published model on all their cases, by site"),
}
PROGRAM = Program(
    "fedgraft coordinator",
    "Coordinate a federation: one folder, one public port, one command for each step.",
    EPILOG,
    COMMANDS,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one coordinator command; returns the exit code."""
    return run_program(PROGRAM, argv)
