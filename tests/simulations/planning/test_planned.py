"""A plan as a notebook holds it, and its description as text and as tables."""

from __future__ import annotations

import copy

import pytest

from fedgraft.common.interfaces.roles import HEAD
from fedgraft.simulations.api import plan
from fedgraft.simulations.planning.html import html_table
from fedgraft.simulations.planning.planned import Planned

SMALL = {
    "backbone": "timm",
    "backbone__name": "test_efficientnet",
    "backbone__pretrained": False,
    "data__image_size": 32,
    "rounds": 3,
}


def test_it_behaves_as_the_plan() -> None:
    made = plan("loss=focal", seed=7)
    assert (made.seed, made.loss.options, made.digest) == (7, {"gamma": 2.0}, made.plan.digest)
    assert made.to_dict() == made.plan.to_dict()
    assert {"describe", "words", "digest", "to_json", "data"} <= set(dir(made))
    assert copy.deepcopy(made) == made
    with pytest.raises(AttributeError, match="'Plan' object has no attribute 'epochs'"):
        made.epochs  # noqa: B018


def test_its_short_form_names_digest_and_parts() -> None:
    made = plan("loss=focal", **SMALL)
    assert repr(made).startswith(f"<plan {made.digest[:12]}: seed 0; rounds 3; data phantom; partition by_site;")
    assert "loss focal" in repr(made)
    assert '<td style="text-align:right">focal</td>' in made._repr_html_()


def test_the_study_is_beside_the_plan() -> None:
    asked = plan(baselines=["local"], seeds=[1, 2])
    assert (asked.study.baselines, asked.study.seeds) == (("local",), (1, 2))
    assert asked.plan == plan().plan


def test_a_description_is_text_and_tables() -> None:
    """A linear head on 256 features: 2 x 256 + 2 numbers of four bytes, and 3 rounds of them."""
    found = plan(**SMALL).describe()
    head = next(group for group in found.groups if group.name == HEAD.rstrip("."))
    assert (head.role, head.tensors, head.numbers, head.bytes) == ("shared", 2, 514, 2056)
    assert found.traffic[-1][0] == "in total, 3 rounds"
    for text in (str(found), found._repr_html_()):
        for words in ("2,056", "once: the plan", "leaves a site: shared tensors", "plan digest", "LogitAdjusted"):
            assert (words in text) == (words != "LogitAdjusted")
    assert repr(found) == str(found)
    apart = plan(**SMALL, site_distances=True).describe()
    assert "at the end, sums over its patients' features (at least min_count patients)" in str(apart)


def test_cells_of_a_table_are_escaped() -> None:
    made = html_table("a & b", ("<site>", "n"), [("<b>", "1"), ("c", "2")], marked=1)
    assert made == (
        '<table><caption>a &amp; b</caption><thead><tr><th style="text-align:left">&lt;site&gt;</th>'
        '<th style="text-align:right">n</th></tr></thead><tbody><tr><td style="text-align:left">&lt;b&gt;</td>'
        '<td style="text-align:right">1</td></tr><tr style="font-weight:bold"><td style="text-align:left">c</td>'
        '<td style="text-align:right">2</td></tr></tbody></table>'
    )


def test_a_plan_that_was_read_has_no_words() -> None:
    assert Planned(plan().plan).words is None
