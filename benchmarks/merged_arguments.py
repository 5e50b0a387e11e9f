"""The options that ``merged_scores.py`` and ``merged_fits.py`` have in common."""

from __future__ import annotations

import argparse


def options(about: str | None, draws: int) -> argparse.ArgumentParser:
    """A parser of ``--least``, ``--draws``, ``--seed`` and ``--apart``.

    Args:
        about: the program's docstring, whose first line it shows.
        draws: the default of ``--draws``.
    """
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument("--least", type=int, default=5, help="release.min_count (%(default)s)")
    parser.add_argument("--draws", type=int, default=draws, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--apart", type=float, default=1.5, help="how far the means are apart (%(default)s)")
    return parser
