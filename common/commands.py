"""A program of several commands, of which the one that is called is imported and no other."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from fedgraft.common.runtime.gc_tuning import imported


class Command(Protocol):
    """A module of a command: what it does, what may be said to it, and the doing, which returns the exit code."""

    DESCRIPTION: str

    def add_options(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, given: argparse.Namespace) -> int: ...


@dataclass(frozen=True)
class Program:
    """
    Attributes:
        name: as it is typed, for instance ``fedgraft site``.
        epilog: shown below the list of commands.
        commands: by word the dotted name of a `Command` module, and a line of help.
        add_shared: declares the options that commands share; called with the word.
    """

    name: str
    description: str
    epilog: str
    commands: Mapping[str, tuple[str, str]]
    add_shared: Callable[[str, argparse.ArgumentParser], None] = lambda word, parser: None


def run_program(program: Program, argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Wrong words end the process with code 2, as argparse does."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] not in program.commands:
        _listing(program).parse_args(words[:1])  # shows the help, or says what is wrong
    word, *rest = words
    command = cast(Command, imported(program.commands[word][0]))
    parser = _parser(f"{program.name} {word}", command.DESCRIPTION, getattr(command, "EPILOG", ""))
    command.add_options(parser)
    program.add_shared(word, parser)
    return command.run(parser.parse_args(rest))


def _listing(program: Program) -> argparse.ArgumentParser:
    parser = _parser(program.name, program.description, program.epilog)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for word, (_, summary) in program.commands.items():
        commands.add_parser(word, help=summary)
    return parser


def _parser(name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """Text of several lines is shown as it stands; of one line it is wrapped."""
    made = "\n" in description or bool(epilog)
    shown = argparse.RawDescriptionHelpFormatter if made else argparse.HelpFormatter
    return argparse.ArgumentParser(prog=name, description=description, epilog=epilog, formatter_class=shown)
