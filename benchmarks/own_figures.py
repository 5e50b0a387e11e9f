"""What a simulated run's model reaches on all sites' test cases, from the predictions that each site keeps for itself.

    python benchmarks/own_figures.py RUN [RUN ...]

For runs with ``privacy=record``, whose sites tell no figures: those of a simulation are the researcher's, and nothing
of them is charged. AUROC (with more than two classes the mean over classes, each against the rest) and accuracy, with
each site's accuracy averaged, too, as FLamby does it.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Rows = tuple[NDArray[np.float64], NDArray[np.str_], tuple[str, ...]]


def rows_of(state: Path, split: str) -> Rows:
    """Log odds ``(N, S)`` and labels of a site's cases ``(N,)``, or marks by finding ``(N, S)``, and the names of the
    scored classes."""
    with (state / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        lines = [line for line in csv.DictReader(stream) if line["split"] == split]
    names = tuple(name for name in (lines[0] if lines else ()) if name.startswith("log_odds_"))
    scores = np.array([[float(line[name]) for name in names] for line in lines]).reshape(len(lines), len(names))
    classes = tuple(name.removeprefix("log_odds_") for name in names)
    labels = [line["label"] if "label" in line else [line[name] for name in classes] for line in lines]
    return scores, np.array(labels), classes


def auroc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Ties count half."""
    above = scores[positive][:, None] - scores[~positive][None]
    return float((above > 0).mean() + (above == 0).mean() / 2)


def accuracy(scores: NDArray[np.float64], labels: NDArray[np.str_], classes: tuple[str, ...]) -> float:
    if len(classes) == 1:
        return float(((scores[:, 0] > 0) == (labels == classes[0])).mean())
    return float((np.array(classes)[scores.argmax(axis=1)] == labels).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--split", default="test", help="(%(default)s)")
    given = parser.parse_args()
    for run in given.runs:
        sites = [rows_of(state, given.split) for state in sorted(run.glob("sites/*/state"))]
        filled = [one for one in sites if len(one[1])]
        if not filled:
            nowhere = "no sites/NAME/state; name the folder of a simulated run"
            parser.error(f"{run}: {f'no site has a {given.split} case' if sites else nowhere}")
        scores, labels = np.concatenate([one[0] for one in filled]), np.concatenate([one[1] for one in filled])
        classes = filled[0][2]
        if labels.ndim > 1:
            known = [labels[:, place] != "" for place in range(len(classes))]
            each = [auroc(scores[k, place], labels[k, place] == "1") for place, k in enumerate(known)]
            print(f"{run}: {len(labels)} cases, {len(classes)} findings, AUROC {np.mean(each):.4f}", flush=True)
            continue
        area = np.mean([auroc(scores[:, place], labels == name) for place, name in enumerate(classes)])
        over = np.mean([accuracy(*one) for one in filled])
        print(f"{run}: {len(labels)} cases, AUROC {area:.4f}, accuracy {accuracy(scores, labels, classes):.4f}", end="")
        print(f", over {len(filled)} sites {over:.4f}", flush=True)


if __name__ == "__main__":
    main()
