"""Which program computes the frozen part of a network: torch as the network is written (``eager``), the same with its
batch norms folded (``folded``), or OpenVINO (``openvino``, the extra ``fast``).

``eager`` is the reference. The others are taken where they give equal features: on the first cases that are computed,
real ones, each number must be equal to 1e-4. Which one computed a row is part of the row store's key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from fedgraft.client.features.compiled import compiled, installed_version, is_installed, multiply_adds
from fedgraft.client.features.folded import folded, in_parts
from fedgraft.client.site.machine import Machine
from fedgraft.common.errors import first_line
from fedgraft.common.models.frozen_part import INPUTS, Computation, Piece

Name = Literal["eager", "folded", "openvino"]
Compute = Callable[[Tensor], Tensor]
TOLERANCE = 1e-4
"""Of a number, absolute, and relative where it is above 1."""
SAMPLE = 8
"""On how many cases the others are compared with ``eager``."""
PAYS = 10**11
"""Multiply-adds of each thread from which compiling pays: it takes 1.3 s of one, and saves 13 ns for a thousand."""


@dataclass(frozen=True)
class Runtime:
    """One of the programs: its name, and what it adds to the names of stores: nothing for ``eager``."""

    name: Name
    said: str = ""


EAGER = Runtime("eager")


def runtimes(piece: Piece, machine: Machine, precision: str) -> tuple[Runtime, ...]:
    """Those that may compute a piece on a machine, the fastest first; ``eager`` is always the last.

    Args:
        precision: ``float32``, or what only ``eager`` computes.
    """
    if piece.said == INPUTS or precision != "float32" or machine.device.type != "cpu":
        return (EAGER,)
    openvino = (Runtime("openvino", f"openvino-{installed_version()}"),) if is_installed() else ()
    all_of_them = (*openvino, Runtime("folded", "folded-1"), EAGER)
    return tuple(one for one in all_of_them if machine.runtime in ("auto", one.name) or one == EAGER)


def pays(piece: Piece, cases: int, blank: Tensor, threads: int) -> bool:
    """Whether so many cases are worth compiling a piece; ``blank`` is one case."""
    counted = piece.compute.products
    if blank.shape not in counted:
        counted[blank.shape] = multiply_adds(piece.compute, blank)
    return cases * counted[blank.shape] >= PAYS * threads


def built(runtime: Runtime, piece: Piece, machine: Machine, cases: Tensor, network: str) -> Compute | None:
    """A piece as a runtime computes it, built once for all who share its computation; ``None`` if it can't, or if its
    numbers differ, which is said in a line of the log.

    Args:
        cases: real ones, on which it must equal ``eager``.
        network: its name.
    """
    computation = piece.compute
    if runtime == EAGER:
        return computation
    key = f"{runtime.name}|{machine.threads}"
    if key not in computation.others:
        computation.others[key] = _compared(runtime, computation, machine, cases[:SAMPLE], network)
    return computation.others[key]


def _compared(
    runtime: Runtime, computation: Computation, machine: Machine, cases: Tensor, network: str
) -> Compute | None:
    try:
        made = _made(runtime, computation, machine, cases)
        if made is None:  # nothing to fold
            return None
        found, expected = made(cases), computation(cases)
    except (RuntimeError, TypeError, ValueError, ImportError) as error:
        logging.getLogger(__name__).debug(f"{runtime.name}: {error}")  # of a compiler: names of its own nodes and files
        missing = isinstance(error, ImportError)
        why = f"can't be loaded ({first_line(error)[:200]})" if missing else "can't compute such a network"
        _say(network, runtime, f"{why}, and torch computes the same")
        return None
    apart = (found - expected).abs() / expected.abs().clamp(min=1) if found.shape == expected.shape else None
    if apart is None or not bool((apart <= TOLERANCE).all()):
        largest = "in shape" if apart is None else f"by {float(apart.max()):.1e}, and {TOLERANCE:g} is allowed"
        _say(network, runtime, f"differs {largest}")
        return None
    return made


def _made(runtime: Runtime, computation: Computation, machine: Machine, cases: Tensor) -> Compute | None:
    if runtime.name == "folded":
        found = folded(computation, cases)
        return None if found is None else in_parts(found)
    return compiled(computation, cases, machine.threads)


def _say(network: str, runtime: Runtime, why: str) -> None:
    logging.getLogger(__name__).warning(f"the frozen part of {network} is computed without {runtime.name}: it {why}")
