"""What is asked of Ray itself; everything else in this room goes through here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import ray
from ray.exceptions import RayError as LostError
from ray.exceptions import RayTaskError as FailedError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

_RAY: Any = ray  # its own types leave out what is not decorated
Reference = Any
"""To what a process answers, or will."""
__all__ = [
    "FailedError",
    "LostError",
    "Reference",
    "alive",
    "end",
    "ended",
    "kept",
    "lives",
    "run_at",
    "started",
    "value",
]


def alive() -> list[Mapping[str, Any]]:
    """What Ray knows of each node that lives."""
    return [facts for facts in _RAY.nodes() if facts["Alive"]]


def kept(content: object) -> Reference:
    """Put content where every process can get it."""
    return _RAY.put(content)


def value(reference: Reference) -> Any:
    """What was answered.

    Raises:
        FailedError: an exception was raised there; it is its cause.
        LostError: the process that should have answered is gone, or its answer (`FailedError` is one of these).
    """
    return _RAY.get(reference)


def ended(references: Collection[Reference], number: int = 1, seconds: float | None = None) -> list[Reference]:
    """Those of which an answer came, or of which it is known that none comes: as soon as there are ``number``, or after
    so many seconds."""
    found: list[Reference] = _RAY.wait(list(references), num_returns=number, timeout=seconds)[0]
    return found


def run_at(node: str, work: Callable[..., Any], *given: object) -> Reference:
    """Run a function once on this node and nowhere else; beside what its processors do."""
    return _RAY.remote(num_cpus=0, max_retries=0, scheduling_strategy=_only(node))(work).remote(*given)


def started(node: str, actor: type, processors: int, gpus: int, *given: object) -> Any:
    """Start an actor on this node and nowhere else; it has so many processors for itself."""
    options = {"num_cpus": processors, "num_gpus": gpus, "scheduling_strategy": _only(node)}
    return _RAY.remote(**options)(actor).remote(*given)


def lives(node: str) -> bool:
    """Whether a node does what it is asked. If it is about to go, this waits until Ray knows."""
    if all(facts["NodeID"] != node for facts in alive()):
        return False
    try:
        value(run_at(node, _nothing))
    except LostError:
        return False
    return True


def _nothing() -> None:
    """What a node is asked to do to see whether it is there."""


def end(actor: Any) -> None:
    """End an actor, if it is still there."""
    _RAY.kill(actor)


def _only(node: str) -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(node, soft=False)
