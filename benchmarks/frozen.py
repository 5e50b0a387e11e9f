"""The frozen part of a network: milliseconds of one processor for an image, eager and as we compute it.

    python benchmarks/frozen.py [--threads 1] [--repeat 3] [--rivals compile onnx] [--plot FILE]

tf_efficientnet_lite0 with ImageNet's weights at 64 and 224 pixels, its last features and those of every depth
(features=taps); batches as a site makes them, of random pixels. Processor time, so that a neighbour disturbs little;
contestants in turn, the median of --repeat. Beside each: seconds to build it, and how far its features are from eager.

  eager      torch, as the network is written (channels last): the reference
  folded     the same with batch norms folded: without the extra
  openvino   the extra `fast`
  --rivals   torch.compile (needs a C++ compiler), ONNX Runtime (the extra `export`), which are not kept; of the last
             features at 64 pixels only
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import measure
from report import Result, publish

SIZES = (64, 224)
FEATURES = ("last", "taps")
RIVALS = ("compile", "onnx")


@dataclass(frozen=True)
class Timed:
    """Seconds to build, milliseconds an image (one per turn), and the largest difference to eager."""

    build: float
    milliseconds: list[float]
    apart: float


def main() -> None:
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--threads", type=int, default=1, help="of a call (1)")
    parser.add_argument("--rivals", nargs="+", choices=RIVALS, default=[], help="also one that is not kept")
    options = parser.parse_args()
    found = {
        (features, size): timed(
            features, size, options.threads, options.repeat, options.rivals if (features, size) == ("last", 64) else ()
        )
        for features in FEATURES
        for size in SIZES
    }
    publish(result(found, options.repeat, options.threads), options.plot)


def timed(features: str, size: int, threads: int, repeat: int, rivals: Sequence[str] = ()) -> dict[str, Timed]:
    """Each contestant's figures."""
    import torch
    from plans import plan_of

    from fedgraft.client.features.compiled import compiled, is_installed
    from fedgraft.client.features.folded import folded, in_parts
    from fedgraft.client.site.machine import automatic_batch, memory_bytes
    from fedgraft.common.models.build import build
    from fedgraft.common.runtime.memory import keep_freed_memory

    keep_freed_memory()
    torch.set_num_threads(threads)
    model = build(plan_of("data=pneumoniamnist", f"data.image_size={size}", f"features={features}"), None)
    eager = model.constant.compute
    images = torch.rand(automatic_batch(model.spec.shape, memory_bytes()), *model.spec.shape)
    builders: dict[str, Callable[[], Callable[..., object] | None]] = {
        "eager": lambda: eager,
        "folded": lambda: None if (found := folded(eager, images)) is None else in_parts(found),
    }
    if is_installed():
        builders["openvino"] = lambda: compiled(eager, images, threads)
    if "compile" in rivals:
        builders["torch.compile"] = lambda: torch.compile(_module(eager))
    if "onnx" in rivals:
        builders["ONNX Runtime"] = lambda: _onnx(_module(eager), images, threads)
    expected, made, build_seconds = eager(images), {}, {}
    for name, builder in builders.items():
        start = time.process_time()
        made[name] = builder()
        made[name](images)  # type: ignore[misc]  # what the first call sets up counts as building
        build_seconds[name] = time.process_time() - start
    milliseconds: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(repeat):
        for name, compute in made.items():
            start = time.process_time()
            compute(images)  # type: ignore[misc]
            milliseconds[name].append((time.process_time() - start) / len(images) * 1e3)
    with torch.no_grad():
        apart = {name: float((compute(images) - expected).abs().max()) for name, compute in made.items()}  # type: ignore[misc]
    return {name: Timed(build_seconds[name], milliseconds[name], apart[name]) for name in made}


def _module(eager):  # type: ignore[no-untyped-def]
    import torch

    from fedgraft.client.features.compiled import Plain

    torch.set_grad_enabled(False)
    return Plain(eager).eval()


def _onnx(module, images, threads: int):  # type: ignore[no-untyped-def]
    import onnxruntime
    import torch

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = Path(folder) / "frozen.onnx"
        batch = torch.export.Dim("batch")
        torch.onnx.export(module, (images[:2],), file, dynamo=True, dynamic_shapes=({0: batch},), verbose=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda some: torch.from_numpy(session.run(None, {name: some.numpy()})[0])


def result(found: dict[tuple[str, int], dict[str, Timed]], repeat: int, threads: int) -> Result:
    rows, bars = [], {}
    for (features, size), contestants in found.items():
        medians = {name: statistics.median(one.milliseconds) for name, one in contestants.items()}
        bars[f"{features}, {size} px"] = medians
        rows += [
            [
                features,
                str(size),
                name,
                f"{medians[name]:.2f}",
                f"{min(one.milliseconds):.2f}-{max(one.milliseconds):.2f}",
                f"{medians['eager'] / medians[name]:.2f}",
                f"{one.build:.1f}",
                f"{one.apart:.0e}" if one.apart else "0",
            ]
            for name, one in contestants.items()
        ]
    return Result(
        title=f"the frozen part, processor milliseconds an image, {threads} thread(s), median of {repeat}",
        command="python benchmarks/frozen.py --rivals onnx --plot docs/performance/frozen.png",
        columns=(
            *("features", "pixels", "computed by", "ms an image", "least-most", "times as fast as eager"),
            *("seconds to build", "largest difference"),
        ),
        rows=rows,
        notes=(
            "Processor time; building includes the first call.",
            "A GPU: not measured; there the frozen part is eager, and `engine.runtime` changes nothing.",
        ),
        bars=bars,
        unit="processor milliseconds an image",
        raw={f"{a}, {b} px": {name: one.__dict__ for name, one in c.items()} for (a, b), c in found.items()},
    )


if __name__ == "__main__":
    main()
