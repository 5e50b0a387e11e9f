"""A signature over digests: whose it is, and what breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fedgraft.common.errors import DeploymentError, ModelError
from fedgraft.common.model_folder.digests import DIGESTS, SIGNATURE, read_digests, write_digests
from fedgraft.common.model_folder.signature import check_signature, sign
from fedgraft.server.deployment.pki import make_authority


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    make_authority(tmp_path / "ca.crt", tmp_path / "ca.key")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a.txt").write_text("a", encoding="utf-8")
    write_digests(folder, ["a.txt"])
    sign(folder, tmp_path / "ca.key")
    return folder


def test_the_authority_vouches_for_what_it_signed(signed: Path) -> None:
    check_signature(signed, signed.parent / "ca.crt")


@pytest.mark.parametrize("file", [DIGESTS, SIGNATURE])
def test_a_changed_byte_is_refused(signed: Path, file: str) -> None:
    content = bytearray((signed / file).read_bytes())
    content[20] ^= 1
    (signed / file).write_bytes(bytes(content))
    with pytest.raises(ModelError, match=r"digests.json is not signed by the coordinator that .*ca.crt vouches for"):
        check_signature(signed, signed.parent / "ca.crt")


def test_another_authority_or_none_is_refused(signed: Path) -> None:
    make_authority(signed.parent / "other.crt", signed.parent / "other.key")
    with pytest.raises(ModelError, match=r"not signed by the coordinator that .*other.crt vouches for"):
        check_signature(signed, signed.parent / "other.crt")
    (signed / SIGNATURE).unlink()
    with pytest.raises(ModelError, match=r"not signed"):
        check_signature(signed, signed.parent / "ca.crt")
    with pytest.raises(DeploymentError, match=r"can't be read as the coordinator's ca.crt"):
        check_signature(signed, signed / "a.txt")


@pytest.mark.parametrize("name", ["../a.txt", "a/b", ".hidden", "digests.json", "signature", ""])
def test_digests_name_plain_files_of_the_folder_only(signed: Path, name: str) -> None:
    (signed / DIGESTS).write_text(f'{{"format": 1, "files": {{"{name}": "00"}}}}', encoding="utf-8")
    with pytest.raises(ModelError, match=r"can't be read as the digests of a model's files"):
        read_digests(signed / DIGESTS)


def test_a_key_of_another_kind_signs_nothing(signed: Path) -> None:
    key = signed.parent / "other.key"
    plain = ed25519.Ed25519PrivateKey.generate()
    key.write_bytes(plain.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(DeploymentError, match=r"other.key does not hold the EC key that `fedgraft coordinator init`"):
        sign(signed, key)
