"""What a site tells of its images before there is a model: the means that harmonising refers to."""

from __future__ import annotations

import torch

from fedgraft.client.cohort import split_usable
from fedgraft.client.image_inputs import ImageInputs, image_inputs
from fedgraft.client.intake import Progress
from fedgraft.client.manifest import read_manifest
from fedgraft.client.release import release_means
from fedgraft.client.site import SiteFile
from fedgraft.client.store import Store
from fedgraft.common.backbone import input_spec
from fedgraft.common.harmony import Harmony, require_reference_fits
from fedgraft.common.image_statistics import ImageStatistics
from fedgraft.common.parts import OURS
from fedgraft.common.plan import Plan

_AT_ONCE = 64


def images_of(plan: Plan, site: SiteFile, store: Store, decoded: Progress) -> ImageInputs:
    """A site's images as a run takes them, before there is a model: what is decoded here need not be decoded again."""
    spec = input_spec(plan.backbone, plan.data.image_size)
    return image_inputs(plan, spec, site.rules, store, site.workers, decoded, (*OURS, *site.allow))


def site_means(plan: Plan, site: SiteFile, inputs: ImageInputs, harmony: Harmony) -> ImageStatistics:
    """What may leave a site: means over its training images, those of a run of this plan, each as it is (no views).

    Raises:
        PlanError: an image takes more numbers than may travel.
        DataError: the cohort can't be used.
    """
    require_reference_fits(plan, inputs.intake.spec, (*OURS, *site.allow))
    if site.name in plan.hold_out:
        return ImageStatistics()
    train = split_usable(inputs.expanded(read_manifest(site.manifest)), plan, inputs)["train"]
    if not release_means(len({case.patient for case in train}), site.release):
        return ImageStatistics()
    total = torch.zeros(harmony.numbers(inputs.intake.spec.size), dtype=torch.float64)
    for start in range(0, len(train), _AT_ONCE):
        for image in inputs.intake.images(train[start : start + _AT_ONCE]):
            total += harmony.harmoniser.describe(image)
    return ImageStatistics(len(train), tuple((total / len(train)).tolist()))
