"""``fedgraft augment --show`` as it is typed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image

from fedgraft.client.site.row_store import Store
from fedgraft.common.errors import DataError, PlanError
from fedgraft.common.harmonisation.reference import harmony_of
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.commands.augment import main, show
from fedgraft.simulations.federation.local_statistics import with_answers
from fedgraft.simulations.federation.sites import lay_out

PlanOf = Callable[..., Plan]
SMALL = ("data.sites=3", "data.cases=32", "data.size=64", "data.image_size=32")


@pytest.fixture(autouse=True)
def _cache(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)


def test_a_simulated_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two of three sites give a case each, in the case as it is and five views: three times as wide as high, or so."""
    assert main(["--show", "--cases", "2", "--out", "a.png", "augment=radiograph", *SMALL]) == 0
    assert capsys.readouterr().out == (
        "wrote a.png: 2 case(s) in 6 images; they are patients' own: keep it where they are\n"
    )
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > image.height
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png"], "Hydra leaves nothing behind"


def test_harmonised_towards_the_means_of_all_sites(compose_plan: PlanOf, tmp_path: Path) -> None:
    show(compose_plan("harmonise=fourier"), None, 3, tmp_path / "a.png")
    assert (tmp_path / "a.png").is_file()


def test_local_means_are_those_of_a_run(compose_plan: PlanOf, tmp_path: Path) -> None:
    plan = compose_plan("harmonise=histogram")
    sites = lay_out(plan, tmp_path / "sites", os.environ).sites
    known = with_answers(plan, sites, Store(None))
    harmony = harmony_of(known)
    assert harmony is not None
    assert len(harmony.reference) == harmony.numbers(32)
    assert with_answers(known, sites, Store(None)) is known
    held = with_answers(compose_plan("harmonise=histogram", f"hold_out=[{min(sites)}]"), sites, Store(None))
    assert held.harmonise.reference != known.harmonise.reference


def test_a_site_s_own_cases_by_overrides_or_by_a_plan(compose_plan: PlanOf, tmp_path: Path) -> None:
    plan = compose_plan("augment=mild")
    site = next(iter(lay_out(plan, tmp_path / "sites", os.environ).sites.values()))
    assert main(["--show", "--site", str(site), "--out", "a.png", "augment=mild", *SMALL]) == 0
    Path("plan.yaml").write_text(yaml.safe_dump(plan.to_dict()))
    assert main(["--show", "--site", str(site), "--out", "b.png", "--plan", "plan.yaml"]) == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    with pytest.raises(PlanError, match=r"one site does not know the numbers .* which has them: --plan RUN/plan\.yaml"):
        main(["--show", "--site", str(site), "--out", "c.png", "harmonise=histogram", *SMALL])


def test_a_file_that_is_there_is_found_before_anything_is_decoded(compose_plan: PlanOf, tmp_path: Path) -> None:
    """The site file is not even read."""
    (tmp_path / "a.png").write_text("mine")
    with pytest.raises(DataError, match=r"a\.png exists and is not overwritten; name another file with --out"):
        show(compose_plan("augment=mild"), tmp_path / "no-site.yaml", 1, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["augment=none"], "--show has nothing to show: augment.views=1 and harmonise=none leave each case as it is"),
        (["augment.mixup=0.2"], "--show has nothing to show"),
        (["data=uci_heart"], "--show is for images, and the plan is for the table; choose another data set"),
        (["augment=mild", "--cases", "0"], "--cases 0 must be 1 or more"),
        (["augment=mild", "--plan", "p.yaml"], "--plan and the override augment=mild contradict each other; leave one"),
    ],
)
def test_what_can_t_be_shown(arguments: list[str], text: str) -> None:
    with pytest.raises(PlanError) as caught:
        main(["--show", *arguments])
    assert text in str(caught.value)
    assert not Path("augment.png").exists()


def test_a_cohort_of_which_nothing_can_be_used(compose_plan: PlanOf, tmp_path: Path) -> None:
    plan = compose_plan("augment=mild")
    (tmp_path / "manifest.csv").write_text("path,label,patient\n" + "".join(f"{n}.png,clear,p{n}\n" for n in range(9)))
    (tmp_path / "site.yaml").write_text("name: north\nmanifest: manifest.csv\nstate: state\nworkers: 0\n")
    with pytest.raises(DataError, match="none of the cases that were tried can be used; see `fedgraft site check`"):
        show(plan, tmp_path / "site.yaml", 3, tmp_path / "a.png")


def test_without_show_there_is_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["augment=mild"])
    assert "--show" in capsys.readouterr().err
