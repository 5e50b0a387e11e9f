"""The functions of ``import fedgraft``, as a notebook calls them: several times, with cells' own classes and cases."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from html import escape
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor, nn
from torch.nn import functional

import fedgraft as fg
from fedgraft.common import tensors
from fedgraft.common.plan.plan import load_plan
from fedgraft.simulations import api

ROWS = 90


class Squared(nn.Module):
    """Mean squared distance of the probabilities from the label, times ``scale``."""

    def __init__(self, class_weights: Tensor | None, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        wanted = functional.one_hot(labels, logits.shape[1])
        return self.scale * (logits.softmax(1) - wanted).square().sum(1).mean()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDGRAFT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def source() -> Iterator[fg.Source]:
    """Three hospitals; who is older is ill."""
    frame = {
        "age": [30 + place % 50 for place in range(ROWS)],
        "ill": ["yes" if place % 50 > 25 else "no" for place in range(ROWS)],
        "hospital": [f"h{place % 3}" for place in range(ROWS)],
    }
    return fg.Source.from_frame(frame, label="ill", site="hospital", numeric=["age"])


def weights(run: fg.Run) -> str:
    return tensors.digest(tensors.load(run.out / "model" / "model.safetensors"))


def test_twice_in_one_process_is_twice_the_same(source: fg.Source) -> None:
    """And torch's threads and Flower's log are as they were."""
    torch.set_num_threads(1)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    plan = fg.plan(rounds=2, source=source, engine__threads=2)
    first, second = fg.simulate(plan, "runs/one", quiet=True), fg.simulate(plan, "runs/two", quiet=True)
    assert weights(first) == weights(second)
    assert (torch.get_num_threads(), logging.getLogger("flwr").level) == (1, logging.ERROR)
    again = fg.simulate(fg.plan(rounds=1, source=source), "runs/one", quiet=True)
    assert again.summary["rounds"] == 1 and len(again.rounds) == 2


def test_without_out_each_run_gets_a_folder_of_its_own(source: fg.Source, tmp_path: Path) -> None:
    plan = fg.plan(rounds=1, source=source)
    outs = {fg.simulate(plan, quiet=True).out.resolve() for _ in range(2)}
    assert len(outs) == 2 and all(out.is_relative_to(tmp_path / "runs") for out in outs)
    busy = tmp_path / "runs" / "then"
    busy.mkdir()
    assert api._numbered(busy, 0) == busy and api._numbered(busy, 1) == tmp_path / "runs" / "then-2"


def test_a_plan_is_what_plan_gives_or_a_plan_or_a_file(source: fg.Source) -> None:
    run = fg.simulate(fg.plan(rounds=1, source=source), "one", quiet=True)
    by_file = fg.simulate("one/plan.yaml", "two", quiet=True)
    by_plan = fg.simulate(load_plan(Path("one/plan.yaml")), "three", quiet=True)
    by_run = fg.simulate(run.plan, "four", quiet=True)
    assert len({weights(each) for each in (run, by_file, by_plan, by_run)}) == 1
    with pytest.raises(fg.PlanError, match="source has no effect on a plan that was read from a file"):
        fg.simulate("one/plan.yaml", source=source)


def test_progress_and_what_was_found_are_shown_unless_it_is_to_be_quiet(
    source: fg.Source, capsys: pytest.CaptureFixture[str]
) -> None:
    fg.simulate(fg.plan(rounds=1), "one", source=source)
    shown = " ".join(capsys.readouterr().out.split())
    assert "classes found in the labels: no (" in shown and "3 sites, 90 cases -> one" in shown and "rounds" in shown
    fg.simulate(fg.plan(rounds=1), "two", source=source, quiet=True)
    assert capsys.readouterr().out.strip() == ""


def test_a_source_and_another_data_set_contradict_each_other(source: fg.Source) -> None:
    with pytest.raises(fg.PlanError, match="data=busi and source both say what the cases are; leave out one of them"):
        fg.plan("data=busi", source=source)
    assert fg.plan("data.val_fraction=0.3", source=source).data.val_fraction == 0.3


def test_a_source_takes_the_place_of_a_public_data_set(source: fg.Source, capsys: pytest.CaptureFixture[str]) -> None:
    run = fg.simulate(fg.plan("data=busi", "partition.sites=5", loss="focal", rounds=1), "one", source=source)
    assert run.plan.data.classes == ("no", "yes") and run.plan.loss.target.endswith("FocalLoss")
    shown = " ".join(capsys.readouterr().out.split())
    assert "so that these have no effect: data=busi, partition.sites=5" in shown


def test_a_complete_run_goes_on_with_its_own_plan_alone(source: fg.Source, capsys: pytest.CaptureFixture[str]) -> None:
    plan = fg.plan(rounds=1, source=source)
    run = fg.simulate(plan, "one", quiet=True)
    with pytest.raises(fg.FedGraftError, match=r"one holds a run of another plan \(\w{12}, and not \w{12}\)"):
        fg.simulate(fg.plan(rounds=2, source=source), "one", resume=True)
    with pytest.raises(fg.FedGraftError, match="extend=1 adds rounds to a run that is complete: give resume=True"):
        fg.simulate(plan, "two", extend=1)
    with pytest.raises(fg.FedGraftError, match="extend=-1: give a number of rounds, 1 or more"):
        fg.simulate(plan, "one", resume=True, extend=-1)
    fg.simulate(plan, "one", resume=True)
    assert "one is complete, and stays as it is; extend=N adds N rounds" in capsys.readouterr().out
    assert fg.simulate(run.plan, "one", quiet=True, resume=True, extend=1).summary["rounds"] == 2  # as it ran
    assert fg.simulate(plan, "one", quiet=True, resume=True, extend=1).summary["rounds"] == 3  # as it was asked for


def test_what_is_no_plan_is_named() -> None:
    with pytest.raises(fg.FedGraftError, match=r"5 is no plan: give what fedgraft\.plan"):
        fg.simulate(5)  # type: ignore[arg-type]


def test_a_class_of_a_cell_takes_the_place_of_a_part(source: fg.Source) -> None:
    plan = fg.plan("loss=focal", rounds=1, source=source)
    plain = fg.simulate(plan, "plain", quiet=True)
    own = fg.simulate(plan, "own", parts={"loss": (Squared, {"scale": 2.0})}, quiet=True)
    assert weights(own) != weights(plain)
    held = yaml.safe_load(Path("own/plan.yaml").read_text(encoding="utf-8"))["loss"]
    was = {name: value for name, value in plan.to_dict()["loss"].items() if name != "gamma"}  # an option of focal
    assert held == {**was, "_target_": "__notebook__.loss.Squared", "scale": 2.0}


def test_the_model_of_such_a_run_needs_the_class(source: fg.Source) -> None:
    class Doubled(nn.Linear):
        def __init__(self, width: int, classes: int) -> None:
            super().__init__(width, classes)

    run = fg.simulate(fg.plan(rounds=1, source=source), "own", parts={"head": Doubled}, quiet=True)
    assert isinstance(run.model().network.get_submodule("head"), Doubled)
    words = (
        r"head._target_=__notebook__.head.Doubled is a class of a notebook, and only that notebook's simulations have "
        r'it; give it again with parts={"head": Doubled}, or write it into a module'
    )
    with pytest.raises(fg.PlanError, match=words):
        fg.Run("own").model()
    for parts in (run.parts, {"head": Doubled}, {"head": (Doubled, {})}):
        assert isinstance(fg.Run("own", parts).model().network.get_submodule("head"), Doubled)


def test_such_a_run_is_done_again_with_the_class_and_the_options_of_its_plan(source: fg.Source) -> None:
    run = fg.simulate(fg.plan(rounds=1, source=source), "own", parts={"loss": (Squared, {"scale": 9.0})}, quiet=True)
    plan = fg.Run("own").plan
    with pytest.raises(fg.PlanError, match=r'give it again with parts={"loss": Squared}'):
        fg.simulate(plan, "again", quiet=True)
    assert not Path("again").exists()
    again = fg.simulate(plan, "again", parts={"loss": Squared}, quiet=True)
    assert again.plan.loss.options["scale"] == 9.0 and weights(again) == weights(run)
    other = fg.simulate(plan, "other", parts={"loss": (Squared, {"scale": 1.0})}, quiet=True)
    assert other.plan.loss.options["scale"] == 1.0


def test_a_model_for_rows_takes_no_files_or_arrays(source: fg.Source) -> None:
    model = fg.simulate(fg.plan(rounds=1, source=source), "own", quiet=True).model()
    assert len(model.prepare([{"age": 50}])) == 1
    words = (
        "case {} is a file or an array; this model takes a row of the table for each case, as a mapping from column to "
        "value"
    )
    for place, cases in ((1, [{"age": 50}, "films/7.png"]), (0, torch.zeros(2, 1).numpy())):
        with pytest.raises(fg.DataError, match=words.format(place)):
            model.prepare(cases)


def test_parts_that_do_not_suit_are_named_together(source: fg.Source) -> None:
    plan = fg.plan(rounds=1, source=source, engine="ray")
    with pytest.raises(fg.PlanError) as caught:
        fg.simulate(
            plan, parts={"losses": Squared, "head": 3, "loss": (Squared, {"scales": 1.0}), "compression": Squared}
        )
    assert caught.value.problems == (
        "parts=losses: choose one of data, partition, input, adaptation, head, loss, strategy, compression, initial, "
        "alignment, personal, adapt, sampling, harmonise",
        "parts=head: 3 is not a class or function",
        "parts: engine=ray trains in other processes, which don't have them; use engine=inprocess",
        "loss.scales is not an option of Squared; it takes: scale",
        "compression._target_=__notebook__.compression.Squared is not a Codec",
    )


def test_a_study_answers_whether_the_federation_helps(source: fg.Source) -> None:
    plan = fg.plan(rounds=1, source=source, lrs=[0.1], seeds=[0, 1])
    with pytest.raises(fg.PlanError, match=r"the plan asks for a study .*; fedgraft.study\(plan\) runs it"):
        fg.simulate(plan)
    study = fg.study(plan, baselines=["local"], seeds=[0], out="study", quiet=True)
    assert (study.summary["seeds"], study.summary["methods"]) == ([0], ["federated", "local"])
    assert study.verdict == study.summary["verdict"] and escape(study.verdict) in study._repr_html_()
    table = study.table.set_index("site")
    assert list(table.index) == ["h0", "h1", "h2", "mean over sites"]
    assert table.loc["h1", "local"] == study.summary["by_site"]["h1"]["local"]["mean"]
    assert fg.Comparison("study").summary == study.summary
    assert repr(study) == f"<study study: federated, local; {study.verdict}>"
    assert study.picture == Path("study/study.png") and '<img alt="study"' in study._repr_html_()


def test_folds_and_cases_are_asked_for_by_arguments_or_by_words() -> None:
    by_words = fg.plan(folds=5, cases=[10, "all"])
    by_argument = api._study(fg.plan(), {"folds": 5, "cases": [10, "all"]}, None)
    assert by_argument == by_words.study and (by_argument.folds, by_argument.cases) == (5, (10, "all"))
    assert api._study(by_words, {"cases": (25,)}, None).cases == (25,)
    with pytest.raises(fg.PlanError, match="folds=1: input should be greater than or equal to 2"):
        api._study(fg.plan(), {"folds": 1}, None)


def test_a_study_without_a_question_is_refused(source: fg.Source, tmp_path: Path) -> None:
    plan = fg.plan(rounds=1, source=source)
    with pytest.raises(fg.PlanError, match="a study needs baselines, against, seeds, lrs, folds or cases; simulate"):
        fg.study(plan)
    with pytest.raises(
        fg.PlanError, match="baselines='pool': input should be 'local', 'pooled', 'leave_one_site_out' or"
    ) as caught:
        fg.study(plan, baselines=["pool"], seeds=[0, 0])
    assert "seeds names one twice" in caught.value.problems
    adapted = fg.plan("data.sites=2", "data.cases=48", adapt="adabn", baselines=["leave_one_site_out"])
    for asked, given in ((adapted, None), (plan, "adabn")):
        with pytest.raises(fg.PlanError, match="adapt has no effect on a study without baselines=leave_one_site_out"):
            fg.study(asked, baselines=["local"], adapt=given)
    with pytest.raises(fg.DataError, match=r"holds no study \(no study.json\)"):
        fg.Comparison(tmp_path)


def test_adapt_is_asked_for_with_the_sites_that_are_left_out() -> None:
    """By words or by an argument: both are the same study."""
    by_words = fg.plan(adapt="adabn", baselines=["leave_one_site_out"])
    asked = {"baselines": ["leave_one_site_out"], "seeds": [], "lrs": []}
    by_argument = api._study(fg.plan(), asked, "adabn")
    assert by_argument == by_words.study and str(by_argument.adapt.target).endswith("AdaBN")
    assert api._study(by_words, {"baselines": [], "seeds": [], "lrs": []}, None) == by_words.study
    assert api._study(by_words, {**asked, "baselines": ["local"]}, "none").adapt.target is None
    with pytest.raises(
        fg.PlanError, match=r"adapt=ada: there is no such adapt \(did you mean adabn\?\); choose one of"
    ):
        api._study(fg.plan(), asked, "ada")
