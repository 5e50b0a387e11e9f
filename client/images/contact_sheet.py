"""Draw a contact sheet: cases, harmonised if the plan does that, and each of their augmented views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from fedgraft.client.augmentation.transforms import Change
from fedgraft.client.augmentation.views import drawn, identity, view_of
from fedgraft.client.cohort.case import Case
from fedgraft.client.images.inputs import ImageInputs
from fedgraft.common.drawing.figure import figure_of
from fedgraft.common.errors import DataError

_INCHES, _LINE = 1.5, 0.15
"""Heights in inches of an image and of a line of its title."""


@dataclass(frozen=True)
class Shown:
    """``image``: ``(1 or 3, S, S)`` float32 in [0, 1]; ``title``: what was done to it, without any identity."""

    image: Tensor
    title: str


def row_of(case: Case, inputs: ImageInputs) -> list[Shown]:
    """A row of the sheet: the case's image, the harmonised one (if the plan does that), and all views but view 0.

    The case must be usable, and its facts known.
    """
    (plain,), (image,) = inputs.ingest.images([case]), inputs.harmonised([case])
    row = [Shown(plain, "the case")]
    if inputs.harmony is not None:
        row.append(Shown(image, "harmonised"))
    name = identity(case)
    for view in range(1, inputs.bank.augment.views):
        title = "\n".join((f"view {view}", *told(drawn(inputs.bank, name, view))))
        row.append(Shown(view_of(image, inputs.bank, name, view), title))
    return row


def told(change: Change) -> Iterator[str]:
    """A view's changes in short lines."""
    moves = [f"{change.rotate:+.0f}°"] if change.rotate else []
    moves += [f"{change.right:+.0%}, {change.down:+.0%}"] if change.right or change.down else []
    moves += [f"x {change.zoom:.2f}"] if change.zoom != 1 else []
    moves += ["mirrored"] if change.flip else []
    greys = {"brightness": change.brightness, "contrast": change.contrast, "gamma": change.gamma}
    lines = [" ".join(moves), *(f"{name} {value:.2f}" for name, value in greys.items() if value != 1)]
    lines += [f"{name} {value:.3f}" for name, value in (("noise", change.noise), ("blur", change.blur)) if value]
    lines += [f"erased {change.erase.area:.0%}"] if change.erase is not None else []
    yield from filter(None, lines)


def draw_sheet(path: Path, rows: Sequence[Sequence[Shown]]) -> None:
    """Write a PNG, readable by this account only, with a row (all equally long) for each case and no identities.

    Raises:
        DataError: there is a file already, or it can't be written.
    """
    lines = max(shown.title.count("\n") for row in rows for shown in row) + 1
    wide, high = _INCHES * len(rows[0]), (_INCHES + _LINE * lines) * len(rows)
    figure = figure_of((wide, high), layout="constrained")
    for axes, shown in zip(
        figure.subplots(len(rows), len(rows[0]), squeeze=False).flat, (s for row in rows for s in row), strict=True
    ):
        planes = shown.image.permute(1, 2, 0).numpy()
        axes.imshow(planes if planes.shape[2] == 3 else planes[..., 0], cmap="gray", vmin=0, vmax=1)
        axes.set_title(shown.title, fontsize=6)
        axes.set_axis_off()
    require_new(path)
    try:
        path.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise DataError(f"{path} can't be written ({error.strerror})") from error
    try:
        figure.savefig(path, dpi=150, metadata={"Software": None})
    except BaseException as error:
        path.unlink(missing_ok=True)  # half a picture, or none
        if isinstance(error, OSError):
            raise DataError(f"{path} can't be written ({error.strerror})") from error
        raise


def require_new(path: Path) -> None:
    """Refuse to overwrite a file.

    Raises:
        DataError: there is one already.
    """
    if path.exists():
        raise DataError(f"{path} exists and is not overwritten; name another file with --out")
