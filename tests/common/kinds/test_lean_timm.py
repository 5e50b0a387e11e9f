"""timm is imported without torchvision, a hub's client and torch's compiler, which all can be imported afterwards."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

from fedgraft.common.kinds import lean_timm

FRESH = """
import sys
from fedgraft.common.kinds.lean_timm import import_timm
timm = import_timm()
for name in ("torch._dynamo", "torchvision", "huggingface_hub.hf_api"):
    assert name not in sys.modules, f"{name} was imported"
import torch
from timm import layers
layer = torch.nn.BatchNorm2d(3)
assert not isinstance(layer, layers.norm_act.FrozenBatchNorm2d)
frozen = layers.freeze_batch_norm_2d(torch.nn.Sequential(layer))
cold = frozen[0]
assert isinstance(cold, layers.norm_act.FrozenBatchNorm2d)
assert type(layers.unfreeze_batch_norm_2d(frozen)[0]) is torch.nn.BatchNorm2d
network = timm.create_model("test_efficientnet", num_classes=0).eval()
images = torch.rand(2, 3, 32, 32)
plain = network(images)
import torch._dynamo
assert torch._dynamo.is_compiling() is False
import torchvision
assert type(cold) is torchvision.ops.misc.FrozenBatchNorm2d
print(torchvision.ops.roi_align(images, torch.tensor([[0.0, 0, 0, 16, 16]]), 2).shape)
assert torch.allclose(torch.compile(network, backend="eager")(images), plain, atol=1e-5)
assert set(layers.create_feature_extractor(network, ["blocks"])(images)) == {"blocks"}
assert timm.data.constants.IMAGENET_DEFAULT_MEAN == network.default_cfg["mean"]
assert callable(timm.data.create_transform)
from huggingface_hub import HfApi
assert isinstance(HfApi, type)
"""
STAND_INS = ("torch._dynamo", "torchvision", "torchvision.ops", "timm.data")


def test_what_timm_did_without_can_be_imported_and_used_later() -> None:
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "torch.Size([1, 3, 2, 2])"


def test_what_is_there_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch._dynamo", "torchvision"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    assert lean_timm._torchvision() == lean_timm._compiler() == {}


def test_the_stand_ins_are_gone_also_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("torch._dynamo", "torchvision", "timm.data"))]:
        monkeypatch.delitem(sys.modules, name)
    stand_ins = lean_timm._torchvision() | lean_timm._data() | lean_timm._compiler()
    with pytest.raises(AttributeError), lean_timm._standing_in(stand_ins):
        from timm.data import IMAGENET_DEFAULT_MEAN

        assert IMAGENET_DEFAULT_MEAN == (0.485, 0.456, 0.406)
        raise AttributeError("another version")
    assert not set(STAND_INS) & set(sys.modules)


def test_a_timm_that_wants_more_is_imported_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "timm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(lean_timm, "_data", lambda: {"timm.data": ModuleType("timm.data")})
    timm = lean_timm.import_timm()
    assert timm.is_model("test_efficientnet")
    assert sys.modules["timm.data"].create_transform


def test_an_absent_name_of_timm_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'timm' has no attribute 'nothing'"):
        _ = lean_timm.import_timm().nothing
