"""The ``fedgraft`` command: finds the subcommand and hands over the rest of the line.

Subcommands are named by dotted path and imported only when called, so that ``common`` depends on no other folder
and ``fedgraft site`` at a hospital never imports the simulation.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import cast

from fedgraft.common.errors import FedGraftError
from fedgraft.common.posix import require_posix
from fedgraft.common.runtime.flower import QUIET
from fedgraft.common.runtime.gc_tuning import imported
from fedgraft.common.runtime.private import private_files

COMMANDS = {
    "demo": ("fedgraft.simulations.demo.command:main", "a coordinator and three hospitals as processes, over TLS"),
    "simulate": ("fedgraft.simulations.commands.simulate:main", "train over simulated hospitals on this machine"),
    "plan": ("fedgraft.simulations.commands.plan:main", "print what a run would do and send, without training"),
    "unseen": (
        "fedgraft.simulations.commands.unseen:main",
        "which recipe serves a hospital that never trained, by those left out",
    ),
    "augment": ("fedgraft.simulations.commands.augment:main", "a picture of cases beside their augmented views"),
    "clock": ("fedgraft.simulations.commands.clock:main", "how long a run would have taken at other sites"),
    "audit": ("fedgraft.simulations.commands.audit:main", "attack the privacy of a simulated run, and say what it got"),
    "predict": ("fedgraft.client.prediction.command:main", "new cases, with a trained model: probabilities by case"),
    "export": (
        "fedgraft.client.export.command:main",
        "a trained model as a file for other programs: ONNX, safetensors",
    ),
    "report": ("fedgraft.server.reports.command:main", "make the page and the card of a run or a study again"),
    "backbone": (
        "fedgraft.server.weights.export:main",
        "a trained backbone as a file that a plan can name: export, show",
    ),
    "embed-classes": (
        "fedgraft.server.weights.embed_classes:main",
        "describe classes in words: a head before any training",
    ),
    "site": ("fedgraft.client.cli:main", "at the hospital: join, check, review, approve, start, ..."),
    "coordinator": (
        "fedgraft.server.cli:main",
        "at the coordinator: init, start, invite, sites, run, watch, stop, ...",
    ),
}
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""Of NumPy's linear algebra, for matrices that are small here: a second thread is no faster, and on a busy machine each
product waits for it. torch's threads are the plan's or the site's (``engine.threads``, ``threads``)."""
HELP = ("-h", "--help")
COMPLETION = "-sc"
COMPOSED = ("simulate", "plan")


def usage() -> str:
    """What ``fedgraft --help`` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        (
            "usage: fedgraft COMMAND ...",
            "",
            "Federated transfer learning for hospitals.",
            "",
            "commands:",
            *lines,
            "",
            "Each command has its own --help. `fedgraft --version` prints the version.",
            'Tab completion in bash: eval "$(fedgraft simulate -sc install=bash)"',
        )
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the process's exit code (2 for an error that is the user's to solve)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in HELP:
        print(usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"fedgraft {version('fedgraft')}")
        return 0
    if arguments[0] == COMPLETION:
        return _complete(arguments)
    if arguments[0] not in COMMANDS:
        print(f"fedgraft: there is no command {arguments[0]!r}\n\n{usage()}", file=sys.stderr)
        return 2
    os.environ.update(QUIET)
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
    try:
        require_posix()
        with private_files():
            return _load(COMMANDS[arguments[0]][0])(arguments[1:])
    except FedGraftError as error:
        print(f"fedgraft {arguments[0]}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _complete(arguments: list[str]) -> int:
    """Answer the shell's completion hook: the commands, or what Hydra proposes for a command that composes a plan."""
    words = os.environ.get("COMP_LINE", "").split(" ")
    if len(words) < 3:
        print(" ".join(COMMANDS))
    elif words[1] in COMPOSED:
        os.environ["COMP_LINE"] = " ".join((words[0], *words[2:]))
        return _load(COMMANDS[words[1]][0])(arguments)
    return 0


def _load(target: str) -> Callable[[Sequence[str]], int]:
    module, _, name = target.partition(":")
    return cast(Callable[[Sequence[str]], int], getattr(imported(module), name))


if __name__ == "__main__":
    sys.exit(main())
