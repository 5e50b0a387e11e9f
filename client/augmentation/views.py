"""A fixed bank of augmented views of each case: the network's constant part is computed once per case and view.

View 0 is the unchanged case. Every other view depends only on the plan's seed, the case's identity and the view's
number: not on the order of the files, the other cases or the manifest's folder. The first six of twelve views are the
six views of a smaller bank. Pixels that move in at a border repeat the image's edge: black where the background is
black, tissue where the image cuts it off.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import PurePath

import numpy as np
import torch
from torch import Tensor

from fedgraft.client.augmentation.transforms import Change, Erased, changed
from fedgraft.client.cohort.case import Case
from fedgraft.common.plan.sections import AugmentSection

_ASPECT = 2.0  # the largest ratio of an erased rectangle's sides


@dataclass(frozen=True)
class Bank:
    """What determines the views: the plan's ``augment`` section and its seed."""

    augment: AugmentSection
    seed: int


def identity(case: Case) -> str:
    """A case's identity as JSON: patient, name of the file without its folder, array in the file, and row."""
    file, _, array = case.path.partition("::")
    return json.dumps([case.patient, PurePath(file).name, array, case.row])


def view_fingerprint(bank: Bank, case: Case, view: int) -> str:
    """SHA-256 (hex) of all that `view_of` depends on besides the image, which is what was drawn: equal changes have one
    fingerprint, whatever bank and seed; ``""`` for view 0."""
    if view == 0:
        return ""
    change = asdict(drawn(bank, identity(case), view))
    return hashlib.sha256(json.dumps(["views-2", change], sort_keys=True).encode()).hexdigest()


def view_of(image: Tensor, bank: Bank, name: str, view: int) -> Tensor:
    """One view of an image.

    Args:
        image: ``(1 or 3, S, S)`` float32 in [0, 1], resized (`fedgraft.client.images.transforms.resize`) and not
            normalised.
        bank: determines the views.
        name: the case's `identity`.
        view: 0, which gives ``image`` itself, to ``bank.augment.views - 1``.

    Returns:
        the shape of ``image``, float32 in [0, 1].
    """
    return image if view == 0 else changed(image, drawn(bank, name, view))


def views_of(image: Tensor, bank: Bank, name: str) -> Tensor:
    """All views of an image, ``(V, 1 or 3, S, S)``; the rest as `view_of`."""
    return torch.stack([view_of(image, bank, name, view) for view in range(bank.augment.views)])


def drawn(bank: Bank, name: str, view: int) -> Change:
    """The change of view number ``view``, 1 or more, of the case with identity ``name``; with ``augment.mirror`` an odd
    view is the mirror image of the one before it."""
    if bank.augment.mirror and view % 2:
        before = Change() if view == 1 else _drawn(bank, name, view - 1)
        return replace(before, flip=True)
    return _drawn(bank, name, view)


def _drawn(bank: Bank, name: str, view: int) -> Change:
    seed = hashlib.sha256(json.dumps([bank.seed, name, view]).encode()).digest()
    # all numbers are always drawn, so that one strength does not influence the draws of another
    rng = np.random.default_rng(list(seed))
    rotate, right, down, zoom, brightness, contrast, flip = rng.uniform(-1, 1, 7).tolist()
    gamma, noise, blur = rng.uniform(-1, 1, 3).tolist()
    area, aspect, across, along, noise_seed = rng.uniform(0, 1, 5).tolist()
    most = bank.augment
    return Change(
        rotate=rotate * most.rotate,
        right=right * most.shift,
        down=down * most.shift,
        zoom=(1 + most.zoom) ** zoom,
        brightness=1 + brightness * most.brightness,
        contrast=1 + contrast * most.contrast,
        flip=most.flip and flip < 0,
        gamma=(1 + most.gamma) ** gamma,
        noise=abs(noise) * most.noise,
        noise_seed=int(noise_seed * 2**53) if most.noise else 0,
        blur=abs(blur) * most.blur,
        erase=Erased(area * most.erase, _ASPECT ** (2 * aspect - 1), across, along) if most.erase else None,
    )


def choose_views(cases: int, views: int, generator: torch.Generator) -> Tensor:
    """Draw, uniformly, the view that each case shows in an epoch: ``(cases,)`` int64.

    With one view nothing is drawn from ``generator``.
    """
    if views == 1:
        return torch.zeros(cases, dtype=torch.int64)
    return torch.randint(views, (cases,), generator=generator)
