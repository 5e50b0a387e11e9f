"""Who signed a request: the right key, this path, about now."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fedgraft.client.site.keys import make_key_pair
from fedgraft.common.runtime.signed_requests import CONTENT, KEY, SIGNATURE, TIME, signed_headers, signer
from fedgraft.common.runtime.ssh_keys import key_fingerprint

NOW = 1_800_000_000.0


def test_the_fingerprint_is_that_of_the_key(tmp_path: Path) -> None:
    public = make_key_pair(tmp_path / "north.key", "north")
    headers = signed_headers(tmp_path / "north.key", "/models/a", NOW)
    assert signer(headers, "/models/a", NOW + 299) == key_fingerprint(public)
    assert signer(headers, "/models/a", NOW - 299) == key_fingerprint(public)


def test_another_path_time_key_or_signature_is_nobodys(tmp_path: Path) -> None:
    make_key_pair(tmp_path / "north.key", "north")
    make_key_pair(tmp_path / "south.key", "south")
    headers = signed_headers(tmp_path / "north.key", "/models/a", NOW)
    other = signed_headers(tmp_path / "south.key", "/models/a", NOW)
    assert signer(headers, "/models/b", NOW) is None
    assert signer(headers, "/models/a", NOW + 301) is None
    assert signer({**headers, TIME: str(int(NOW) + 1)}, "/models/a", NOW) is None
    assert signer({**headers, KEY: other[KEY]}, "/models/a", NOW) is None
    assert signer({**headers, SIGNATURE: other[SIGNATURE]}, "/models/a", NOW) is None


@pytest.mark.parametrize("value", ["", "x", "٣", "ssh-ed25519 AAAA", "A" * 5000])
@pytest.mark.parametrize("name", [KEY, TIME, SIGNATURE])
def test_what_is_no_key_time_or_signature_is_nobodys(tmp_path: Path, name: str, value: str) -> None:
    make_key_pair(tmp_path / "north.key", "north")
    headers = signed_headers(tmp_path / "north.key", "/models", NOW)
    assert signer({**headers, name: value}, "/models", NOW) is None
    assert signer({}, "/models", NOW) is None


def test_what_is_posted_is_signed_too(tmp_path: Path) -> None:
    public = make_key_pair(tmp_path / "north.key", "north")
    posted = signed_headers(tmp_path / "north.key", "/models/a", NOW, b"figures")
    assert posted[CONTENT] == hashlib.sha256(b"figures").hexdigest()
    assert signer(posted, "/models/a", NOW, posts=True) == key_fingerprint(public)
    assert signer({**posted, CONTENT: hashlib.sha256(b"others").hexdigest()}, "/models/a", NOW, posts=True) is None
    assert signer(posted, "/models/a", NOW) is None, "it is no GET"
    asked = signed_headers(tmp_path / "north.key", "/models/a", NOW)
    assert signer(asked, "/models/a", NOW, posts=True) is None, "a GET is no POST"
