"""What a site remembers of secure sums comes back from its disk as it was, and is nobody else's."""

from pathlib import Path

import numpy as np
import pytest

from fedgraft.client.secure.vault import InMemory, OnDisk
from fedgraft.common.errors import SecureError
from fedgraft.common.secure.fixed_point import WORD
from fedgraft.common.secure.masks import Vector
from fedgraft.common.secure.member import Member, begin, mask, new_keys
from tests.common.secure.federation import Federation


@pytest.fixture
def members() -> list[Member]:
    """A site at each step of a sum."""
    federation, zero = Federation(3), Vector(np.zeros(2, WORD[32]), np.zeros(0, WORD[64]))
    _, sealed = federation.share(1, range(3))
    ready = federation.members[0]
    masked, _ = mask(ready, 1, zero, {1: sealed[1][0], 2: sealed[2][0]}, 2)
    return [begin("7", "a"), ready, masked, new_keys(masked)[0]]


def test_it_comes_back(tmp_path: Path, members: list[Member]) -> None:
    for vault in (OnDisk(tmp_path / "state"), InMemory()):
        assert vault.read(5) is None
        for member in members:
            vault.write(5, member)
            assert vault.read(5) == member and vault.read(6) is None
    path = tmp_path / "state" / "secure" / "5.json"
    assert path.stat().st_mode & 0o077 == 0 and path.parent.stat().st_mode & 0o077 == 0


def test_what_is_damaged_is_not_guessed(tmp_path: Path, members: list[Member]) -> None:
    vault = OnDisk(tmp_path)
    vault.write(5, members[1])
    path = tmp_path / "secure" / "5.json"
    path.write_text(path.read_text()[:-9])
    with pytest.raises(SecureError, match=r"what this site remembered .* can't be read"):
        vault.read(5)
