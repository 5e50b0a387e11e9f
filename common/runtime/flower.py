"""Start Flower's own programs: from this environment, without usage reports, update checks or installations.

By default Flower reports usage, looks for updates, and may install an app's dependencies when a run starts. A
hospital's machine must do none of the three, so these switches are set for every program that FedGraft starts.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from fedgraft.common.errors import DeploymentError

QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYTHONUNBUFFERED": "1",
    "FLWR_PRIVATE_MAX_ARRAY_CHUNK_SIZE": str(1 << 20),  # of the pieces in which arrays travel: on a slow line 8 s each
}
FIRST_WAIT_SECONDS, _WAIT = 0.1, "initial_backoff"


def quiet_environment(base: Mapping[str, str]) -> dict[str, str]:
    """The environment for a Flower program: ``base``, this Python's scripts first on ``PATH``, reporting off.

    ``PYTHONPATH`` is dropped, so that the installed packages run, whatever the caller's shell had set. This machine's
    own address is reached without a proxy.
    """
    kept = {name: value for name, value in base.items() if name != "PYTHONPATH"}
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(filter(None, (base.get("no_proxy") or base.get("NO_PROXY"), "127.0.0.1")))
    scripts = str(Path(sys.executable).parent)
    return {**kept, **QUIET, "PATH": os.pathsep.join((scripts, base.get("PATH", os.defpath)))}


def ask_soon() -> None:
    """In this process, ask again for a piece of a message that has not come yet after 0.1 s.

    The pieces come after the message itself, mostly within milliseconds. Flower asks again after 1, 2, 4, 8, 10, 10 ...
    seconds, at the coordinator, at the SuperNode and in the message's own process, one after the other; here its wait
    begins with 0.1 s, and grows as before. A flwr that waits otherwise is left as it is.
    """
    with suppress(ImportError, AttributeError):
        pulling = importlib.import_module("flwr.supercore.inflatable.inflatable_utils")
        for function in (pulling.pull_objects, pulling.pull_and_inflate_object_from_tree):
            if _WAIT in function.__kwdefaults__:
                function.__kwdefaults__[_WAIT] = FIRST_WAIT_SECONDS


def executable(name: str) -> str:
    """The path of a console script that is installed beside this Python.

    Raises:
        DeploymentError: it is not there (``PATH`` is not searched: another Flower may be on it).
    """
    path = Path(sys.executable).parent / name
    if not path.is_file():
        raise DeploymentError(
            f"{name} is not installed beside {sys.executable}; reinstall fedgraft with pip, it brings flwr"
        )
    return str(path)


def module(name: str, *arguments: str) -> list[str]:
    """The command line that runs a module of this installation.

    ``-P`` keeps the current folder off ``sys.path``, so that no file there can shadow an installed package.
    """
    return [sys.executable, "-P", "-m", name, *arguments]
