"""A model as a TorchScript file: decoded cases in, probabilities out, in C++, Java or torch without FedGraft."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from fedgraft.client.export.checked import require_equal, samples
from fedgraft.client.export.whole import WholeModel
from fedgraft.common.errors import ModelError, first_line

ABOUT = "fedgraft.json"
"""The file's own member that says what it takes: ``torch.jit.load(file, _extra_files={ABOUT: ""})`` reads it."""


def write_torchscript(path: Path, whole: WholeModel, said: Mapping[str, str]) -> float:
    """Write a model as TorchScript, after what the written file computes was compared with what we compute.

    It is traced: what depends on the values of cases would be frozen in, so random cases of several sizes are compared.

    Args:
        said: what the file is to say of itself, by key.

    Returns:
        the largest difference on random cases.

    Raises:
        ModelError: torch can't trace the network, or the answers differ.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls TorchScript deprecated, and the tracer notes every shape
        try:
            with torch.no_grad():
                traced = torch.jit.trace(whole.module, (samples(whole)[0],), check_trace=False)
        except Exception as error:  # the tracer raises what the network's many parts raise
            raise ModelError(f"torch can't trace this network to TorchScript: {first_line(error)[:300]}") from error
        torch.jit.save(traced, path, _extra_files={ABOUT: json.dumps(dict(said), ensure_ascii=False)})
        written = torch.jit.load(path, map_location="cpu")

    def run(cases: Tensor) -> Sequence[Tensor]:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Sequence[Tensor] = written(cases)
        return found

    return require_equal(whole, whole.names, run, "the TorchScript file")
