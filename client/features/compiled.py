"""The frozen part of a network as OpenVINO computes it on a CPU: the extra ``fast``.

torch traces the computation once, OpenVINO's own frontend reads the trace, and its CPU plugin fuses and plans it. Its
converter (``openvino.convert_model``) is not used: that reports each conversion to Intel over the network.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor, nn

from fedgraft.common.installed import version_of
from fedgraft.common.models.frozen_part import Computation

_PIXELS_AT_ONCE = 2 * 224 * 224
_ROWS_AT_ONCE = 1024


def is_installed() -> bool:
    return find_spec("openvino") is not None


def installed_version() -> str:
    return version_of("openvino")


def compiled(computation: Computation, sample: Tensor, threads: int) -> Callable[[Tensor], Tensor]:
    """The same, compiled for this CPU, in float32: ``(B, *shape)`` -> ``(B, *kept)`` float32, for any ``B``.

    It goes through a batch in parts of two images of 224 pixels' worth: what lies between two layers then stays in the
    processor's cache, and takes little memory.

    Args:
        sample: at least one case.
        threads: of a call.

    Raises:
        RuntimeError: torch can't trace it, or OpenVINO has no such operation.
    """
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    shape = tuple(sample.shape[1:])
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch says that tracing is old, and timm's asserts that they are constant
        traced = torch.jit.trace(Plain(computation), torch.cat([sample[:1]] * 2), check_trace=False)
        decoder = TorchScriptPythonDecoder(traced)  # must outlive the conversion, which does not hold it
        frontend = FrontEndManager().load_by_framework("pytorch")
        model = frontend.convert(frontend.load(decoder))
    model.reshape(openvino.PartialShape([-1, *shape]))
    options = {
        "INFERENCE_PRECISION_HINT": "f32",  # by itself it takes bfloat16 where the CPU has it
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
    }
    request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
    part = _ROWS_AT_ONCE if len(shape) < 3 else max(1, _PIXELS_AT_ONCE // math.prod(shape[1:]))

    def compute(inputs: Tensor) -> Tensor:
        found = [
            np.array(request.infer([one.contiguous().numpy()], share_inputs=True)[0]) for one in inputs.split(part)
        ]
        return torch.from_numpy(np.concatenate(found))

    return compute


class Plain(nn.Module):
    """A computation as a module, to be traced."""

    def __init__(self, computation: Computation) -> None:
        super().__init__()
        self.module = computation.module
        self._computation = (computation,)

    def forward(self, inputs: Tensor) -> Tensor:
        return self._computation[0].plain(inputs)


def multiply_adds(computation: Computation, sample: Tensor) -> int:
    """How many products a case needs in convolutions and linear layers: most of its work, whatever the network."""
    total = 0

    def count(module: nn.Module, _: object, output: object) -> None:
        nonlocal total
        if isinstance(output, Tensor) and isinstance(module.weight, Tensor):
            total += output[0].numel() * module.weight[0].numel()

    kinds = (nn.Conv1d, nn.Conv2d, nn.Linear)
    hooks = [m.register_forward_hook(count) for m in computation.module.modules() if isinstance(m, kinds)]
    try:
        computation(sample[:1])
    finally:
        for hook in hooks:
            hook.remove()
    return total
