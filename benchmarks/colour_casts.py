"""Colour casts of three hospitals, put on a public set by a known transform, and what harmonising recovers.

    FEDGRAFT_DATA=... python benchmarks/colour_casts.py OUT_DIR [--seeds 0 1 2]

The ultrasound images of ``data=busi`` are dealt to three hospitals by group. Ash has them as they are, birch under warm
light (gains 1, 0.75, 0.55), cedar under cold light on a steeper curve (gains 0.6, 0.8, 1; exponent 1.3). That is what a
cast does, and not what histology looks like: no colour data of several hospitals is at hand. Printed, as Markdown:
AUROC as the mean over hospitals where all train, and at cedar where it never trains; mean over seeds (and deviation).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

import fedgraft as fg
from fedgraft.client.cohort.manifest.manifest import write_manifest
from fedgraft.simulations.datasets.busi import busi

CASTS = {
    "ash": ((1.0, 1.0, 1.0), 1.0),
    "birch": ((1.0, 0.75, 0.55), 1.0),
    "cedar": ((0.6, 0.8, 1.0), 1.3),
}
ROWS = {
    "no cast": ("harmonise=none",),
    "cast": ("harmonise=none",),
    "cast, reinhard": ("harmonise=reinhard",),
    "cast, histogram": ("harmonise=histogram",),
    "cast, fourier": ("harmonise=fourier",),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args(argv)
    made = {cast: films(given.out / ("cast" if cast else "plain"), cast) for cast in (False, True)}
    print("| images | mean over hospitals | cedar, never trained |\n|---|---|---|", flush=True)
    for name, words in ROWS.items():
        found = np.array(
            [measured(given.out / f"{name}-{seed}", made["no" not in name], words, seed) for seed in given.seeds]
        )
        cells = [f"{mean:.3f} ({sd:.3f})" for mean, sd in zip(found.mean(axis=0), found.std(axis=0), strict=True)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return 0


def films(folder: Path, cast: bool) -> Path:
    """The manifest of all images with their hospital; images are written once."""
    folder.mkdir(parents=True, exist_ok=True)
    source = busi(root=Path(os.environ["FEDGRAFT_DATA"]), cache=Path("none"))
    units = sorted({case.unit for case in source.cases})
    dealt = dict(zip(np.random.default_rng(0).permutation(units).tolist(), [*CASTS] * len(units), strict=False))
    found = []
    for number, case in enumerate(source.cases):
        gains, exponent = CASTS[dealt[case.unit]] if cast else ((1.0, 1.0, 1.0), 1.0)
        path = folder / f"{number}.png"
        if not path.is_file():
            pixels = np.asarray(Image.open(case.path).convert("RGB"), np.float64) / 255
            Image.fromarray((255 * pixels**exponent * np.array(gains)).round().astype(np.uint8)).save(path)
        found.append(replace(case, path=str(path), columns=(("hospital", dealt[case.unit]),)))
    write_manifest(folder / "films.csv", found)
    return folder / "films.csv"


def measured(out: Path, manifest: Path, words: Sequence[str], seed: int) -> tuple[float, float]:
    """AUROC as the mean over hospitals, and at cedar where it is held out."""
    common = (
        *("data=manifest", f"data.path={manifest}", "data.site=hospital", "data.image_size=224", "features=taps"),
        *("head=plain", "strategy=exact", "rounds=3", "strategy.weakest=0.1", "select=best", f"seed={seed}"),
        *("engine.threads=1", "decide.unseen=null", *words),
    )
    sites = fg.simulate(fg.plan(*common), out=out / "all", quiet=True).summary["sites"]
    held = fg.simulate(fg.plan(*common, "hold_out=[cedar]"), out=out / "held", quiet=True).summary["sites"]
    return float(np.mean([one["auroc"] for one in sites.values()])), held["cedar"]["auroc"]


if __name__ == "__main__":
    raise SystemExit(main())
