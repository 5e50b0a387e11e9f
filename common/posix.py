"""Where FedGraft runs: files are locked, processes forked and memory bounded by calls of POSIX."""

from __future__ import annotations

import sys

from fedgraft.common.errors import DeploymentError


def require_posix() -> None:
    """Check that this system has them.

    Raises:
        DeploymentError: it is Windows.
    """
    if sys.platform == "win32":
        raise DeploymentError(
            "FedGraft runs on Linux and macOS (it locks files, forks readers and bounds memory by calls that Windows "
            "lacks). On Windows, install it in the Windows Subsystem for Linux (WSL 2), or use the container "
            "(docs/containers.md)"
        )
