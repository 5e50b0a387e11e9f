"""timm is imported without torch's compiler, which can still be imported afterwards."""

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
assert "torch._dynamo" not in sys.modules, "the compiler was imported"
import torch
network = timm.create_model("test_efficientnet", num_classes=0).eval()
images = torch.rand(2, 3, 32, 32)
plain = network(images)
import torch._dynamo
assert torch._dynamo.is_compiling() is False
from torchvision.ops import roi_align
print(roi_align(images, torch.tensor([[0.0, 0, 0, 16, 16]]), 2).shape)
assert torch.allclose(torch.compile(network, backend="eager")(images), plain, atol=1e-5)
"""


def test_a_process_without_the_compiler_can_import_it_later_and_compile() -> None:
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "torch.Size([1, 3, 2, 2])"


def test_where_the_compiler_is_there_already_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ModuleType("torch._dynamo")
    monkeypatch.setitem(sys.modules, "torch._dynamo", real)
    with lean_timm._without_compiler():
        assert sys.modules["torch._dynamo"] is real
    assert sys.modules["torch._dynamo"] is real


def test_the_stand_ins_are_gone_also_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch._dynamo", "torch._dynamo.utils", "torchvision"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(AttributeError), lean_timm._without_compiler():
        from torch._dynamo.utils import is_compile_supported

        assert is_compile_supported is lean_timm._is_compile_supported

        raise AttributeError("another version")
    assert "torch._dynamo" not in sys.modules
    assert "torch._dynamo.utils" not in sys.modules
