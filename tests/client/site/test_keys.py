"""A site's key is the one that ssh-keygen would have made."""

import stat
import subprocess
from pathlib import Path

import pytest

from fedgraft.client.site.keys import check_private_key, make_key_pair
from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.ssh_keys import key_fingerprint


def test_ssh_keygen_agrees(tmp_path: Path) -> None:
    private = tmp_path / "north.key"
    public = make_key_pair(private, "north")
    derived = subprocess.run(["ssh-keygen", "-yf", str(private)], capture_output=True, text=True, check=True)
    assert derived.stdout.split()[:2] == public.read_text().split()[:2]
    shown = subprocess.run(["ssh-keygen", "-lf", str(public)], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["384", key_fingerprint(public), "north", "(ECDSA)"]
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    check_private_key(private)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    private = tmp_path / "north.key"
    make_key_pair(private, "north")
    before = private.read_bytes()
    with pytest.raises(DeploymentError, match="not overwritten"):
        make_key_pair(private, "north")
    assert private.read_bytes() == before


def test_an_unusable_key_is_named(tmp_path: Path) -> None:
    private = tmp_path / "north.key"
    with pytest.raises(DeploymentError, match="does not exist; `fedgraft site keygen` makes it"):
        check_private_key(private)
    make_key_pair(private, "north")
    private.chmod(0o644)
    with pytest.raises(DeploymentError, match="can be read by other accounts"):
        check_private_key(private)
    private.write_text("no key")
    private.chmod(0o600)
    with pytest.raises(DeploymentError, match="not an OpenSSH private key"):
        check_private_key(private)
    private.unlink()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(private)], check=True)
    with pytest.raises(DeploymentError, match="is no EC key"):
        check_private_key(private)


def test_a_public_key_that_is_none_is_named(tmp_path: Path) -> None:
    public = tmp_path / "north.pub"
    with pytest.raises(DeploymentError, match="does not exist"):
        key_fingerprint(public)
    public.write_text("ssh-nonsense AAAA")
    with pytest.raises(DeploymentError, match="not an OpenSSH public key"):
        key_fingerprint(public)
