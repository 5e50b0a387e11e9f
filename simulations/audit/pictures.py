"""Whether a picture can be read from one update of a graft that sees pixels: gradient inversion (Geiping et al.,
"Inverting gradients", NeurIPS 2020), on drawn pictures and a small graft.

It is a yardstick and no attack on the run: it shows what batch and local steps do to it. Grafts on kept features never
see a pixel; whoever has their inputs has features, as `reconstruction` says.
"""

from __future__ import annotations

import io
import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.models.frozen_part import INPUTS
from fedgraft.common.models.model import Model
from fedgraft.common.seeding import seed_generators
from fedgraft.simulations.audit.finding import Finding, Table

NAME, TITLE = "pictures", "Can a picture be read from one update?"
_ASKED = (
    "Whoever has an update of a graft that sees pixels looks for pictures whose update would be the same, from noise "
    "on."
)
SETTINGS = ((1, 1), (1, 4), (2, 1), (4, 1), (8, 1))
SIZE, _ITERATIONS, _SMOOTH, _RATE = 24, 300, 1e-3, 0.1


def pictures(model: Model, seed: int = 0) -> Finding:
    """Invert updates of a small graft on drawn pictures, by batch and local steps.

    Args:
        model: the run's, to say whether it sees pixels.
    """
    rows, shown, figures = [], [], {}
    for size, steps in SETTINGS:
        originals, found = inverted(size, steps, seed)
        likeness = matched(originals, found)
        other = matched(originals, drawn(size, seed + 1))
        name = f"{size} picture{'s' * (size > 1)}, {steps} local step{'s' * (steps > 1)}"
        rows.append((name, f"{likeness:.2f}", f"{other:.2f}"))
        figures[f"{size}x{steps}"] = {"read": likeness, "others": other}
        if size <= 2:
            title = f"{size} picture(s), {steps} step(s): drawn above, read from the update below"
            shown.append((title, _png(originals, found)))
    said = (
        "A yardstick on drawn pictures (phantoms, of nobody) and a small graft of two layers of convolutions: the mean "
        "correlation of each picture with the one that was read (1: the picture itself). More pictures in a batch, and "
        "more local steps, hide more.",
        of_the_plan(model.constant.what),
    )
    headings = ("one update of", "correlation with what was read", "with other drawn pictures")
    return Finding(NAME, TITLE, _ASKED, said, Table(headings, tuple(rows)), figures, True, shown)


def of_the_plan(what: str) -> str:
    """Whether the graft sees pixels; ``what``: the part that is computed once per case."""
    if what == INPUTS:
        return (
            "THIS PLAN'S GRAFT SEES PIXELS: what is trained begins at the picture. Many cases and many local steps in "
            "an update, secure sums (aggregation=secure), or fewer trained stages are in the way of such an attack."
        )
    return (
        f"This plan's graft sees no pixels: what is computed once per case and kept ends at {what}, and "
        "an update tells of that at most."
    )


class _Graft(nn.Module):
    """Two layers of convolutions and a linear one, smooth, so that gradients of gradients exist."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 5, stride=2, padding=2)
        self.second = nn.Conv2d(8, 8, 5, stride=2, padding=2)
        self.last = nn.Linear(8 * (SIZE // 4) ** 2, 4)

    def forward(self, pictures: Tensor) -> Tensor:
        seen = torch.sigmoid(self.second(torch.sigmoid(self.first(pictures))))
        outputs: Tensor = self.last(seen.flatten(1))
        return outputs


def inverted(size: int, steps: int, seed: int = 0, iterations: int = _ITERATIONS) -> tuple[Tensor, Tensor]:
    """Drawn pictures and what their update tells of them, ``(size, 1, SIZE, SIZE)`` float32 from 0 to 1.

    Args:
        steps: local ones; the attacker takes their sum for one gradient.
    """
    with torch.random.fork_rng(devices=[]):
        seed_generators(seed)
        graft, originals = _Graft(), drawn(size, seed)
        for parameter in graft.parameters():
            nn.init.normal_(parameter, std=0.3)
        labels = torch.arange(size) % 4
        update = _update(graft, originals, labels, steps)
        guess = torch.rand(originals.shape).requires_grad_()
    descent = torch.optim.Adam([guess], _RATE)
    for place in range(iterations):
        descent.param_groups[0]["lr"] = _RATE * (1 + math.cos(math.pi * place / iterations)) / 2
        descent.zero_grad()
        outputs = graft(guess)
        slopes = torch.autograd.grad(
            functional.cross_entropy(outputs, labels), list(graft.parameters()), create_graph=True
        )
        apart = 1 - functional.cosine_similarity(_flat(slopes), update, dim=0)
        (apart + _SMOOTH * _rough(guess)).backward()
        descent.step()
        with torch.no_grad():
            guess.clamp_(0, 1)
    return originals, guess.detach()


def drawn(count: int, seed: int) -> Tensor:
    """Pictures of nobody: bright ellipses and a spot on a dark ground, ``(count, 1, SIZE, SIZE)`` float32."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    found = np.zeros((count, 1, SIZE, SIZE), np.float32)
    for one in found:
        for x, y, wide, high, light in zip(
            *rng.uniform((0.2, 0.2, 0.08, 0.1, 0.3), (0.8, 0.8, 0.3, 0.35, 0.6), (4, 5)).T, strict=True
        ):
            one[0] += light * (((columns - x) / wide) ** 2 + ((rows - y) / high) ** 2 < 1)
    return torch.from_numpy(found.clip(0, 1))


def matched(originals: Tensor, found: Tensor) -> float:
    """The mean over pictures of the correlation with the best of those that were read."""
    flat = [one.flatten(1) - one.flatten(1).mean(dim=1, keepdim=True) for one in (originals, found)]
    first, second = (functional.normalize(one, dim=1) for one in flat)
    return float((first @ second.T).max(dim=1).values.mean())


def _update(graft: _Graft, pictures: Tensor, labels: Tensor, steps: int) -> Tensor:
    """What a site would tell after its local steps: the sum of their gradients, ``(P,)``."""
    copy = _Graft()
    copy.load_state_dict(graft.state_dict())
    descent = torch.optim.SGD(copy.parameters(), lr=1.0)
    for _ in range(steps):
        descent.zero_grad()
        functional.cross_entropy(copy(pictures), labels).backward()
        descent.step()
    return (_flat(list(graft.parameters())) - _flat(list(copy.parameters()))).detach()


def _flat(tensors: list[nn.Parameter] | tuple[Tensor, ...]) -> Tensor:
    return torch.cat([one.flatten() for one in tensors])


def _rough(pictures: Tensor) -> Tensor:
    """Total variation: how much neighbours differ."""
    across, down = pictures.diff(dim=3).abs().mean(), pictures.diff(dim=2).abs().mean()
    return across + down


def _png(originals: Tensor, found: Tensor) -> bytes:
    """Both rows, enlarged."""
    rows = [torch.cat(list(one[:, 0]), dim=1) for one in (originals, found)]
    pixels = (torch.cat(rows).clamp(0, 1) * 255).byte().numpy().repeat(4, 0).repeat(4, 1)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
