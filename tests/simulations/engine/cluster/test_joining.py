"""Each way in which a cluster can't be joined, or does not fit, is one clear error; without starting Ray."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from fedgraft.common.errors import ClusterError
from fedgraft.simulations.engine.cluster.joining import joined, not_joined


def test_without_ray_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedgraft.simulations.engine.cluster.joining.find_spec", lambda name: None)
    with pytest.raises(ClusterError, match=r"engine=ray needs Ray: pip install 'fedgraft\[ray\]'"):
        joined(None).__enter__()


@pytest.mark.parametrize("address", ["nowhere", "ray://head:10001", "head:port", "head:0", ":6379", "head:70000"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(ClusterError, match=rf"engine.address={address}: auto, or host:port of the cluster's head"):
        joined(address).__enter__()


def test_an_address_where_nobody_listens_is_named() -> None:
    pytest.importorskip("ray")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ClusterError, match=rf"engine.address={address}: nothing answers there \(Connection refuse"):
            joined(address).__enter__()


def test_another_program_is_told_from_a_cluster() -> None:
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def answer() -> None:
            line, _ = server.accept()
            with line:
                line.recv(64)
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        web = threading.Thread(target=answer)
        web.start()
        with pytest.raises(ClusterError, match=rf"engine.address={address}: what listens there is no head of a Ray"):
            joined(address).__enter__()
        web.join()


def test_ray_s_own_words_are_told_with_what_to_look_at() -> None:
    said = not_joined("auto", ConnectionError("Could not find any running Ray instance.\nMore."))
    assert said.startswith("engine.address=auto: the Ray cluster can't be joined (Could not find any running Ray")
    assert "`ray status` here" in said and "More" not in said
    assert "or use engine=inprocess" in not_joined(None, Exception("The current node timed out during startup."))


def test_a_node_with_other_versions_is_named_with_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    from fedgraft.simulations.engine.cluster.survey import PACKAGES, Wanted, differing, here, probe, unfit

    ours = here()
    folder = tmp_path / "fedgraft-9.9.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: fedgraft\nVersion: 9.9\n")
    (tmp_path / "token").write_text("text")
    with monkeypatch.context() as there:
        there.syspath_prepend(tmp_path)
        there.setenv("FEDGRAFT_CACHE", "/elsewhere")
        said = probe()(PACKAGES, str(tmp_path / "token"), "text", [["/a", os.devnull]])
    assert said["cache"] == "/elsewhere" and said["missing"] == ["/a"]
    told = f"node-2 has fedgraft 9.9 (here {ours['fedgraft']})"
    assert unfit("node-2", said, Wanted([], (tmp_path / "token", "text"), 1, "cpu")) == told
    assert differing("node-2", {**ours, "torch": None}, ours) == f"node-2 has torch not at all (here {ours['torch']})"
    assert not differing("node-2", {**ours, "python": f"{ours['python']}9"}, ours)
