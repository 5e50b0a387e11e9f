"""A model as an ONNX file: decoded cases in, probabilities out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedgraft.client.export.checked import require_equal, samples
from fedgraft.client.export.whole import WholeModel
from fedgraft.common.errors import ModelError, first_line


def write_onnx(path: Path, whole: WholeModel, said: Mapping[str, str]) -> float:
    """Write a model as ONNX, after what onnxruntime computes with it was compared with what we compute.

    Args:
        said: what the file is to say of itself, by key.

    Returns:
        the largest difference on random cases.

    Raises:
        ModelError: the extra ``export`` is not installed, the network can't be exported, or the answers differ.
    """
    onnx, runtime = _packages()
    proto = _exported(whole)
    for key, value in said.items():
        proto.metadata_props.add(key=f"fedgraft.{key}", value=value)
    content: bytes = proto.SerializeToString()
    onnx.checker.check_model(proto)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(cases: Tensor) -> Sequence[Tensor]:
        found = session.run(None, {whole.preparation.name: cases.numpy()})
        return [torch.from_numpy(np.asarray(one)) for one in found]

    difference = require_equal(whole, whole.names, run, "the ONNX file")
    path.write_bytes(content)
    return difference


def _packages() -> tuple[Any, Any]:
    """
    Raises:
        ModelError: they are not installed.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  # torch's exporter needs it
    except ImportError as error:
        raise ModelError(
            f"--format onnx needs the extra `export`: pip install 'fedgraft[export]' ({first_line(error)})"
        ) from None
    return onnx, onnxruntime


def _exported(whole: WholeModel) -> Any:
    """The model as a protocol buffer of ONNX; any batch, and any size where the preparation says so."""
    free = torch.export.Dim.DYNAMIC
    shapes = {0: free, **dict.fromkeys(whole.preparation.sizes, free)}
    try:
        with _quiet():
            program = torch.onnx.export(
                whole.module,
                (samples(whole)[0],),
                dynamo=True,
                verbose=False,
                input_names=[whole.preparation.name],
                output_names=list(whole.names),
                dynamic_shapes=(shapes,),
            )
    except Exception as error:  # torch's exporter raises what its many parts raise
        raise ModelError(f"torch can't export this network to ONNX: {first_line(error)[:300]}") from error
    assert program is not None
    return program.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes on its own parts."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
