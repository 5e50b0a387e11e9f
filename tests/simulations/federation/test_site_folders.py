"""A run deletes only what a run has made: never the folders of hospitals, nor the data that it reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.common.errors import DataError
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.site_folders import MARK, make_place, mark, require_apart
from fedgraft.simulations.federation.sites import lay_out

Sites = Callable[..., list[Path]]
Composer = Callable[..., Plan]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def of_folders(compose: Composer, hospitals: Path) -> Plan:
    own = ("data=folders", f"data.path={hospitals}", "table.numeric=[age]", "table.min_count=1")
    return compose(*own, small=False)


def test_hospitals_in_the_place_of_the_sites_are_left_alone(
    table_sites: Sites, tmp_path: Path, compose_plan: Composer
) -> None:
    table_sites(2, 10)
    hospitals = (tmp_path / "hospitals").rename(tmp_path / "sites")
    (hospitals / "site-0" / "state").mkdir(exist_ok=True)
    (hospitals / "site-0" / "state" / "key").write_text("secret")
    before = contents(hospitals)
    with pytest.raises(DataError, match=rf"the data lies in {hospitals}, where this run would .* hydra\.run\.dir="):
        lay_out(of_folders(compose_plan, hospitals), hospitals, {"FEDGRAFT_CACHE": str(tmp_path / "cache")})
    assert contents(hospitals) == before


def test_sites_of_an_earlier_run_may_be_data_but_not_in_their_own_place(
    table_sites: Sites, tmp_path: Path, compose_plan: Composer
) -> None:
    table_sites(2, 10)
    environ = {"FEDGRAFT_CACHE": str(tmp_path / "cache")}
    first = lay_out(of_folders(compose_plan, tmp_path / "hospitals"), tmp_path / "run" / "sites", environ)
    again = of_folders(compose_plan, tmp_path / "run" / "sites")
    with pytest.raises(DataError, match="the data lies in"):
        lay_out(again, tmp_path / "run" / "sites", environ)
    assert all(path.is_file() for path in first.sites.values())
    assert lay_out(again, tmp_path / "other" / "sites", environ).cases == 20


def test_a_folder_that_no_run_has_made_is_an_error_and_nothing_is_written(
    table_sites: Sites, tmp_path: Path, compose_plan: Composer
) -> None:
    table_sites(2, 10)
    own = tmp_path / "run" / "site-1"
    own.mkdir(parents=True)
    (own / "scan.png").touch()
    plan = of_folders(compose_plan, tmp_path / "hospitals")
    with pytest.raises(DataError, match=rf"{own} is not a simulated site .* \(it has no file {MARK}\)"):
        lay_out(plan, tmp_path / "run", {"FEDGRAFT_CACHE": str(tmp_path / "cache")})
    assert list(contents(tmp_path / "run")) == ["site-1/scan.png"]


def test_all_sites_of_an_earlier_run_go(tmp_path: Path) -> None:
    for name in ("a", "b"):
        mark(tmp_path / name)
    (tmp_path / "notes").mkdir()
    make_place(tmp_path, ["a"])
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_a_link_and_a_folder_with_a_site_file_are_not_an_earlier_run_s(tmp_path: Path) -> None:
    mark(tmp_path / "elsewhere")
    mark(tmp_path / "sites" / "b")
    (tmp_path / "sites" / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="sites/a is not a simulated site"):
        make_place(tmp_path / "sites", ["a"])
    assert (tmp_path / "elsewhere" / MARK).is_file() and (tmp_path / "sites" / "b" / MARK).is_file()
    (tmp_path / "sites" / "a").unlink()
    (tmp_path / "sites" / "c").mkdir()
    (tmp_path / "sites" / "c" / "site.yaml").touch()
    with pytest.raises(DataError, match="sites/c is not a simulated site"):
        make_place(tmp_path / "sites", ["a"])


def test_links_lead_to_where_the_data_is(tmp_path: Path) -> None:
    sites = tmp_path / "sites"
    (sites / "a").mkdir(parents=True)
    (sites / "a" / "0.png").touch()
    (tmp_path / "0.png").symlink_to(sites / "a" / "0.png")
    (tmp_path / "linked").symlink_to(sites)
    (tmp_path / "1.png").touch()
    require_apart(sites, [tmp_path / "1.png", tmp_path])
    require_apart(tmp_path / "none", [tmp_path / "none" / "0.png"])
    for path in (sites, sites / "a" / "0.png", tmp_path / "0.png", tmp_path / "linked" / "a" / "0.png"):
        with pytest.raises(DataError, match="the data lies in"):
            require_apart(sites, [path])
    with pytest.raises(DataError, match="the data lies in"):
        require_apart(tmp_path / "linked", [sites / "a" / "0.png"])
