"""The hospital's own file: defaults, paths, and every message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fedgraft.client.site.site_file import Coordinator, ReleasePolicy, SiteFile, read_site_file, write_site_file
from fedgraft.common.errors import SiteFileError

LEAST = {"name": "north", "manifest": "cohort/manifest.csv", "state": "state"}


def written(folder: Path, content: Any) -> Path:
    path = folder / "site.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def test_defaults_and_relative_paths(tmp_path: Path) -> None:
    site = read_site_file(written(tmp_path, LEAST))
    assert site == SiteFile("north", tmp_path / "cohort/manifest.csv", tmp_path / "state")
    assert site.release == ReleasePolicy(train_loss=True, evaluation=True, class_counts=True, min_count=5)
    assert (site.device, site.threads, site.allow, site.coordinator) == ("auto", None, (), None)
    assert (site.keep, site.workers, site.batch) == ("disk", None, None)
    assert site.shared_store == tmp_path / "state" / "store"


def test_every_key(tmp_path: Path) -> None:
    content = {
        **LEAST,
        "manifest": "/data/m.csv",
        "store": "../store",
        "device": "cuda:0",
        "threads": 8,
        "release": {"train_loss": False, "evaluation": False, "class_counts": False, "min_count": 10},
        "allow": ["our_losses"],
        "keep": "memory",
        "workers": 0,
        "batch": 16,
        "runtime": "eager",
        "coordinator": {"address": "fl.example.org:9092", "ca": "ca.crt", "key": "/keys/north"},
    }
    assert read_site_file(written(tmp_path, content)) == SiteFile(
        name="north",
        manifest=Path("/data/m.csv"),
        state=tmp_path / "state",
        store=tmp_path / "../store",
        device="cuda:0",
        threads=8,
        release=ReleasePolicy(train_loss=False, evaluation=False, class_counts=False, min_count=10),
        allow=("our_losses",),
        coordinator=Coordinator("fl.example.org:9092", tmp_path / "ca.crt", Path("/keys/north")),
        keep="memory",
        workers=0,
        batch=16,
        runtime="eager",
    )


def test_store_is_where_it_says(tmp_path: Path) -> None:
    assert read_site_file(written(tmp_path, {**LEAST, "store": "shared"})).shared_store == tmp_path / "shared"


def test_written_and_read_back(tmp_path: Path) -> None:
    coordinator = Coordinator("host:1", tmp_path / "ca.crt", tmp_path / "key")
    for site in (
        SiteFile("a", tmp_path / "m.csv", tmp_path / "s"),
        SiteFile("b-2", tmp_path / "m.csv", tmp_path / "s", tmp_path / "t", "cuda", 1, allow=("x", "y")),
        SiteFile("c_3", tmp_path / "m.csv", tmp_path / "s", release=ReleasePolicy(False), coordinator=coordinator),
    ):
        write_site_file(tmp_path / "new" / "site.yaml", site)
        assert read_site_file(tmp_path / "new" / "site.yaml") == site


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SiteFileError, match=r"site\.yaml does not exist; `fedgraft site init` writes a first one"):
        read_site_file(tmp_path / "site.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: [", "is not valid YAML: "),
        ("- a\n- b\n", "must be a mapping of keys to values"),
        ("", "must be a mapping of keys to values"),
        ({**LEAST, "manifets": "x"}, r"has 1 problem\(s\):\n  - manifets: "),
        ({"name": "north"}, r"has 2 problem\(s\):\n  - manifest: .*\n  - state: "),
        ({**LEAST, "name": "St. Mary's"}, r"has 1 problem\(s\):\n  - name: "),
        ({**LEAST, "name": "a" * 65}, "  - name: "),
        ({**LEAST, "threads": 0}, "  - threads: .*greater than or equal to 1"),
        ({**LEAST, "release": {"min_count": 0}}, r"  - release\.min_count: .*greater than or equal to 1"),
        ({**LEAST, "release": {"losses": True}}, r"  - release\.losses: "),
        (
            {**LEAST, "coordinator": {"address": "x"}},
            r"2 problem\(s\):\n  - coordinator\.ca: .*\n  - coordinator\.key: ",
        ),
    ],
)
def test_errors(tmp_path: Path, content: Any, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(SiteFileError, match=message) as caught:
        read_site_file(path)
    assert str(path) in str(caught.value)
    assert caught.value.code == "site-file"


def test_all_problems_at_once(tmp_path: Path) -> None:
    content = {"name": "!", "threads": 0, "device": 3, "nonsense": 1}
    with pytest.raises(SiteFileError, match=r"has 6 problem\(s\)"):
        read_site_file(written(tmp_path, content))


def test_what_a_site_trusts_is_ours_and_what_it_allows(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("name: north\nmanifest: manifest.csv\nstate: state\nallow: [ours, theirs]\n")
    assert read_site_file(path).trusted == ("fedgraft", "ours", "theirs")


def test_a_budget_and_announced_labels_do_not_go_together(tmp_path: Path) -> None:
    text = "name: north\nmanifest: m.csv\nstate: s\nprivacy: {epsilon: 8}\nannounce: {classes: true}\n"
    (tmp_path / "site.yaml").write_text(text)
    with pytest.raises(
        SiteFileError, match=r"`announce\.classes` tells labels without noise, and there is a `privacy`"
    ):
        read_site_file(tmp_path / "site.yaml")


def test_fractions_that_leave_nobody(tmp_path: Path) -> None:
    text = "name: north\nmanifest: m.csv\nstate: s\nsplit: {val_fraction: 0.5, test_fraction: 0.5}\n"
    (tmp_path / "site.yaml").write_text(text)
    with pytest.raises(SiteFileError, match=r"split\.val_fraction and split\.test_fraction leave nobody to train on"):
        read_site_file(tmp_path / "site.yaml")
