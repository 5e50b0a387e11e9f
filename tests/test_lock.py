"""requirements.lock and docs/dependencies.md say what pyproject.toml asks for, and what is installed."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.lock"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FAMILIES = {
    "MIT": "MIT|HPND",
    "BSD": "BSD",
    "Apache": "Apache",
    "MPL": r"MPL|Mozilla",
    "LGPL": r"LGPL|Lesser General",
    "GPL": r"(?<!L)GPL|(?<!Lesser )General Public",
    "PSF": "PSF|Python Software Foundation|matplotlib",
    "ISC": "ISC",
    "NVIDIA": "NVIDIA",
}
BINDING = {"LGPL", "GPL", "MPL", "NVIDIA"}
"""Licences that ask something of who passes a program on; the page must not leave them out."""


@dataclass(frozen=True)
class Locked:
    """A line of the lock file; the same package may have several, for different versions of Python."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        (only,) = self.requirement.specifier
        assert only.operator == "=="
        return only.version


def locked(text: str) -> list[Locked]:
    whole = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.strip() for line in whole.splitlines() if line.strip()]
    found = []
    for line in lines:
        said, *hashes = re.split(r"\s+--hash=", line)
        found.append(Locked(Requirement(said), tuple(hashes)))
    return found


@pytest.fixture(scope="module")
def lock() -> list[Locked]:
    return locked(LOCK.read_text())


def test_each_dependency_is_locked_within_its_range(lock: list[Locked]) -> None:
    for text in PROJECT["dependencies"]:
        asked = Requirement(text)
        found = [one for one in lock if one.name == canonicalize_name(asked.name)]
        assert found, f"{asked.name} is not locked: make lock"
        for one in found:
            assert asked.specifier.contains(one.version), f"{asked} is locked at {one.version}: make lock"


def test_what_is_locked_needs_nothing_else(lock: list[Locked]) -> None:
    """As far as it is installed here in the locked version: what each needs is locked, and within its range."""
    by_name = {one.name: one for one in lock if one.requirement.marker is None or one.requirement.marker.evaluate()}
    looked = 0
    for one in by_name.values():
        try:
            distribution = importlib.metadata.distribution(one.name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if distribution.version != one.version:
            continue
        looked += 1
        for text in distribution.requires or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                other = by_name.get(canonicalize_name(needed.name))
                assert other is not None, f"{one.name} needs {needed}, which is not locked: make lock"
                assert needed.specifier.contains(other.version, prereleases=True), f"{one.name} needs {needed}"
    assert looked > 20


def test_each_file_has_its_digest_and_no_address(lock: list[Locked]) -> None:
    for one in lock:
        assert one.hashes, one.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in one.hashes), one.name
        assert one.requirement.url is None
    text = LOCK.read_text()
    assert not re.search(r"://|^-|--(?:index|extra-index|find-links)| @ |/\w+/\w+", text, re.MULTILINE)


def test_the_reader_of_the_lock_is_not_blind() -> None:
    digest = "sha256:" + "0" * 64
    text = (
        f"# a note\na==1 ; python_version < '3' \\\n    --hash={digest} \\\n    --hash={digest}\n    # via b\nb-c==2\n"
    )
    one, other = locked(text)
    assert (one.name, one.version, one.hashes) == ("a", "1", (digest, digest))
    assert (other.name, other.version, other.hashes) == ("b-c", "2", ())


def licences() -> dict[str, str]:
    """The licence of each package that the page names."""
    found = {}
    for line in (ROOT / "docs/dependencies.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if len(cells) == 3:
            found |= {canonicalize_name(name.strip()): cells[1] for name in cells[0].split(",")}
        elif len(cells) == 2:
            found |= {canonicalize_name(name.strip()): cells[0] for name in cells[1].split(",")}
    return found


def families(text: str) -> set[str]:
    return {name for name, pattern in FAMILIES.items() if re.search(pattern, text, re.IGNORECASE)}


def declared(name: str) -> str | None:
    """What an installed package says of its licence; ``None`` if it is not installed."""
    try:
        about = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    expression = about.get("License-Expression")
    if expression:
        return expression
    classified = [line for line in about.get_all("Classifier", []) if line.startswith("License ::")]
    return " ".join([*classified, (about.get("License") or "").partition("\n")[0]])


def test_the_page_names_the_licence_of_each_package(lock: list[Locked]) -> None:
    on_page, extras = licences(), PROJECT["optional-dependencies"]
    direct = [Requirement(text).name for text in (*PROJECT["dependencies"], *(t for e in extras.values() for t in e))]
    compared = 0
    for name in {canonicalize_name(name) for name in direct} | {one.name for one in lock}:
        assert name in on_page, f"docs/dependencies.md does not name the licence of {name}"
        said, told = families(on_page[name]), families(declared(name) or "")
        if told:
            compared += 1
            assert said & told, f"{name}: {on_page[name]!r} on the page, {declared(name)!r} in the package"
            assert told & BINDING <= said, f"{name}: {declared(name)!r}"
    assert compared > 60


def test_a_bill_of_materials_names_what_is_locked(lock: list[Locked], tmp_path: Path) -> None:
    """As `make sbom` writes it."""
    pytest.importorskip("cyclonedx_py", reason="of the extra dev; install it again")
    out = tmp_path / "sbom.json"
    given = ("requirements", str(LOCK), "--pyproject", str(ROOT / "pyproject.toml"))
    written = ("--output-reproducible", "--output-format", "JSON", "--output-file", str(out))
    subprocess.run([sys.executable, "-m", "cyclonedx_py", *given, *written], check=True, capture_output=True)
    bill = json.loads(out.read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "fedgraft")
    named = {(canonicalize_name(one["name"]), one["version"]) for one in bill["components"]}
    assert named == {(one.name, one.version) for one in lock}
    digests = {
        digest["content"] for one in bill["components"] for r in one["externalReferences"] for digest in r["hashes"]
    }
    assert digests == {digest.removeprefix("sha256:") for one in lock for digest in one.hashes}
