"""Folders, programs, key, coordinator. That a real coordinator is found is tested in tests/deployment."""

from pathlib import Path

import pytest

from fedgraft.client.check.report import Finding
from fedgraft.client.check.sections.deployment import describe_deployment
from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.site_file import Coordinator, SiteFile


def look(site: SiteFile) -> dict[str, Finding]:
    return {finding.what: finding for finding in describe_deployment(site).findings}


def site(folder: Path, **changes: object) -> SiteFile:
    return SiteFile("north", folder / "m.csv", folder / "state", **changes)  # type: ignore[arg-type]


def test_a_first_start(tmp_path: Path) -> None:
    found = look(site(tmp_path, threads=1, device="cpu"))
    assert {what: finding.grade for what, finding in found.items()} == {
        "state": "ok",
        "store": "ok",
        "device": "ok",
        "versions": "ok",
        "coordinator": "warning",
    }
    assert found["device"].text == "cpu, 1 thread"
    assert found["versions"].text.startswith("fedgraft 0.") and "pydicom 3" in found["versions"].text
    assert found["coordinator"].todo == "`fedgraft site start` needs one"


def test_folders(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "file").write_text("")
    found = look(site(tmp_path, store=tmp_path / "file"))
    assert (found["state"].grade, found["state"].todo) == ("warning", "run `chmod o-rwx` on it")
    assert found["state"].text == f"{tmp_path / 'state'} can be read by every account"
    assert (found["store"].grade, found["store"].todo) == ("problem", "make it writable, or name another")
    assert found["store"].text == f"{tmp_path / 'file'} can't be written by this account"


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    found = look(site(tmp_path, device="cuda:77"))["device"]
    assert found.grade == "problem" and "device: cuda:77 can't be used here" in found.text


@pytest.mark.parametrize("made", [False, True])
def test_key_and_coordinator(tmp_path: Path, made: bool) -> None:
    key = tmp_path / "north.key"
    if made:
        make_key_pair(key, "north")
    found = look(site(tmp_path, coordinator=Coordinator("https://x", tmp_path / "ca.crt", key)))
    assert found["coordinator"].grade == "problem"
    assert "coordinator.address 'https://x' must be host:port" in found["coordinator"].text
    assert found["key"].grade == ("ok" if made else "problem")
    expected = "SHA256:" if made else "does not exist; `fedgraft site keygen` makes it"
    assert expected in found["key"].text


def test_a_simulated_site_needs_no_coordinator_and_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    found = {one.what: one for one in describe_deployment(site(tmp_path), simulated=True).findings}
    assert (found["coordinator"].grade, found["coordinator"].text) == ("ok", "a simulated site needs none")
    assert found["state"].grade == "ok"
