"""PneumoniaMNIST: 5,856 children's chest films at 28 x 28, normal or pneumonia (CC BY 4.0).

Yang et al., MedMNIST v2, Scientific Data 2023; the images are from Kermany et al., Cell 2018. Patients are not
published: each image counts as a patient of its own, but identical images (27 pairs and triples) form a group.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.cohort.case import Case
from fedgraft.client.images.raster import read_array
from fedgraft.client.site.limits import Limits
from fedgraft.common.errors import DataError, PlanError
from fedgraft.simulations.datasets.source import Source, fetch, find, places

NAME = "pneumoniamnist/pneumoniamnist.npz"
CLASSES = ("normal", "pneumonia")
URL = "https://zenodo.org/records/10519652/files/pneumoniamnist.npz?download=1"
MD5 = "28209eda62fecd6e6a2d98b1501bb15f"


def pneumoniamnist(
    *, root: Path | None, cache: Path, seed: int, normals: int | None = None, url: str = URL, md5: str = MD5
) -> Source:
    """The official training and validation images pooled, and the official test set apart.

    Args:
        root: the folder of ``FEDGRAFT_DATA``, or ``None``.
        cache: FedGraft's cache folder, where a download is kept.
        seed: for drawing ``normals``.
        normals: the number of normal training cases to keep, to make the classes imbalanced; ``None`` for all.
        url: of the publisher's file, used if neither folder holds it.
        md5: of the publisher's file.

    Raises:
        DataError: the data set is not here and can't be downloaded, or the file is another one.
        PlanError: ``normals`` is out of range.
    """
    file = find(NAME, root, cache)
    if file is None:
        file = cache / NAME
        try:
            fetch(url, file, md5)
        except DataError as error:
            raise DataError(f"PneumoniaMNIST is not here: {places(NAME, root, cache)}. {error}") from error
    cases = _duplicates_grouped((*_cases(file, "train"), *_cases(file, "val")))
    return Source(cases=_thin(cases, normals, seed), test=_duplicates_grouped(_cases(file, "test")))


def _duplicates_grouped(cases: tuple[Case, ...]) -> tuple[Case, ...]:
    """The cases, with a group only for those whose pixels are not unique; the others are units by themselves."""
    counts = Counter(case.group for case in cases)
    return tuple(case if counts[case.group] > 1 else replace(case, group=None) for case in cases)


def _cases(file: Path, part: str) -> tuple[Case, ...]:
    """The cases of one part, each in a group named by a digest of its pixels."""
    images, labels = _arrays(file, part)
    path = f"{file.resolve()}::{part}_images"
    return tuple(
        Case(
            path=path,
            row=row,
            label=CLASSES[int(label)],
            patient=f"{part}-{row}",
            group=f"pixels-{hashlib.sha256(image.tobytes()).hexdigest()[:16]}",
        )
        for row, (image, label) in enumerate(zip(images, labels, strict=True))
    )


def _arrays(file: Path, part: str) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Images ``(N, H, W)`` uint8 and labels ``(N,)``; 0 = normal, 1 = pneumonia."""
    images, labels = read_array(file, f"{part}_images", Limits()), read_array(file, f"{part}_labels", Limits())
    if len(images) != len(labels) or not np.isin(labels, (0, 1)).all():
        raise DataError(f"{file}: {part}_labels must hold a 0 or 1 for each of {part}_images")
    return images, np.ravel(labels)


def _thin(cases: tuple[Case, ...], normals: int | None, seed: int) -> tuple[Case, ...]:
    """Keep ``normals`` of the normal cases, drawn without replacement, in their order."""
    if normals is None:
        return cases
    rows = [index for index, case in enumerate(cases) if case.label == CLASSES[0]]
    if not 1 <= normals <= len(rows):
        raise PlanError(f"data.normals={normals} must be from 1 to {len(rows)}, or null for all")
    drawn = np.random.default_rng(seed).choice(len(rows), size=normals, replace=False)
    kept = {rows[int(index)] for index in drawn}
    return tuple(case for index, case in enumerate(cases) if case.label != CLASSES[0] or index in kept)
