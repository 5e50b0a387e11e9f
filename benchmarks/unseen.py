"""The unseen-kind warning: how well a model knows cases of another kind from those that it was trained on.

    FEDGRAFT_DATA=... python benchmarks/unseen.py OUT_DIR [--seeds 0 1 2] [--only films views scanners]

``films``: a model of chest films, and ultrasound, blank and noise images, and its own test films turned upside down, by
90 degrees, and inverted. ``views``: a model of PA films, and AP films. ``scanners``: a model of the phantom's first
scanners, and films of the others, which are held out. Normal work are the sites' own test cases. Printed, as Markdown,
as the mean over the seeds (and the least): the AUROC of the distance, and the share that is flagged by the limit that
goes with the model (``decide.unseen=0.05``, chosen by validation cases).
"""

from __future__ import annotations

import argparse
import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import rankdata
from torch import Tensor

import fedgraft as fg
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.cohort.pseudonyms import Pseudonyms
from fedgraft.client.training.before_head import watching
from fedgraft.common.familiarity.familiarity import Familiar, from_json

Found = Iterator[tuple[str, float, float]]
"""The kind, its AUROC, and the share that is flagged."""
Pixels = NDArray[np.uint8]

MODEL = (
    *("data.image_size=96", "features=taps", "head=plain", "strategy=exact", "strategy.weakest=0.1", "rounds=3"),
    *("select=best", "engine.threads=1"),
)
TRAINED, HELD_OUT = 4, ("elm", "fir", "ginkgo", "hazel")
"""Of the phantom's eight scanners, the number of the first, and the names of the others."""
MANY = 200
NORMAL = "normal work"
TURNS: Mapping[str, Callable[[Pixels], Pixels]] = {
    "upside down": np.flipud,
    "turned by 90 degrees": np.rot90,
    "inverted": lambda pixels: 255 - pixels,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=list(MEASURED), default=list(MEASURED))
    given = parser.parse_args(argv)
    print("| model | cases | AUROC (least) | flagged |\n|---|---|---|---|", flush=True)
    for name in given.only:
        rows = defaultdict(list)
        for seed in given.seeds:
            for kind, auroc, flagged in MEASURED[name](given.out / f"{name}-{seed}", seed):
                rows[kind].append((auroc, flagged))
        for kind, values in rows.items():
            each, flagged = np.array(values).T
            score = "" if kind == NORMAL else f"{each.mean():.3f} ({each.min():.3f})"
            print(f"| {name} | {kind} | {score} | {flagged.mean():.3f} |", flush=True)
    return 0


def films(out: Path, seed: int) -> Found:
    """A model of chest films of both views."""
    run = trained(out, seed, "data=nih_cxr1000", "partition.sites=3")
    model, normal = fg.load_model(run.out), test_files(run)
    yield from judged(run, model, normal, film_kinds(model, normal, seed))


def film_kinds(model: fg.TrainedModel, normal: list[str], seed: int) -> Iterator[tuple[str, Tensor]]:
    """Inputs of what is no chest film as those of the model."""
    rng, spec = np.random.default_rng(seed), model.spec
    ultrasound = sorted((Path(os.environ["FEDGRAFT_DATA"]) / "busi").glob("*/*.png"))
    some = rng.permutation(len(ultrasound))[:MANY]
    yield "ultrasound", model.prepare([str(ultrasound[place]) for place in some])
    greys = torch.linspace(0, 1, 64)[:, None, None, None].expand(-1, *spec.shape)  # quarantined, if whole
    mean, std = (torch.tensor(each)[:, None, None] for each in (spec.mean, spec.std))
    yield "blank", (greys - mean) / std
    yield "noise", model.prepare(list(rng.integers(0, 256, (MANY, 256, 256), dtype=np.uint8)))
    pixels = [np.asarray(Image.open(file).convert("L")) for file in normal]
    for name, turn in TURNS.items():
        yield name, model.prepare([np.ascontiguousarray(turn(each)) for each in pixels])


def views(out: Path, seed: int) -> Found:
    """A model of films taken from behind (PA), and films taken from the front (AP), in bed for the most part."""
    root = Path(os.environ["FEDGRAFT_DATA"]) / "nih_cxr1000"
    with (root / "labels.csv").open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    by_view = {view: [line for line in lines if line["view"] == view] for view in ("PA", "AP")}
    out.mkdir(parents=True, exist_ok=True)
    manifest = out / "pa.csv"
    with manifest.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("path", "label", "patient"))
        writer.writerows((root / line["path"], line["label"], line["patient_id"]) for line in by_view["PA"])
    words = ("data=manifest", f"data.path={manifest}", "partition=iid", "partition.sites=3")
    run = trained(out / "run", seed, *words)
    model = fg.load_model(run.out)
    front = [str(root / line["path"]) for line in by_view["AP"]]
    yield from judged(run, model, test_files(run), [("AP films", model.prepare(front))])


def scanners(out: Path, seed: int) -> Found:
    """A model of some scanners, and films of the same anatomy of others."""
    held_out = ",".join(HELD_OUT)
    run = trained(out, seed, "data=phantom", f"data.sites={TRAINED + len(HELD_OUT)}", f"hold_out=[{held_out}]")
    model = fg.load_model(run.out)
    others = {name: files_of(run, name) for name in HELD_OUT}
    kinds = {"the other scanners": [file for files in others.values() for file in files], **others}
    yield from judged(run, model, test_files(run), ((name, model.prepare(files)) for name, files in kinds.items()))


def trained(out: Path, seed: int, *words: str) -> fg.Run:
    """The run of a plan with one seed."""
    return fg.simulate(fg.plan(*words, *MODEL, f"seed={seed}"), out, quiet=True)


def files_of(run: fg.Run, site: str, split: str | None = None) -> list[str]:
    """The files of a site's cases, or of one split that it evaluated."""
    folder = run.out / "sites" / site
    cases = read_manifest(folder / "manifest.csv")
    if split is None:
        return [case.path for case in cases]
    with (folder / "state" / "predictions.csv").open(newline="", encoding="utf-8") as stream:
        wanted = {line["case"] for line in csv.DictReader(stream) if line["split"] == split}
    names = Pseudonyms(folder / "state")
    return [case.path for case in cases if names.name(case) in wanted]


def test_files(run: fg.Run) -> list[str]:
    """The test cases of the sites that trained."""
    names = [path.name for path in sorted((run.out / "sites").iterdir()) if path.name not in run.plan.hold_out]
    return [file for name in names for file in files_of(run, name, "test")]


def judged(
    run: fg.Run,
    model: fg.TrainedModel,
    normal: list[str],
    kinds: Iterator[tuple[str, Tensor]] | list[tuple[str, Tensor]],
) -> Found:
    """Each kind against normal work."""
    familiar = from_json((run.out / "model" / "familiarity.json").read_text(encoding="utf-8"))
    usual = distances(model, familiar, model.prepare(normal))
    yield NORMAL, 0.5, float((usual >= familiar.limit).mean())
    for name, inputs in kinds:
        found = distances(model, familiar, inputs)
        yield name, auroc(usual, found), float((found >= familiar.limit).mean())


def distances(model: fg.TrainedModel, familiar: Familiar, inputs: Tensor) -> NDArray[np.float64]:
    """How far inputs ``(N, *shape)`` are from the training cases, ``(N,)``."""
    seen: list[Tensor] = []
    with watching(model.network, seen.append), torch.inference_mode():
        for batch in inputs.split(64):
            model(batch)
    found: NDArray[np.float64] = familiar.reference.distances(torch.cat(seen)).numpy()
    return found


def auroc(normal: NDArray[np.float64], strange: NDArray[np.float64]) -> float:
    """The share of pairs of which the strange case is the farther one; ties count half."""
    ranks = rankdata(np.concatenate([normal, strange]))[len(normal) :]
    return float((ranks.sum() - len(strange) * (len(strange) + 1) / 2) / (len(normal) * len(strange)))


MEASURED = {"films": films, "views": views, "scanners": scanners}

if __name__ == "__main__":
    raise SystemExit(main())
