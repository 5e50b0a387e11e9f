"""What computes the frozen part: equal features, the row store's key, and what is said where one does not fit."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from fedgraft.client.cohort.case import Case
from fedgraft.client.features import runtimes as runtimes_module
from fedgraft.client.features.compiled import compiled, is_installed, multiply_adds
from fedgraft.client.features.extraction import FeatureExtractor
from fedgraft.client.features.folded import AT_ONCE, folded, in_parts
from fedgraft.client.features.runtimes import EAGER, Runtime, built, pays, runtimes
from fedgraft.client.site.machine import choose
from fedgraft.client.site.row_store import Store
from fedgraft.common.errors import SiteFileError
from fedgraft.common.models.build import build
from fedgraft.common.models.frozen_part import INPUTS, Computation, Piece
from fedgraft.common.models.model import Model

from ..conftest import Counter
from .small_cohort import all_of, cases, extractor, model, plan_of

__all__ = ["cases", "model"]  # fixtures
needs_openvino = pytest.mark.skipif(not is_installed(), reason="the extra `fast` is not installed")
TAPS = ("features=taps", "features.statistics=[mean,deviation,maximum,quadrants]")


def shaken(module: nn.Module) -> nn.Module:
    """Random numbers in every batch norm: at its first ones folding would change next to nothing."""
    torch.manual_seed(0)
    for one in module.modules():
        if isinstance(one, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (one.weight, one.bias, one.running_mean, one.running_var):
                assert tensor is not None
                tensor.data.uniform_(0.5, 1.5)
    return module


def images(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_a_folded_batch_norm_by_hand() -> None:
    """``3 x + 1`` and a batch norm ``(y - 2) / sqrt(4) * 5 + 7`` are ``7.5 x + 4.5``."""
    convolution, norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=0)
    for tensor, number in ((convolution.weight, 3), (convolution.bias, 1), (norm.weight, 5), (norm.bias, 7)):
        assert tensor is not None
        nn.init.constant_(tensor, number)
    norm.running_mean, norm.running_var = torch.tensor([2.0]), torch.tensor([4.0])
    network = nn.Sequential(convolution, norm)
    found = folded(Computation(network, lambda module, x: module(x)), torch.ones(1, 1, 1, 1))
    assert found is not None
    made = found.module
    assert isinstance(made, nn.Sequential)
    assert made[0].weight.item() == 7.5
    assert made[0].bias.item() == 4.5
    assert isinstance(made[1], nn.Identity)
    assert convolution.weight.item() == 3  # the original is as it was
    assert found(torch.full((1, 1, 1, 1), 2.0)).item() == 19.5


@pytest.mark.parametrize(
    ("name", "words", "left"),
    [
        ("test_resnet", (), 0),
        ("test_efficientnet", TAPS, 0),
        ("tf_efficientnet_lite0", ("backbone.freeze=blocks.2",), 0),
        ("test_efficientnet", ("backbone.freeze=blocks.1", "features=taps"), 0),
    ],
)
def test_folded_networks_give_equal_features_and_have_no_batch_norm_in_the_frozen_part(
    name: str, words: tuple[str, ...], left: int
) -> None:
    computation = build(plan_of(name, *words), None).constant.compute
    shaken(computation.module)
    found = folded(computation, images(1))
    assert found is not None
    torch.testing.assert_close(found(images()), computation(images()), rtol=1e-4, atol=1e-4)
    called = list[str]()
    for path, one in found.module.named_modules():
        if isinstance(one, nn.BatchNorm2d):
            one.register_forward_hook(lambda *_, path=path: called.append(path))
    found(images(1))
    assert len(called) == left


def test_a_folded_network_computes_a_batch_in_parts_and_in_order(model: Model) -> None:
    found = folded(model.constant.compute, images(1))
    assert found is not None
    sizes = list[int]()
    first = next(one for one in found.module.modules() if isinstance(one, nn.Conv2d))
    first.register_forward_hook(lambda _, given, __: sizes.append(len(given[0])))
    many = images(2 * AT_ONCE + 1)
    torch.testing.assert_close(in_parts(found)(many), model.constant.compute(many), rtol=1e-4, atol=1e-4)
    assert sizes == [AT_ONCE, AT_ONCE, 1]


def test_there_is_nothing_to_fold_in_a_transformer() -> None:
    computation = build(plan_of("test_vit"), None).constant.compute
    assert folded(computation, images(1)) is None


@needs_openvino
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("test_resnet", ()),
        ("test_efficientnet", TAPS),
        ("test_efficientnet", ("backbone.freeze=blocks.1", "features=taps")),
        ("test_vit", ()),
    ],
)
def test_compiled_networks_give_equal_features_for_any_number_of_cases(name: str, words: tuple[str, ...]) -> None:
    computation = build(plan_of(name, *words), None).constant.compute
    shaken(computation.module)
    compute = compiled(computation, images(1), threads=1)
    for count in (1, 3, 70):
        torch.testing.assert_close(compute(images(count)), computation(images(count)), rtol=1e-4, atol=1e-4)


@needs_openvino
def test_several_parts_of_a_batch_are_put_together_in_order(monkeypatch: pytest.MonkeyPatch, model: Model) -> None:
    monkeypatch.setattr("fedgraft.client.features.compiled._PIXELS_AT_ONCE", 2 * 32 * 32)
    compute = compiled(model.constant.compute, images(1), threads=1)
    torch.testing.assert_close(compute(images(5)), model.constant.compute(images(5)), rtol=1e-4, atol=1e-4)


@needs_openvino
def test_nothing_is_reported_to_the_maker_of_openvino(model: Model) -> None:
    """Its converter sends an event over the network; what is used here does not reach it."""
    import openvino_telemetry

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("telemetry")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openvino_telemetry.Telemetry, "__init__", fail)
        patch.setattr(openvino_telemetry.Telemetry, "send_event", fail)
        compiled(model.constant.compute, images(1), threads=1)


def machine(runtime: str = "auto"):  # type: ignore[no-untyped-def]
    return choose("cpu", 1, runtime=runtime)  # type: ignore[arg-type]


def piece_of(model: Model) -> Piece:
    return Piece("features|test", "", model.constant.shape, model.constant.compute)


def names(piece: Piece, runtime: str, precision: str = "float32") -> list[str]:
    return [one.name for one in runtimes(piece, machine(runtime), precision)]


@needs_openvino
def test_which_may_compute_a_piece(model: Model) -> None:
    piece = piece_of(model)
    assert names(piece, "auto") == ["openvino", "folded", "eager"]
    assert names(piece, "openvino") == ["openvino", "eager"]
    assert names(piece, "folded") == ["folded", "eager"]
    assert names(piece, "eager") == ["eager"]
    assert names(piece, "auto", "mixed") == ["eager"]
    assert names(replace(piece, said=INPUTS), "auto") == ["eager"]


def test_without_the_extra_there_are_two_and_asking_for_the_third_is_an_error(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes_module, "is_installed", lambda: False)
    assert names(piece_of(model), "auto") == ["folded", "eager"]
    monkeypatch.setattr("fedgraft.client.site.machine.find_spec", lambda name: None)
    with pytest.raises(SiteFileError) as caught:
        machine("openvino")
    assert str(caught.value) == ("runtime: openvino is not installed here: pip install 'fedgraft[fast]', or use auto")


def test_compiling_pays_by_the_work_of_all_cases(model: Model) -> None:
    """A convolution of 3 x 3 from 2 to 4 channels on 5 x 5 pixels: 18 products for each of 100 numbers. A linear layer
    from 100 to 10: a thousand."""
    network = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.Flatten(), nn.Linear(100, 10))
    computation = Computation(network, lambda module, x: module(x))
    blank = torch.zeros(1, 2, 5, 5)
    assert multiply_adds(computation, blank) == 1800 + 1000
    piece = replace(piece_of(model), compute=computation)
    assert not pays(piece, 10**11 // 2800, blank, 1)
    assert pays(piece, 10**11 // 2800 + 1, blank, 1)
    assert not pays(piece, 10**11 // 2800 + 1, blank, 2), "the others save twice as fast, this one builds alone"


def test_one_that_differs_is_not_used_and_named(
    model: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(computation: Computation, sample: Tensor) -> Computation:
        return replace(computation, outputs=lambda module, x: computation.outputs(module, x) + 0.002, others={})

    monkeypatch.setattr(runtimes_module, "folded", wrong)
    piece = replace(piece_of(model), compute=replace(model.constant.compute, others={}))
    with caplog.at_level(logging.WARNING):
        assert built(Runtime("folded"), piece, machine(), images(), "test_resnet") is None
        assert built(Runtime("folded"), piece, machine(), images(), "test_resnet") is None  # said once
    assert [line.getMessage()[:88] for line in caplog.records] == [
        "the frozen part of test_resnet is computed without folded: it differs by 2.0e-03, and 0.0"[:88]
    ]
    assert built(EAGER, piece, machine(), images(), "test_resnet") is piece.compute


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (RuntimeError("Exception from src/cpp/infer_request.cpp:224:\nnode a/b"), "can't compute such a network"),
        (ImportError("no libopenvino.so\nand more"), "can't be loaded (no libopenvino.so)"),
    ],
)
def test_one_that_can_t_be_built_is_not_used_and_says_so(
    model: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, why: str
) -> None:
    def fail(*_: object) -> Computation:
        raise error

    monkeypatch.setattr(runtimes_module, "compiled", fail)
    piece = replace(piece_of(model), compute=replace(model.constant.compute, others={}))
    assert built(Runtime("openvino"), piece, machine(), images(), "test_resnet") is None
    assert caplog.messages == [
        f"the frozen part of test_resnet is computed without openvino: it {why}, and torch computes the same"
    ]


def at(one: FeatureExtractor, runtime: str, expected: int = 0) -> FeatureExtractor:
    return replace(one, machine=replace(one.machine, runtime=runtime), expected=expected)


def counted(model: Model, store: Store, some: tuple[Case, ...], runtime: str, expected: int = 0) -> tuple[int, Tensor]:
    counter = Counter()
    found = all_of(at(extractor(model, store, counter), runtime, expected), some)
    return counter.cases, found.inputs


@needs_openvino
def test_what_was_computed_by_which_is_kept_apart(cases: tuple[Case, ...], model: Model) -> None:
    store = Store(None)
    rows = {}
    for name in ("openvino", "folded", "eager"):
        computed, rows[name] = counted(model, store, cases, name)
        assert computed == 20
        again, same = counted(model, store, cases, name)
        assert again == 0
        assert torch.equal(rows[name], same)
    for name in ("folded", "openvino"):
        torch.testing.assert_close(rows[name], rows["eager"], rtol=1e-4, atol=1e-4)


def test_rows_that_are_kept_serve_whichever_computed_them(cases: tuple[Case, ...], model: Model) -> None:
    """So a run that is resumed goes on with the rows it began with, and what earlier versions kept is not lost: of
    twenty cases sixteen are there, and the other four are computed likewise."""
    store = Store(None)
    _, before = counted(model, store, cases[:16], "eager")
    computed, after = counted(model, store, cases, "auto")
    assert computed == 4
    assert torch.equal(after[:16], before)
    assert counted(model, store, cases, "eager")[0] == 0
    assert counted(model, store, cases, "folded")[0] == 0


@needs_openvino
def test_auto_folds_for_few_cases_and_compiles_for_many(cases: tuple[Case, ...], model: Model) -> None:
    few, many = Store(None), Store(None)
    counted(model, few, cases, "auto")
    assert counted(model, few, cases, "folded")[0] == 0
    counted(model, many, cases, "auto", expected=10**9)
    assert counted(model, many, cases, "openvino")[0] == 0


def test_a_network_with_nothing_to_fold_is_computed_as_it_is_without_a_word(
    cases: tuple[Case, ...], caplog: pytest.LogCaptureFixture
) -> None:
    plan = plan_of("test_vit")
    store, vit = Store(None), build(plan, None)
    one = extractor(vit, store, plan=plan)
    all_of(at(one, "folded"), cases)
    counter = Counter()
    all_of(at(extractor(vit, store, counter, plan), "eager"), cases)
    assert counter.cases == 0
    assert not caplog.records
