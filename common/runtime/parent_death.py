"""No process outlives the one that started it, however that one ends.

On Linux the kernel sends a signal to a process whose parent ends (``prctl(2)``, ``PR_SET_PDEATHSIG``). Elsewhere a
shell waits at a pipe that only the parent holds open: when the parent is gone, the pipe ends, and the shell kills the
child's session.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
KERNEL_TELLS = sys.platform.startswith("linux")
"""Whether the kernel can kill a process whose parent ends."""
_LIBC = ctypes.CDLL(None, use_errno=True) if KERNEL_TELLS else None
_KILL_WHEN_THE_PIPE_ENDS = 'read _; env kill -KILL -- "-$1"'  # the program: dash's own knows no sessions


def end_with_parent(parent: int) -> None:
    """Have this process killed when its parent ends; call it in the new process. Does nothing but on Linux.

    The kernel looks at the thread that started this process: it must live as long as the parent.

    Args:
        parent: the parent's process id. If that is another one by now, the parent ended before the kernel was asked,
            and this process ends at once.
    """
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def end_session_with_this_process(session: int) -> subprocess.Popen[bytes]:
    """Start the shell that kills a session when this process is gone; whoever ends the session first kills the shell.

    Args:
        session: the process id of the session's leader.
    """
    return subprocess.Popen(
        ["/bin/sh", "-c", _KILL_WHEN_THE_PIPE_ENDS, "sh", str(session)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
