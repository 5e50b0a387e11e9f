"""A hospital's own words for labels and findings, and findings that it never marks."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgraft.client.cohort.at_a_glance import Glance
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.own_words import in_plans_words, in_words_of_plans, listed_cases
from fedgraft.client.site.site_file import SiteFile, read_site_file
from fedgraft.common.errors import DataError
from fedgraft.common.tasks.multilabel import Multilabel


def cases(*cells: tuple[str, str]) -> list[Case]:
    return [
        Case("/a.png", "boese", f"p{n}", row=n, columns=(("sex", "F"), ("lobaer", one), ("herd", other)))
        for n, (one, other) in enumerate(cells)
    ]


def test_columns_that_are_one_finding_are_joined_as_kleene_s_or() -> None:
    joined = {("1", "0"): "1", ("1", ""): "1", ("0", "no"): "0", ("0", ""): "", ("", ""): "", ("", "yes"): "1"}
    found = in_plans_words(cases(*joined), {"lobaer": "pneumonia", "herd": "pneumonia", "boese": "malignant"}, ["mass"])
    assert [one.columns for one in found] == [
        (("sex", "F"), ("pneumonia", cell), ("mass", "")) for cell in joined.values()
    ]
    assert {one.label for one in found} == {"malignant"}
    labels = Multilabel(("pneumonia", "mass")).targets(found)
    assert labels[:, 1].isnan().all() and labels[:3, 0].tolist() == [1, 1, 0]
    assert Multilabel(("pneumonia", "mass")).known(labels) == (4, 0)
    assert Multilabel(("pneumonia",)).known(labels[:3, :1]) is None


def test_words_that_are_not_there_are_an_error() -> None:
    some = cases(("1", "0"), ("x", "0"))
    with pytest.raises(
        DataError, match=r"`terms` in site.yaml: erguss is neither a column of the manifest nor a label"
    ):
        in_plans_words(some, {"erguss": "effusion"}, [])
    with pytest.raises(DataError, match=r"`unmarked` in site.yaml: herd has a column in the manifest; take it out"):
        in_plans_words(some, {}, ["herd"])
    with pytest.raises(DataError, match=r"joins columns to herd, and a cell of one is neither yes"):
        in_plans_words(some, {"lobaer": "herd"}, [])
    with pytest.raises(DataError, match=r"lacks the column\(s\) mass, .*`unmarked` in site.yaml.*under `terms`"):
        Multilabel(("mass",)).targets(some)
    assert in_plans_words(some, {}, []) == tuple(some)


def test_a_site_file_says_them(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,patient,Erguss\na.png,p1,1\nb.png,p2,\n")
    words = "name: cedar\nmanifest: m.csv\nstate: s\nterms: {Erguss: effusion}\nunmarked: [mass]\n"
    (tmp_path / "site.yaml").write_text(words)
    site = read_site_file(tmp_path / "site.yaml")
    assert [one.columns for one in listed_cases(site)] == [(("effusion", cell), ("mass", "")) for cell in ("1", "")]
    looked = Glance("files", 2, ("Erguss", "path"), {"Erguss": 1, "effusion": 2})
    told = in_words_of_plans(looked, site)
    assert told.columns == ("effusion", "mass", "path") and told.labels == {"effusion": 3}
    assert in_words_of_plans(looked, SiteFile("oak", tmp_path, tmp_path)) == looked
