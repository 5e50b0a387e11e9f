"""What a plan leaves open is found in the cases: classes, who splits, images or a table; and it is said."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import DataError, PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.api import plan
from fedgraft.simulations.datasets.found import find
from fedgraft.simulations.datasets.source import Source

PlanOf = Callable[..., Plan]
OPEN: dict[str, Any] = {"_target_": "x.y", "task": "classification", "classes": None, "test": None, "image_size": 224}


@pytest.fixture
def plan_of(compose_plan: Callable[..., Plan]) -> PlanOf:
    return lambda *words: compose_plan(*words, small=False)


def found(cases: Sequence[Case], data: dict[str, Any] | None = None, **sections: Any) -> Any:
    raw = {"data": {**OPEN, **(data or {})}, **sections}
    return find(raw, lambda _: Source(tuple(cases), notes=("the run says this",)))


def images(*labels: str, **more: Any) -> list[Case]:
    return [Case(f"/{number}.png", label, f"p{number}", **more) for number, label in enumerate(labels)]


def test_classes_are_those_of_the_labels_in_the_order_of_the_alphabet_and_said() -> None:
    it = found(images("ill", "well", "ill"))
    assert it.raw["data"]["classes"] == ["ill", "well"]
    assert it.sentences == (
        "classes found in the labels: ill (2), well (1); well is the positive class, data.classes=[well,ill] turns it "
        "round",
    )
    assert found(images(*"bacbac")).sentences[0] == "classes found in the labels: a (2), b (2), c (2)"


def test_numbers_are_in_their_own_order_and_may_be_written_as_numbers() -> None:
    assert found(images("10", "9", "0", "10", "9", "0")).raw["data"]["classes"] == ["0", "9", "10"]
    assert found(images("0", "1"), {"classes": [0, 1]}).raw["data"]["classes"] == ["0", "1"]


def test_one_label_and_too_many() -> None:
    with pytest.raises(DataError, match=r"all 2 cases have the label `a`; there is nothing to tell apart"):
        found(images("a", "a"))
    with pytest.raises(
        DataError, match=r"the labels in `label` have 51 different values, more than 50: is it the right"
    ):
        found(images(*map(str, range(51)), *map(str, range(51))))


def test_names_are_no_classes_and_the_error_does_not_tell_them() -> None:
    with pytest.raises(DataError) as caught:
        found(images("Miller", "Smith", "Smith", "Jones", "Brown"), {"label": "surname"})
    assert str(caught.value).startswith(
        "the labels in `surname` have 4 different values, more than half of the 5 cases: is it the right column"
    )
    assert not any(name in str(caught.value) for name in ("Miller", "Smith", "Jones", "Brown"))
    assert found(images(*"aabbcc")).raw["data"]["classes"] == ["a", "b", "c"]


def test_a_task_that_is_not_there_is_the_one_problem(plan_of: PlanOf, tmp_path: Path) -> None:
    own = ("data=manifest", f"data.path={write(tmp_path)}", "data.site=hospital", "data.task=segmentation")
    with pytest.raises(PlanError) as caught:
        plan_of(*own)
    assert caught.value.problems == (
        "data.task=segmentation: there is no such task; choose one of classification, multilabel, survival (a number "
        "can't be predicted, except the time to an event: survival; ordered grades are classes)",
    )


def test_findings_are_named_by_people_from_the_columns_that_could_be_some() -> None:
    cases = [Case("/1.png", "", "p1", columns=(("mass", "1"), ("age", "61"), ("edema", "")))]
    with pytest.raises(PlanError, match=r"data\.classes must name the findings .* could be one: mass$"):
        found(cases, {"task": "multilabel"})


def test_survival_has_no_classes() -> None:
    assert found(images("", ""), {"task": "survival"}).raw["data"]["classes"] == []


def test_who_splits() -> None:
    assert found(images("a", "b")).raw["data"]["test"] == "sites"
    it = found(images("a", "b", split="train"))
    assert [it.raw["data"][name] for name in ("test", "val_fraction", "test_fraction")] == ["given", 0, 0]
    assert it.sentences[-1] == "train, val and test are as the manifest's `split` says"


def test_nothing_is_looked_for_where_all_is_said() -> None:
    def load(data: object) -> Source:
        raise AssertionError

    raw = {"data": {**OPEN, "classes": ["a", "b"], "test": "sites"}}
    assert find(raw, load).raw == raw


def test_columns_of_a_table_have_no_effect_on_images() -> None:
    table = {"numeric": None, "categorical": None}
    assert "table" not in found(images("a", "b"), table=table).raw
    with pytest.raises(PlanError, match=r"table\.numeric and table\.categorical have no effect: .* are images"):
        found(images("a", "b"), table={**table, "numeric": ["age"]})


def write(folder: Path, delimiter: str = ",") -> Path:
    """Six patients of two hospitals; the columns are the table."""
    header = ["patient", "hospital", "label", "age", "sex", "note", "blood pressure"]
    lines = [[f"p{n}", "ab"[n % 2], "xy"[n // 3], str(50.5 + n), "fm"[n % 2], "", str(n)] for n in range(6)]
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([header, *lines])
    return folder / "cases.csv"


def test_a_table_without_columns_is_an_error_that_suggests_them(plan_of: PlanOf, tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of("data=manifest", f"data.path={write(tmp_path)}", "data.site=hospital")
    assert caught.value.problems == (
        "the cases are rows of a table: say which columns are used, for instance "
        "'table.numeric=[age,\"blood pressure\"]' table.categorical=[sex]",
    )


COMMAS = (
    "age, weight hold(s) numbers with a comma (1,5), which are never guessed at; write a point: in pandas "
    "read_csv(FILE, sep=';', decimal=',').to_csv(NEW, index=False)"
)


def german(folder: Path) -> Path:
    """Semicolons, and in two columns commas in numbers; one cell of these is empty."""
    lines = ["patient;hospital;label;age;weight;count;sex", "p1;a;x;61,5;70,25;3;f", "p2;b;y;52,0;;4;m"]
    (folder / "german.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "german.csv"


def test_columns_with_decimal_commas_are_named_and_not_left_out_in_silence(plan_of: PlanOf, tmp_path: Path) -> None:
    own = ("data=manifest", f"data.path={german(tmp_path)}", "data.site=hospital", "data.min_cases=1")
    with pytest.raises(PlanError) as caught:
        plan_of(*own)
    assert caught.value.problems == (
        "the cases are rows of a table: say which columns are used, for instance table.numeric=[count] "
        f"table.categorical=[sex]. Not among them: {COMMAS}",
    )
    with pytest.raises(PlanError) as caught:
        plan_of(*own, "table.numeric=[age,weight,count,sex]", "table.categorical=[]")
    assert caught.value.problems == (
        f"table.numeric: {COMMAS}",
        "table.numeric names sex, of which no cell is a number: is it table.categorical, or a text that means missing "
        "(table.missing)?",
    )


def test_the_label_is_no_column_of_the_table(plan_of: PlanOf, tmp_path: Path) -> None:
    own = ("data=manifest", f"data.path={write(tmp_path)}", "data.site=hospital", "table.numeric=[age]")
    with pytest.raises(PlanError) as caught:
        plan_of(*own, "table.categorical=[sex,label]")
    said = "table: label is what data.task=classification predicts (data.label); remove it from the columns"
    assert caught.value.problems == (said,)


def test_findings_are_no_columns_of_the_table(plan_of: PlanOf, tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text("patient,mass,age\np1,1,61\np2,0,52\n")
    with pytest.raises(PlanError, match=r"for instance table\.numeric=\[age\] table\.categorical=\[\]$"):
        plan_of("data=manifest", f"data.path={tmp_path}/cases.csv", "data.task=multilabel", "data.classes=[mass]")


def test_a_table_is_known_and_gets_the_members_for_tables(plan_of: PlanOf, tmp_path: Path) -> None:
    own = ("data=manifest", f"data.path={write(tmp_path, ';')}", "data.site=hospital", "table.numeric=[age]")
    plan = plan_of(*own, "table.categorical=[sex]")
    assert (plan.backbone.name, plan.data.image_size, plan.data.classes) == ("table/identity", None, ("x", "y"))
    others = ("backbone=identity", "head=plain", "train=sgd_table", "strategy=fedadam")
    columns = "{numeric: [age], categorical: [sex], missing: [], indicate_missing: true, statistics: federated, "
    same = plan_of("data.image_size=null", *others, f"+table={columns}min_count: 5}}")
    for name in ("backbone", "head", "train", "strategy", "table"):
        assert getattr(plan, name) == getattr(same, name), name


def test_a_member_that_somebody_named_stays_also_where_it_is_the_usual_one(tmp_path: Path) -> None:
    own = ("data=manifest", f"data.path={write(tmp_path)}", "data.site=hospital", "table.numeric=[age]")
    left, named = (plan(*own, "table.categorical=[sex]", *words).plan for words in ((), ("strategy=fedavg",)))
    assert (left.strategy.target, named.strategy.target) == tuple(
        f"flwr.serverapp.strategy.{name}" for name in ("FedAdam", "FedAvg")
    )
    assert (named.train, named.head, named.backbone) == (left.train, left.head, left.backbone)
    rows = (*own, "table.categorical=[sex]")
    for made in (plan(*rows, "train.lr=0.01"), plan(*rows, train__lr=0.01), plan(*rows, train={"lr": 0.01})):
        assert (left.train.lr, made.train.lr, made.train.epochs) == (0.1, 0.01, 1)  # 0.01 is the usual one of images
    with pytest.raises(PlanError, match=r"head\.normalise=true would scale each case by its own numbers"):
        plan(*own, "table.categorical=[sex]", "head=linear")


@pytest.mark.parametrize("classes", ["['0','1']", "[0,1]"])
def test_what_was_found_may_be_said_and_gives_the_same_plan(plan_of: PlanOf, tmp_path: Path, classes: str) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text().replace(",x,", ",0,").replace(",y,", ",1,"))
    own = ("data=manifest", f"data.path={path}", "data.site=hospital", "table.numeric=[age]")
    said = plan_of(*own, "table.categorical=[]", f"data.classes={classes}", "data.test=sites")
    assert said == plan_of(*own)
    assert (said.backbone.name, said.data.image_size, said.data.classes) == ("table/identity", None, ("0", "1"))


def test_images_of_which_all_is_said_have_no_table(plan_of: PlanOf, tmp_path: Path) -> None:
    lines = [f"{n}.png,{n % 2},p{n},{'ab'[n // 2]}" for n in range(4)]
    (tmp_path / "cases.csv").write_text("\n".join(["path,label,patient,at", *lines]))
    (tmp_path / "0.png").touch()
    own = ("data=manifest", f"data.path={tmp_path}/cases.csv", "data.site=at")
    said = ("data.classes=[0,1]", "data.test=sites", "table.numeric=[]", "table.categorical=[]")
    assert plan_of(*own, *said) == plan_of(*own)
    assert plan_of(*own, *said).table is None


def with_split(folder: Path) -> Path:
    path = write(folder)
    header, *lines = path.read_text().splitlines()
    splits = ["train", "val", "test"] * 2
    path.write_text("\n".join([f"{header},split", *(f"{a},{b}" for a, b in zip(lines, splits, strict=True))]))
    return path


def test_fractions_beside_a_split_are_an_error_if_somebody_chose_them(plan_of: PlanOf, tmp_path: Path) -> None:
    own = ("data=manifest", f"data.path={with_split(tmp_path)}", "data.site=hospital", "table.numeric=[age]")
    plan = plan_of(*own)
    assert (plan.data.test, plan.data.val_fraction, plan.data.test_fraction) == ("given", 0, 0)
    assert plan == plan_of(*own, "data.test=given") == plan_of(*own, "data.val_fraction=0")
    with pytest.raises(PlanError, match=r"- data\.val_fraction=0\.3 would have no effect: .*, or say data\.split=null"):
        plan_of(*own, "data.val_fraction=0.3")
    with pytest.raises(PlanError, match=r"data\.val_fraction=0\.3 data\.test_fraction=0\.4 would have no effect"):
        plan_of(*own, "data.val_fraction=0.3", "data.test_fraction=0.4", "data.test=given")
    assert plan_of(*own, "data.val_fraction=0.3", "data.split=null").data.val_fraction == 0.3


def test_what_somebody_chose_for_a_table_stays(plan_of: PlanOf, tmp_path: Path) -> None:
    own = ("data=manifest", f"data.path={write(tmp_path)}", "data.site=hospital", "table.numeric=[age]")
    plan = plan_of(*own, "backbone=mlp", "train.lr=0.5", "strategy=fedprox")
    assert plan.backbone.name == "table/mlp"
    assert (plan.train.lr, plan.train.epochs) == (0.5, 1)
    assert plan.strategy.options == {"proximal_mu": 0.1}
    assert plan.table is not None and plan.table.categorical == ()


def test_columns_of_files_that_hold_images_are_hinted_at(plan_of: PlanOf, tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text("patient,label,image\np1,a,1.png\np2,b,2.png\n")
    with pytest.raises(PlanError, match=r"If `image` names the image of each case, say data\.file=image$"):
        plan_of("data=manifest", f"data.path={tmp_path}/cases.csv")


def test_a_table_beside_the_manifest(plan_of: PlanOf, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("age,sex\n61,f\n52,m\n")
    (tmp_path / "cases.csv").write_text("path,row,label,patient\ntable.csv,0,a,p1\ntable.csv,1,b,p2\n")
    with pytest.raises(PlanError, match=r"for instance table\.numeric=\[age\] table\.categorical=\[sex\]$"):
        plan_of("data=manifest", f"data.path={tmp_path}/cases.csv")


def test_a_path_that_is_not_given(plan_of: PlanOf) -> None:
    for name in ("manifest", "folders"):
        with pytest.raises(PlanError, match=r"data\.path is not set; write data\.path=\.\.\."):
            plan_of(f"data={name}")
