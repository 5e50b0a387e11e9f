"""Makes the inputs of a cohort of images."""

from __future__ import annotations

from fedgraft.client.augmentation.views import Bank
from fedgraft.client.cohort.inputs import InputContext
from fedgraft.client.cohort.preparation import Preparation
from fedgraft.client.images.ingest import ImageIngest
from fedgraft.client.images.inputs import ImageInputs
from fedgraft.client.images.preparation import preparation_of
from fedgraft.client.images.reader import Reading
from fedgraft.client.site.machine import cores
from fedgraft.common.errors import PlanError
from fedgraft.common.harmonisation.reference import harmony_of
from fedgraft.common.interfaces.input_kind import InputKind
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.plan.plan import Plan


class ImageFactory:
    """The `fedgraft.client.cohort.inputs.InputFactory` of images; it has no state, since images are in the site's
    store.
    """

    def inputs(self, context: InputContext) -> ImageInputs:
        plan, rules, spec = context.plan, context.rules, _spec(context.kind)
        workers = cores() if context.workers is None else context.workers
        reading = Reading(plan.dicom, rules.limits)
        ingest = ImageIngest(reading, spec, context.store, workers, rules.refuse_burned_in, context.decoded)
        return ImageInputs(ingest, Bank(plan.augment, plan.seed), harmony_of(plan, context.trusted))

    def preparation(self, plan: Plan, kind: InputKind, trusted: tuple[str, ...]) -> Preparation:
        """The preparation of images as a module (`fedgraft.client.cohort.preparation.PreparesInTorch`)."""
        return preparation_of(_spec(kind), harmony_of(plan, trusted))


def _spec(kind: InputKind) -> ImageSpec:
    spec = kind.spec()
    if not isinstance(spec, ImageSpec):
        raise PlanError(f"input: {type(spec).__name__} does not say how images are read; it must be an ImageSpec")
    return spec
