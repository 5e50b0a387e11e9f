"""A fixed bank of augmented views of each case, so that what comes before the cut is computed once per case and view.

View 0 is the case as it is. Every other view is drawn from the plan's seed, the case's identity and the view's number,
and from nothing else: the order of the files, the other cases and the manifest's folder don't matter, and a bank of
twelve views begins with the bank of six. What moves into the image at its borders repeats the image's edge: black where
the background is black, tissue where the image is cut off.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import PurePath

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fedgraft.client.manifest import Case
from fedgraft.common.schema import Augment


@dataclass(frozen=True)
class Bank:
    """Which views there are: what a plan says of them, and its seed."""

    augment: Augment
    seed: int


@dataclass(frozen=True)
class Change:
    """How a view differs from the case as it is.

    ``rotate`` in degrees counter-clockwise; ``right`` and ``down`` in parts of the image's side; ``zoom``,
    ``brightness`` and ``contrast`` are factors; ``flip`` mirrors left to right.
    """

    rotate: float = 0.0
    right: float = 0.0
    down: float = 0.0
    zoom: float = 1.0
    brightness: float = 1.0
    contrast: float = 1.0
    flip: bool = False


def identity(case: Case) -> str:
    """A case by its patient, its file's name without the folder, the array in it, and the row."""
    file, _, array = case.path.partition("::")
    return json.dumps([case.patient, PurePath(file).name, array, case.row])


def view_fingerprint(bank: Bank, case: Case, view: int) -> str:
    """Changes whenever `view_of` would make another view of the same image; ``""`` for view 0, whatever the bank."""
    if view == 0:
        return ""
    strengths = {name: value for name, value in asdict(bank.augment).items() if name != "views"}
    return hashlib.sha256(json.dumps(["views-1", strengths, bank.seed, identity(case), view]).encode()).hexdigest()


def view_of(image: Tensor, bank: Bank, name: str, view: int) -> Tensor:
    """One view.

    Args:
        image: ``(1 or 3, S, S)`` float32 in [0, 1], resized and not normalised (`fedgraft.client.transforms.resize`).
        bank: all views there are.
        name: the case's `identity`.
        view: 0 (which gives ``image`` itself) to ``bank.augment.views - 1``.

    Returns:
        the shape of ``image``, float32 in [0, 1].
    """
    return image if view == 0 else changed(image, drawn(bank, name, view))


def views_of(image: Tensor, bank: Bank, name: str) -> Tensor:
    """All views of an image, ``(V, 1 or 3, S, S)``; the rest as `view_of`."""
    return torch.stack([view_of(image, bank, name, view) for view in range(bank.augment.views)])


def drawn(bank: Bank, name: str, view: int) -> Change:
    """What view number ``view``, 1 or more, of the case ``name`` is."""
    seed = hashlib.sha256(json.dumps([bank.seed, name, view]).encode()).digest()
    # all are drawn whatever the strengths, so that one strength does not change what another draws
    rotate, right, down, zoom, brightness, contrast, flip = np.random.default_rng(list(seed)).uniform(-1, 1, 7).tolist()
    most = bank.augment
    return Change(
        rotate=rotate * most.rotate,
        right=right * most.shift,
        down=down * most.shift,
        zoom=(1 + most.zoom) ** zoom,
        brightness=1 + brightness * most.brightness,
        contrast=1 + contrast * most.contrast,
        flip=most.flip and flip < 0,
    )


def changed(image: Tensor, change: Change) -> Tensor:
    """Mirror, move, brightness, contrast, in this order; a step that changes nothing is left out.

    ``(1 or 3, S, S)`` float32 in [0, 1], in and out.
    """
    from torchvision.transforms.v2 import functional as photo  # half a second to import, for augmented views only

    if change.flip:
        image = photo.horizontal_flip(image)
    if (change.rotate, change.right, change.down, change.zoom) != (0, 0, 0, 1):
        image = moved(image, change)
    if change.brightness != 1:
        image = photo.adjust_brightness(image, change.brightness)
    if change.contrast != 1:
        image = photo.adjust_contrast(image, change.contrast)  # around the image's own mean
    return image


def moved(image: Tensor, change: Change) -> Tensor:
    """Rotate and zoom about the centre, then shift: one bilinear interpolation, ``(C, S, S)`` in and out.

    torch's ``grid_sample`` and not torchvision's ``affine``, which can fill with a constant only.
    """
    angle = math.radians(change.rotate)
    back = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]) / change.zoom
    shift = 2 * torch.tensor([[change.right], [change.down]])  # the image's side is 2 long in affine_grid's units
    grid = functional.affine_grid(torch.hstack([back, -back @ shift])[None], [1, *image.shape], align_corners=False)
    sampled = functional.grid_sample(image[None], grid, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled[0].clamp(0, 1)  # rounding may leave the range by 1e-7


def choose_views(cases: int, views: int, generator: torch.Generator) -> Tensor:
    """The view that each case shows in an epoch, evenly drawn: ``(cases,)`` int64.

    With one view nothing is drawn from ``generator``.
    """
    if views == 1:
        return torch.zeros(cases, dtype=torch.int64)
    return torch.randint(views, (cases,), generator=generator)
