"""Parts by dotted path: what may be imported, and options that do not fit."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.heads.heads import Cosine, Linear
from fedgraft.common.plan.parts import build, check_options, resolve


def loss(width: int, classes: int = 2, *, scale: float, **rest: Any) -> tuple[int, int, float, dict[str, Any]]:
    return width, classes, scale, rest


def strict(*, scale: float, width: int = 1) -> tuple[float, int]:
    return scale, width


def test_our_own_parts_resolve() -> None:
    assert resolve("fedgraft.common.heads.heads.Cosine", "head") is Cosine


@pytest.mark.parametrize(
    "target",
    ["os.system", "subprocess.Popen", "builtins.eval", "torch.load", "fedgraft_evil.f", "fedgrafter.f", "evil", ""],
)
def test_what_is_not_allowed_is_refused_by_name(target: str) -> None:
    with pytest.raises(PlanError) as caught:
        resolve(target, "loss")
    assert f"loss._target_={target} is not in an allowed package (fedgraft)" in str(caught.value)


def test_what_is_not_allowed_is_not_even_imported() -> None:
    assert "antigravity" not in sys.modules
    with pytest.raises(PlanError, match="not in an allowed package"):
        resolve("antigravity.webbrowser", "loss")
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "target", ["fedgraft.common.plan.parts.importlib.import_module", "fedgraft.common.tensors.os.system"]
)
def test_a_foreign_module_is_not_reached_through_one_of_ours(target: str) -> None:
    with pytest.raises(PlanError, match=r"head\._target_"):
        resolve(target, "head")


@pytest.mark.parametrize("target", ["fedgraft.common.tensors.Path", "fedgraft.client.site.release.replace"])
def test_a_name_that_our_module_only_imported_is_not_ours(target: str) -> None:
    with pytest.raises(PlanError, match=r"head\._target_"):
        resolve(target, "head")


def test_a_plan_can_not_run_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PlanError, match=r"head\._target_"):
        build("fedgraft.common.cli.main", "head", {"argv": ["--version"]}, width=3, classes=2)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("section", ["head", "loss", "adaptation"])
@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("fedgraft.common.plan.parts.build", {"target": "os.system", "option": "x", "options": {}, "allowed": ["os"]}),
        ("fedgraft.server.exchange.ledger.Ledger", {"path": "ledger.jsonl"}),
        ("fedgraft.simulations.datasets.source.fetch", {}),
        ("fedgraft.client.site.row_store.RowStore", {"path": "kept"}),
    ],
)
def test_what_is_ours_but_no_part_is_refused_before_it_is_called(
    section: str, target: str, options: dict[str, object]
) -> None:
    with pytest.raises(PlanError, match=rf"{section}\._target_={target} is not a"):
        build(target, section, options)


def test_an_option_of_the_wrong_type_is_named() -> None:
    problems = check_options(
        resolve("fedgraft.simulations.federation.partition.iid", "partition"), "partition", {"sites": 2.5}
    )
    assert any("partition.sites=2.5" in problem for problem in problems)


def test_a_site_can_allow_another_package() -> None:
    assert resolve("torch.nn.CrossEntropyLoss", "loss", ("fedgraft", "torch")).__name__ == "CrossEntropyLoss"
    with pytest.raises(PlanError, match=r"allowed package \(fedgraft, torch\)"):
        resolve("os.system", "loss", ("fedgraft", "torch"))


@pytest.mark.parametrize("target", ["fedgraft.common.heads.heads.Nope", "fedgraft.nope.Linear", "fedgraft"])
def test_what_is_not_there_is_named(target: str) -> None:
    with pytest.raises(PlanError, match=rf"head\._target_={target} can't be imported"):
        resolve(target, "head")


def test_what_is_not_callable_is_named() -> None:
    with pytest.raises(
        PlanError, match=r"head\._target_=fedgraft\.common\.interfaces\.roles\.HEAD is not a class or function"
    ):
        resolve("fedgraft.common.interfaces.roles.HEAD", "head")


def test_options_that_fit() -> None:
    assert check_options(strict, "loss", {"scale": 1.0}) == []
    assert check_options(strict, "loss", {}, supplied=["scale"]) == []
    assert check_options(loss, "loss", {"scale": 1, "anything": 2}, supplied=["width"]) == []


def test_an_unknown_option_is_named_with_the_known_ones() -> None:
    assert check_options(strict, "loss", {"scale": 1.0, "scael": 2.0}, supplied=["width"]) == [
        "loss.scael is not an option of strict; it takes: scale"
    ]


def test_a_part_without_options_says_so() -> None:
    def bare() -> None: ...

    assert check_options(bare, "loss", {"a": 1}) == ["loss.a is not an option of bare; it takes: none"]


def test_a_missing_option_is_named() -> None:
    assert check_options(strict, "loss", {}) == ["loss.scale is required by strict"]


def test_what_fedgraft_supplies_must_not_be_set() -> None:
    assert check_options(strict, "loss", {"scale": 1.0, "width": 3}, supplied=["width"]) == [
        "loss.width is set by FedGraft; remove it"
    ]


def test_all_problems_of_one_part_come_together() -> None:
    problems = check_options(strict, "loss", {"width": 3, "bogus": 1}, supplied=["width"])
    assert [problem.split()[0] for problem in problems] == ["loss.width", "loss.bogus", "loss.scale"]


def test_build_passes_options_and_what_is_supplied() -> None:
    head = build("fedgraft.common.heads.heads.Linear", "head", {"normalise": False}, width=7, classes=3)
    assert isinstance(head, Linear)
    assert (head.in_features, head.out_features, head.normalise) == (7, 3, False)


def test_build_leaves_out_what_the_part_does_not_take() -> None:
    built = build("fedgraft.common.adaptation.batch_norm.LocalBatchNorm", "adaptation", {"affine": "local"}, width=7)
    assert built.affine == "local"


def test_build_refuses_what_does_not_fit() -> None:
    with pytest.raises(PlanError, match=r"head\.scael is not an option of cosine; it takes: scale"):
        build("fedgraft.common.heads.heads.Cosine", "head", {"scael": 1.0, "scale": 1.0}, width=7, classes=3)
