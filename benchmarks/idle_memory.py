"""How much memory a site or a coordinator holds: the proportional set size of each of its processes, and the sum.

    python benchmarks/idle_memory.py PID        the process id of `fedgraft site start` or `fedgraft coordinator start`

A page that n processes share counts for a nth in each (``Pss`` in Linux's ``/proc/PID/smaps_rollup``), so that the sum
is what the machine would have free without them. On a machine with other sites it is less: their pages are shared.
"""

from __future__ import annotations

import sys
from contextlib import suppress

from process_tree import PROC, tree

MIB = 1024


def pss(pid: int) -> int:
    """The proportional set size in KiB."""
    lines = (PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def name(pid: int) -> str:
    """What the process is: the module or the program, and its first word."""
    words = (PROC / str(pid) / "cmdline").read_text(encoding="utf-8").split("\0")
    if "-m" in words:
        return " ".join(words[words.index("-m") + 1 :][:3])
    return next((word for word in words if "multiprocessing" in word), " ".join(words[1:3]))[:60]


def main() -> int:
    """Print a line for each process, and the sum."""
    if len(sys.argv) != 2 or not sys.argv[1].isdecimal():
        print(__doc__)
        return 2
    found = []
    for pid in tree(int(sys.argv[1])):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            found.append((pss(pid), name(pid)))
    for size, what in found:
        print(f"{size / MIB:7.0f} MiB  {what}")
    print(f"{sum(size for size, _ in found) / MIB:7.0f} MiB  in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
