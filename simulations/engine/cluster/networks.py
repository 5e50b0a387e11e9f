"""Copies of the frozen networks on every node of a cluster, so that a site can go on where it has not been before.

The coordinator sends a network once to each node that lacks it. A node without sites is sent none; and if the only one
that had it is lost, nobody could give it to another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fedgraft.common.runtime.files import private_folder, replacing
from fedgraft.simulations.engine.cluster import calls
from fedgraft.simulations.engine.cluster.placing import Node


def spread(digests: Sequence[str], nodes: Sequence[Node]) -> None:
    """Give each node the networks that it lacks and another one has. Whether a file is what it should be is looked at
    by whoever opens it.

    Args:
        digests: of the networks.
    """
    if len(nodes) < 2:
        return
    held = {node.key: _on(node, _held, list(digests)) for node in nodes}
    known: dict[str, set[str]] = {}
    for key, reference in held.items():
        try:
            known[key] = set(calls.value(reference))
        except calls.LostError:
            continue  # the node is lost, which the next question to it will tell
    for digest in digests:
        having = next((node for node in nodes if digest in known.get(node.key, ())), None)
        lacking = [node for node in nodes if node.key in known and digest not in known[node.key]]
        if having is not None and lacking:
            content = _on(having, _read, digest)
            calls.ended([_on(node, _write, digest, content) for node in lacking], len(lacking))


def _on(node: Node, work: Callable[..., object], *given: object) -> calls.Reference:
    return calls.run_at(node.key, work, str(Path(node.cache) / "store" / "backbones"), *given)


def _held(folder: str, digests: list[str]) -> list[str]:
    return [digest for digest in digests if _file(folder, digest).is_file()]


def _read(folder: str, digest: str) -> bytes:
    return _file(folder, digest).read_bytes()


def _write(folder: str, digest: str, content: bytes) -> None:
    private_folder(Path(folder))
    with replacing(_file(folder, digest)) as partial:
        partial.write_bytes(content)


def _file(folder: str, digest: str) -> Path:
    return Path(folder) / f"{digest}.safetensors"
