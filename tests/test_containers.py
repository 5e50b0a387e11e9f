"""What docs/containers/ starts are commands that there are, and what it copies are files that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from fedgraft.client.cli import COMMANDS as SITE
from fedgraft.server.cli import COMMANDS as COORDINATOR

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "containers"
PROGRAMS = {"site": SITE, "coordinator": COORDINATOR}


def test_the_services_are_hardened_and_start_commands_that_there_are() -> None:
    found = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
    assert set(found["services"]) == {"site", "coordinator"}
    for name, service in found["services"].items():
        program, word, *_ = service["command"]
        assert program == name and word in PROGRAMS[program]
        assert (service["read_only"], service["cap_drop"], service["user"]) == (True, ["ALL"], "10001:10001")
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(volume.split(":")[0] in found["volumes"] or "/data:ro" in volume for volume in service["volumes"])


def test_the_page_s_commands_are_there() -> None:
    page = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
    words = re.findall(r"(?:fedgraft|fedgraft\.sif|^ +)[ \\\n]*(site|coordinator) ([a-z]+)", page, re.MULTILINE)
    assert len(words) >= 6
    assert all(word in PROGRAMS[program] for program, word in words)


@pytest.mark.parametrize("name", ["Dockerfile", "fedgraft.def"])
def test_what_is_copied_is_there_and_installed_by_digest(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert "--require-hashes -r" in text and "--no-deps" in text
    copied = re.findall(r"^COPY ([^-\s]\S*) ", text, re.MULTILINE) + re.findall(
        r"^ {4}(\S+) /build/", text, re.MULTILINE
    )
    assert copied and all((ROOT / path).exists() for path in copied)


def test_the_cluster_s_job_can_be_read_by_a_shell() -> None:
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("bash is not there")
    subprocess.run([shell, "-n", str(FOLDER / "site.slurm")], check=True)
