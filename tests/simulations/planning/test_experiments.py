"""`conf/experiment/`: each file makes what its long command makes, and each is named where its figure is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fedgraft.client.fence.plan_bounds import require_plan_within, require_steps_within
from fedgraft.client.site.bounds import Bounds
from fedgraft.simulations.planning.choices import choices, groups
from fedgraft.simulations.planning.planned import Words
from fedgraft.simulations.planning.words import composed

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "conf" / "experiment").glob("*.yaml"))
RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


def command_of(file: Path) -> tuple[str, ...]:
    """The overrides of the command in the file's comment."""
    comment = " ".join(line[1:].strip(" \\") for line in file.read_text().splitlines() if line.startswith("#"))
    return tuple(shlex.split(comment.partition("fedgraft simulate ")[2]))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_experiment_is_its_long_command_within_what_a_site_allows_by_default(file: Path) -> None:
    short, long = composed(Words((f"experiment={file.stem}",))), composed(Words(command_of(file)))
    assert short.plan == long.plan
    assert short.plan.digest == long.plan.digest
    assert short.study == long.study
    require_plan_within(short.plan, Bounds())
    require_steps_within(short.plan, 5000, Bounds())


def test_there_is_one_for_each_row_of_the_results() -> None:
    assert len(FILES) >= 49
    assert {file.stem for file in FILES} == set(re.findall(r"`experiment=(\w+)`", RESULTS))


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_what_a_page_names_is_there(page: str) -> None:
    named = set(re.findall(r"experiment=(\w+)", (ROOT / page).read_text(encoding="utf-8")))
    assert named - {"NAME"} <= set(choices("experiment"))
    assert len(named) > 5


def test_what_is_written_after_an_experiment_wins() -> None:
    plan = composed(Words(("experiment=pneumonia_stages", "seed=2", "train=sgd", "partition.sites=4"))).plan
    assert (plan.seed, plan.train.optimizer, plan.partition.options["sites"]) == (2, "sgd", 4)
    assert (plan.rounds, plan.backbone.freeze) == (8, "blocks.4")


def test_an_experiment_of_one_s_own(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\ndefaults:\n  - override /loss: focal\nrounds: 3\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    assert "mine" in groups(tmp_path)["experiment"] and "busi" in groups(tmp_path)["experiment"]
    plan = composed(Words(("experiment=mine",), config_dir=tmp_path)).plan
    assert (plan.rounds, plan.loss.options["gamma"]) == (3, 2.0)
    assert "experiment" not in plan.to_dict()


def test_every_command_of_the_results_has_one() -> None:
    """But the prefix of a table's commands, which ends with three points."""
    blocks = "\n".join(re.findall(r"^```\n(.*?)^```", RESULTS, re.MULTILINE | re.DOTALL)).replace("\\\n", " ")
    lines = [line.partition("#")[0] for line in blocks.splitlines() if line.startswith("fedgraft simulate ")]
    commands = {frozenset(shlex.split(line)[2:]) - {"seed=S"} for line in lines}
    whole = {words for words in commands if "..." not in words}
    assert len(whole) >= 14
    assert whole <= {frozenset(command_of(file)) for file in FILES}
