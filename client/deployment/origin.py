"""Where the processes of messages come from: each ends with the server that forked it, and that with the executor.

Imported first by the server, which notes its own process id; its children inherit the note.
"""

from __future__ import annotations

import os

from fedgraft.common.runtime.parent_death import end_with_parent

EXECUTOR = "FEDGRAFT_EXECUTOR"
"""The environment variable that names the executor's process id to the server."""

_SERVER = os.getpid()
if os.environ.get(EXECUTOR) == str(os.getppid()):
    end_with_parent(os.getppid())


def end_with_server() -> None:
    """Have this process, forked from the server, killed when the server ends."""
    if os.getpid() != _SERVER:
        end_with_parent(_SERVER)
