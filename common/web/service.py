"""A console as a service: its options, for a unit of systemd."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fedgraft.common.errors import DeploymentError
from fedgraft.common.web import serve

HELP = "the unit of `console` instead; what follows are its options: --console --password-file FILE [--port N ...]"


def add_option(parser: argparse.ArgumentParser) -> None:
    """Declare ``--console``, with all words after it."""
    parser.add_argument("--console", nargs=argparse.REMAINDER, metavar="OPTION", help=HELP)


def words_of(options: Sequence[str], port: int) -> list[str]:
    """The options as a unit has them: paths are absolute.

    Args:
        port: if none is named.

    Raises:
        DeploymentError: it could not be served like this, or asks for no password: its link would stand in the journal.
    """
    parser = argparse.ArgumentParser(prog="... service --console", add_help=False)
    serve.add_options(parser, port)
    place = serve.place_of(parser.parse_args(options))
    if place.password is None:
        raise DeploymentError(
            "a console that runs as a service asks for a password, since its link would stand in the journal: add "
            "--password-file FILE after --console"
        )
    words = ["--port", str(place.port), "--listen", place.listen]
    named: dict[str, str | Path | None] = {
        "--host": place.host,
        "--certificate": place.certificate,
        "--key": place.key,
        "--password-file": place.password,
    }
    for option, value in named.items():
        if value is not None:
            words += [option, str(value.resolve() if isinstance(value, Path) else value)]
    return words
