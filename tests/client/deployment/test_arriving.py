"""Pieces of a message that broke off are not asked for again, and nothing else is kept."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError
from flwr.supernode import start_client_internal as flower

from fedgraft.client.deployment.line.arriving import LEAST_BYTES, TOGETHER, keep_pieces

PIECES = [bytes([number]) * (LEAST_BYTES + number) for number in range(5)]
SMALL = b"head of a message"
NAMES = [hashlib.sha256(content).hexdigest() for content in (*PIECES, SMALL)]
CONTENT = dict(zip(NAMES, (*PIECES, SMALL), strict=True))
Pull = Callable[..., dict[str, bytes]]


@pytest.fixture
def pull(tmp_path: Path) -> Pull:
    """Flower's own function, as it is replaced; one piece after the other, so that it is known which arrive."""
    loop = SimpleNamespace(pull_objects=flower.pull_objects)
    keep_pieces(loop, tmp_path / "arriving")
    return lambda names, ask, **others: loop.pull_objects(names, pull_object_fn=ask, max_concurrent_pulls=1, **others)


def cut_after(count: int, asked: list[str]) -> Callable[[str], bytes]:
    def ask(name: str) -> bytes:
        if len(asked) == count:
            raise ObjectPullError(name, "the line is cut")
        asked.append(name)
        return CONTENT[name]

    return ask


def test_what_has_arrived_is_not_asked_for_again(pull: Pull, tmp_path: Path) -> None:
    first, second = list[str](), list[str]()
    with pytest.raises(ObjectPullError):
        pull(NAMES, cut_after(3, first))
    kept = sorted((tmp_path / "arriving").iterdir())
    assert [path.name for path in kept] == sorted(first) == sorted(NAMES[:3])
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in kept)
    assert pull(NAMES, cut_after(99, second)) == CONTENT
    assert sorted(second) == sorted(NAMES[3:])
    assert list((tmp_path / "arriving").iterdir()) == []


def test_a_piece_that_was_not_written_whole_is_asked_for_again(pull: Pull, tmp_path: Path) -> None:
    with pytest.raises(ObjectPullError):
        pull(NAMES, cut_after(2, []))
    damaged = tmp_path / "arriving" / NAMES[0]
    damaged.write_bytes(damaged.read_bytes()[:100])
    asked = list[str]()
    assert pull(NAMES, cut_after(99, asked)) == CONTENT
    assert sorted(asked) == sorted([NAMES[0], *NAMES[2:]])


def test_of_another_message_nothing_stays(pull: Pull, tmp_path: Path) -> None:
    with pytest.raises(ObjectPullError):
        pull(NAMES[:2], cut_after(1, []))
    with pytest.raises(ObjectPullError):
        pull(NAMES[2:4], cut_after(1, []))
    assert [path.name for path in (tmp_path / "arriving").iterdir()] == [NAMES[2]]


def test_small_pieces_and_names_that_are_no_digest_are_not_kept(pull: Pull, tmp_path: Path) -> None:
    outside = "../" + NAMES[0]
    with pytest.raises(ObjectPullError):
        pull([NAMES[-1], outside, NAMES[1]], lambda name: _asked(name, {NAMES[-1]: SMALL, outside: PIECES[0]}))
    assert list((tmp_path / "arriving").iterdir() if (tmp_path / "arriving").exists() else []) == []
    assert not (tmp_path / NAMES[0]).exists()


def _asked(name: str, known: dict[str, bytes]) -> bytes:
    if name not in known:
        raise ObjectPullError(name, "the line is cut")
    return known[name]


def test_a_full_disk_stops_no_message(tmp_path: Path) -> None:
    (tmp_path / "arriving").write_text("a file where the folder should be")
    loop = SimpleNamespace(pull_objects=flower.pull_objects)
    keep_pieces(loop, tmp_path / "arriving")
    assert loop.pull_objects(NAMES, pull_object_fn=CONTENT.__getitem__) == CONTENT


def test_few_pieces_are_under_way_at_once(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}
    loop = SimpleNamespace(pull_objects=lambda names, ask, **others: seen.update(others) or {})
    keep_pieces(loop, tmp_path / "arriving")
    loop.pull_objects([], pull_object_fn=CONTENT.__getitem__)
    assert seen == {"max_concurrent_pulls": TOGETHER}
