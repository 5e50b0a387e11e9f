"""A loss and a backbone of your own, in the file that uses them.

The loss is a class, handed to the run; the backbone is any network that timm knows, also one that you register.
To deploy them, write both into a package that the sites allow: docs/extending.md.
"""

from timm.models import generate_default_cfgs, register_model
from torch import Tensor, nn
from torch.nn import functional

import fedgraft as fg

default_cfgs = generate_default_cfgs(
    {"two_layers": {"input_size": (3, 32, 32), "mean": (0.5,) * 3, "std": (0.25,) * 3}}
)


class TwoLayers(nn.Module):
    """Images ``(B, 3, H, W)`` to features ``(B, 32)``."""

    def __init__(self, in_chans: int = 3) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_chans, 16, 5, stride=2)
        self.second = nn.Conv2d(16, 32, 5, stride=2)

    def forward(self, images: Tensor) -> Tensor:
        return self.second(self.first(images).relu()).relu().mean((2, 3))


@register_model
def two_layers(pretrained: bool = False, num_classes: int = 0, in_chans: int = 3, **options: object) -> nn.Module:
    return TwoLayers(in_chans)


class SoftLabels(nn.Module):
    """Cross-entropy with labels that are never quite sure (Szegedy et al. 2016)."""

    def __init__(self, class_weights: Tensor | None, smoothing: float = 0.1) -> None:
        super().__init__()
        self.class_weights, self.smoothing = class_weights, smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits, labels, self.class_weights, label_smoothing=self.smoothing)


plan = fg.plan(
    "data.sites=2",
    backbone="timm",
    backbone__name="two_layers",
    backbone__pretrained=False,
    backbone__freeze="none",  # all of it is trained
    data={"image_size": 32, "cases": 48},
    rounds=3,
)
run = fg.simulate(plan, out="runs/own_loss_and_backbone", parts={"loss": (SoftLabels, {"smoothing": 0.2})})
print(run)
print(f"{run.plan.backbone.name}, {run.plan.loss.target} with {run.plan.loss.options}")
