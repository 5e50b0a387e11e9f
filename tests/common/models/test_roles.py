"""Roles of tensors, in tables worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fedgraft.common.interfaces.roles import Role
from fedgraft.common.models.build import build
from fedgraft.common.models.roles import assign, names_of
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
FLOAT, WHOLE = torch.zeros(2), torch.zeros((), dtype=torch.int64)
STATE = {
    "backbone.conv.weight": FLOAT,
    "backbone.bn.weight": FLOAT,
    "backbone.bn.running_mean": FLOAT,
    "backbone.bn.num_batches_tracked": WHOLE,
    "backbone.late.weight": FLOAT,
    "backbone.late.bn.weight": FLOAT,
    "backbone.late.bn.running_mean": FLOAT,
    "backbone.late.bn.num_batches_tracked": WHOLE,
    "adapters.stem.scale": FLOAT,
    "head.weight": FLOAT,
}
PARAMETERS = frozenset(name for name in STATE if "running" not in name and "num_batches" not in name)
EARLY = frozenset(name for name in STATE if name.startswith(("backbone.conv", "backbone.bn")))
BACKBONE = frozenset(name for name in STATE if name.startswith("backbone."))
NORM = [name for name in STATE if ".bn." in name]
FEDBN: dict[str, Role] = dict.fromkeys(NORM, "local")
SILOBN: dict[str, Role] = {name: "shared" if name.endswith("weight") else "local" for name in NORM}
# roles in the order of STATE
TABLE: dict[str, tuple[frozenset[str], dict[str, Role], bool, str]] = {
    "all frozen": (BACKBONE, {}, False, "f f f f f f f f s s"),
    "late stage free": (EARLY, {}, False, "f f f f s s f f s s"),
    "late stage free, statistics averaged": (EARLY, {}, True, "f f f f s s s l s s"),
    "nothing frozen, statistics averaged": (frozenset(), {}, True, "s s s l s s s l s s"),
    "FedBN, all frozen": (BACKBONE, FEDBN, False, "f l l l f l l l s s"),
    "SiloBN, all frozen": (BACKBONE, SILOBN, False, "f s l l f s l l s s"),
    "FedBN wins over averaged statistics": (EARLY, FEDBN, True, "f l l l s l l l s s"),
}


@pytest.mark.parametrize("case", TABLE)
def test_the_table(case: str) -> None:
    frozen, claims, averaged, expected = TABLE[case]
    roles = assign(STATE, PARAMETERS, frozen, claims, averaged, ())
    assert " ".join(roles[name][0] for name in STATE) == expected


@pytest.mark.parametrize("case", TABLE)
def test_an_integer_is_never_shared(case: str) -> None:
    frozen, claims, averaged, _ = TABLE[case]
    roles = assign(STATE, PARAMETERS, frozen, claims, averaged, ())
    assert all(roles[name] != "shared" for name, tensor in STATE.items() if not tensor.is_floating_point())


def test_an_integer_is_not_shared_even_if_an_adaptation_claims_it() -> None:
    claims: dict[str, Role] = {"backbone.bn.num_batches_tracked": "shared"}
    roles = assign(STATE, PARAMETERS, BACKBONE, claims, False, ())
    assert roles["backbone.bn.num_batches_tracked"] != "shared"


def test_names_of_a_role_are_sorted() -> None:
    roles: dict[str, Role] = {"b": "shared", "a": "shared", "c": "local"}
    assert names_of(roles, "shared") == ("a", "b")
    assert names_of(roles, "local") == ("c",)
    assert names_of(roles, "frozen") == ()


def test_the_default_shares_the_head_alone(small: PlanOf) -> None:
    model = build(small("test_resnet"), None)
    assert model.names("shared") == ("head.bias", "head.weight")
    assert model.names("local") == ()
    assert len(model.names("frozen")) == len(model.backbone_state())


def test_silobn_shares_what_fedbn_keeps(small: PlanOf) -> None:
    fedbn, silobn = (build(small("test_resnet", f"adaptation={name}"), None) for name in ("fedbn", "silobn"))
    moved = set(silobn.names("shared")) - set(fedbn.names("shared"))
    assert moved == set(fedbn.names("local")) - set(silobn.names("local"))
    assert {name.rpartition(".")[2] for name in moved} == {"weight", "bias"}
    kept = {name.rpartition(".")[2] for name in silobn.names("local")}
    assert kept == {"running_mean", "running_var", "num_batches_tracked"}


def test_a_free_stage_is_shared_with_its_statistics_frozen(small: PlanOf) -> None:
    model = build(small("test_resnet", "backbone.freeze=layer3"), None)
    shared = [name for name in model.names("shared") if not name.startswith("head.")]
    assert shared
    assert all(name.startswith("backbone.layer4.") for name in shared)
    assert not any("running" in name or "num_batches" in name for name in shared)


def test_averaged_statistics_of_a_free_stage_are_shared(small: PlanOf) -> None:
    model = build(small("test_resnet", "backbone.freeze=layer3", "backbone.batch_norm=train"), None)
    shared = set(model.names("shared"))
    expected = {n for n in model.network.state_dict() if n.startswith("backbone.layer4.") and "running_" in n}
    assert expected
    assert expected <= shared
    assert set(model.names("local")) == {n for n in model.roles if "layer4" in n and "num_batches" in n}


@pytest.mark.parametrize("freeze", ["all", "layer2", "none"])
@pytest.mark.parametrize("adaptation", ["none", "fedbn", "silobn", "ssf"])
def test_trained_is_what_is_not_frozen(small: PlanOf, freeze: str, adaptation: str) -> None:
    model = build(small("test_resnet", f"backbone.freeze={freeze}", f"adaptation={adaptation}"), None)
    for name, parameter in model.network.named_parameters():
        assert parameter.requires_grad == (model.roles[name] != "frozen"), name


def test_of_the_reference_buffers_are_shared_and_parameters_local() -> None:
    state = {"reference.share": FLOAT, "reference.discriminator.weight": FLOAT, "head.weight": FLOAT}
    parameters = frozenset({"reference.discriminator.weight", "head.weight"})
    assert assign(state, parameters, frozenset(), {}, False, ()) == {
        "reference.share": "shared",
        "reference.discriminator.weight": "local",
        "head.weight": "shared",
    }
